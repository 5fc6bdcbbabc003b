// Small kernels with and without mistakes: what the shim must run, and what it must notice.

#include <string>

#include "fibers.h"
#include "ptx.cuh"

namespace cisreg::gpu {

constexpr int kSelftestThreads = 96;

struct SelftestParams {
  const float* numbers;
  float* sums;
  int64_t count;
};

// Sum of 96 numbers for each block, by shared memory and shuffles.
template <bool Barrier>
__global__ void BlockSum(const __grid_constant__ SelftestParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  float* const shared = reinterpret_cast<float*>(shared_memory);
  const int64_t at = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
  shared[threadIdx.x] = at < params.count ? params.numbers[at] : 0.0f;
  if (Barrier) __syncthreads();
  if (threadIdx.x >= 32) return;
  float sum = shared[threadIdx.x] + shared[threadIdx.x + 32] + shared[threadIdx.x + 64];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (threadIdx.x == 0) params.sums[blockIdx.x] = sum;
}

// Some of a warp wait for its others, which wait for the block.
__global__ void Deadlock(const __grid_constant__ SelftestParams params) {
  if (threadIdx.x < 40) __syncthreads();
  if (threadIdx.x >= 40) __syncwarp();
  if (threadIdx.x >= 40) __syncthreads();
  params.sums[blockIdx.x] = 0.0f;
}

// Lanes of one warp meet at different collectives.
__global__ void Divergence(const __grid_constant__ SelftestParams params) {
  const float sum =
      threadIdx.x % 2 == 0 ? __shfl_xor_sync(~0u, 1.0f, 1) : static_cast<float>(__any_sync(~0u, 1));
  params.sums[blockIdx.x] = sum;
}

// A lane leaves before the others wait for it.
__global__ void Exit(const __grid_constant__ SelftestParams params) {
  if (threadIdx.x == 5) return;
  __syncwarp();
  params.sums[blockIdx.x] = 0.0f;
}

// Whoever comes last wins, of threads and of blocks.
__global__ void Last(const __grid_constant__ SelftestParams params) {
  params.sums[blockIdx.x] = static_cast<float>(threadIdx.x);
  params.sums[0] = static_cast<float>(blockIdx.x);
}

// One number too far, in shared memory or in the caller's.
template <bool Shared>
__global__ void Overrun(const __grid_constant__ SelftestParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  float* const shared = reinterpret_cast<float*>(shared_memory);
  params.sums[blockIdx.x] = Shared ? shared[kSelftestThreads] : params.numbers[params.count];
}

// Four numbers at once from where they may not be.
__global__ void Misaligned(const __grid_constant__ SelftestParams params) {
  params.sums[blockIdx.x] = reinterpret_cast<const float4*>(params.numbers + 1)->y;
}

}  // namespace cisreg::gpu

namespace {
std::string last_error;
}

extern "C" const char* cisreg_shim_selftest(const float* numbers, float* sums, int64_t count,
                                            int64_t kernel) {
  using namespace cisreg::gpu;
  void (*const kernels[])(SelftestParams) = {
      BlockSum<true>, BlockSum<false>, Deadlock,   Divergence, Exit,
      Overrun<true>,  Overrun<false>,  Misaligned, Last};
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>((count + kSelftestThreads - 1) / kSelftestThreads));
  config.blockDim = dim3(kSelftestThreads);
  config.dynamicSmemBytes = kSelftestThreads * sizeof(float);
  cudaLaunchKernelEx(&config, kernels[kernel], SelftestParams{numbers, sums, count});
  last_error = cisreg::shim::TakeFailure();
  return last_error.c_str();
}
