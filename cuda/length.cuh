// How many bases and windows a sequence has where sequences differ in length.
//
// All rows of the batch have `length` bases; those of a row behind its own sequence are not read,
// and the windows that a sequence of this length would not have are left out.

#ifndef CISREG_CUDA_LENGTH_CUH_
#define CISREG_CUDA_LENGTH_CUH_

#include "layout.h"

namespace cisreg::gpu {

// Values are not checked on a device, so a length is clipped to that of the row.
__device__ __forceinline__ int64_t OwnLength(const ScanShape& shape, int64_t sequence) {
  if (shape.own_length == nullptr) return shape.length;
  const int64_t own = max(shape.own_length[sequence], 0);
  return min(own, shape.length);
}

// Each missing base is a missing window, under either padding; not above 0 where there is none.
__device__ __forceinline__ int64_t OwnWindows(const ScanShape& shape, int64_t sequence) {
  return shape.window_count - (shape.length - OwnLength(shape, sequence));
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_LENGTH_CUH_
