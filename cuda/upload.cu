#include <algorithm>

#include "run.h"
#include "upload.cuh"

namespace cisreg::gpu {
namespace {

constexpr int kThreads = 128;
// Parameters of a kernel take 4 KB at most.
constexpr int kMostNumbers = 1000;

}  // namespace

struct UploadParams {
  int32_t* to;
  int32_t count;
  int32_t number[kMostNumbers];
};
static_assert(sizeof(UploadParams) <= 4096);

__global__ void UploadKernel(const __grid_constant__ UploadParams params) {
  for (int i = threadIdx.x; i < params.count; i += kThreads) params.to[i] = params.number[i];
}

cudaError_t Upload(const int32_t* host, int64_t count, int32_t* to, cudaStream_t stream) {
  for (int64_t first = 0; first < count; first += kMostNumbers) {
    UploadParams params = {};
    params.to = to + first;
    params.count = static_cast<int32_t>(std::min<int64_t>(count - first, kMostNumbers));
    std::copy_n(host + first, params.count, params.number);
    const cudaError_t status = Run(UploadKernel, dim3(1), kThreads, 0, stream, params);
    if (status != cudaSuccess) return status;
  }
  return cudaSuccess;
}

}  // namespace cisreg::gpu
