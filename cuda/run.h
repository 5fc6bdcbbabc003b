// Launches kernels that take one struct.

#ifndef CISREG_CUDA_RUN_H_
#define CISREG_CUDA_RUN_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace cisreg::gpu {

// Lets a kernel's blocks have so much shared memory. Above what they have by default, the kernel's
// limit is always set to the maximum of the device: the limit belongs to the kernel, and others may
// launch it at the same time.
template <class Params>
cudaError_t AllowShared(void (*kernel)(Params), size_t shared_bytes, int64_t shared_limit) {
  constexpr size_t kSharedByDefault = 48 << 10;
  if (shared_bytes <= kSharedByDefault) return cudaSuccess;
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                              cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(shared_limit));
}

// How many blocks of a kernel a multiprocessor of the current device runs at a time.
template <class Params>
cudaError_t ResidentBlocks(void (*kernel)(Params), int threads, size_t shared_bytes,
                           int64_t shared_limit, int* blocks) {
  const cudaError_t status = AllowShared(kernel, shared_bytes, shared_limit);
  if (status != cudaSuccess) return status;
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(
      blocks, reinterpret_cast<const void*>(kernel), threads, shared_bytes);
}

template <class Params>
cudaError_t Run(void (*kernel)(Params), dim3 grid, int threads, size_t shared_bytes,
                cudaStream_t stream, const Params& params, int64_t shared_limit = 0) {
  const cudaError_t status = AllowShared(kernel, shared_bytes, shared_limit);
  if (status != cudaSuccess) return status;
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
