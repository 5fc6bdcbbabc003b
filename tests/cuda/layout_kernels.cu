// One kernel for each wrapper of ptx.cuh, on registers from memory: for the tests of layouts.

#include <string>

#include "fibers.h"
#include "ptx.cuh"

namespace cisreg::shim_test {

// Numbers are [32 lanes, count]; sums are read and written.
struct WrapperParams {
  float* sums;         // [32, 4]
  const uint32_t* a;   // [32, 4]
  const uint32_t* b;   // [32, 4]
  uint32_t* metadata;  // [32]; read by sparse products, read and written by Transpose
};

template <int Wrapper>
__global__ void WrapperKernel(const __grid_constant__ WrapperParams params) {
  const int lane = threadIdx.x;
  float d[4];
  for (int i = 0; i < 4; ++i) d[i] = params.sums[4 * lane + i];
  const uint32_t* const a = params.a + 4 * lane;
  const uint32_t* const b = params.b + 4 * lane;
  if (Wrapper == 0) ptx::MmaHalf(d, a[0], a[1], a[2], a[3], b[0], b[1]);
#if CISREG_CUDA_ARCH >= 800
  const uint4 wide = make_uint4(b[0], b[1], b[2], b[3]);
  if (Wrapper == 1) ptx::MmaBfloat(d, a[0], a[1], a[2], a[3], b[0], b[1]);
  if (Wrapper == 2) ptx::MmaSparseHalf<0>(d, a[0], a[1], a[2], a[3], wide, params.metadata[lane]);
  if (Wrapper == 3) ptx::MmaSparseHalf<1>(d, a[0], a[1], a[2], a[3], wide, params.metadata[lane]);
#endif
  if (Wrapper == 4) params.metadata[lane] = ptx::Transpose(params.metadata[lane]);
  for (int i = 0; i < 4; ++i) params.sums[4 * lane + i] = d[i];
}

struct NumbersParams {
  float* numbers;  // [count, 4]: what goes in; then 2^x, 1/x, log2 x of the first two, its float16
  int64_t count;
};

__global__ void NumbersKernel(const __grid_constant__ NumbersParams params) {
  for (int64_t i = threadIdx.x; i < params.count; i += blockDim.x) {
    float* const at = params.numbers + 4 * i;
    const float x = at[0];
    at[0] = ptx::Exp2(x);
    at[1] = ptx::Reciprocal(x);
    at[2] = ptx::Log2(x);
    at[3] = ptx::HalfHigh(ptx::PackHalf(0.0f, x));
  }
}

}  // namespace cisreg::shim_test

namespace {

std::string last_error;

template <class Params>
const char* RunOne(void (*kernel)(Params), const Params& params) {
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(1);
  config.blockDim = dim3(32);
  cudaLaunchKernelEx(&config, kernel, params);
  last_error = cisreg::shim::TakeFailure();
  return last_error.c_str();
}

}  // namespace

extern "C" const char* cisreg_shim_wrapper(float* sums, const uint32_t* a, const uint32_t* b,
                                           uint32_t* metadata, int64_t wrapper) {
  using cisreg::shim_test::WrapperKernel;
  void (*const kernels[])(cisreg::shim_test::WrapperParams) = {
      WrapperKernel<0>, WrapperKernel<1>, WrapperKernel<2>, WrapperKernel<3>, WrapperKernel<4>};
  return RunOne(kernels[wrapper], {sums, a, b, metadata});
}

extern "C" const char* cisreg_shim_numbers(float* numbers, int64_t count) {
  return RunOne(cisreg::shim_test::NumbersKernel, {numbers, count});
}
