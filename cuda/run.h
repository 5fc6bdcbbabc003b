// Launches a kernel that takes one struct.

#ifndef CISREG_CUDA_RUN_H_
#define CISREG_CUDA_RUN_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace cisreg::gpu {

template <class Params>
cudaError_t Run(void (*kernel)(Params), dim3 grid, int threads, size_t shared_bytes,
                cudaStream_t stream, const Params& params, int64_t shared_limit = 0) {
  // Shared memory that a block gets by default. Above it, the kernel's limit is always set to the
  // maximum of the device: the limit belongs to the kernel, and others may launch it at the same
  // time.
  constexpr size_t kSharedByDefault = 48 << 10;
  if (shared_bytes > kSharedByDefault) {
    const cudaError_t status = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                    cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                    static_cast<int>(shared_limit));
    if (status != cudaSuccess) return status;
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, params);
}

// Blocks of `threads` that cover `count`; at least one.
inline unsigned BlocksFor(int64_t count, int threads) {
  const int64_t blocks = (count + threads - 1) / threads;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks);
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_RUN_H_
