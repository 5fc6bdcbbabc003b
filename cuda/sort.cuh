// Sorts keys of 64 bits, no two of which are equal, so that there is one order only.
//
// Merge sort: each block sorts a run of keys, by the number of those before each; then sorted runs
// are merged, 16 at a time, until one is left. What a key belongs to is the number in its low bits.

#ifndef CISREG_CUDA_SORT_CUH_
#define CISREG_CUDA_SORT_CUH_

#include <cuda_runtime.h>

#include <cstdint>

namespace cisreg::gpu {

// Keys of the first sorted runs, one for each thread of a block.
inline constexpr int kRunKeys = 256;

// What is sorted: `keys` are [2, count], and `order` [count] gets the numbers in the keys' order.
struct Sorted {
  uint64_t* keys;
  int32_t* order;
  int32_t count;
  int32_t number_bits;  // of a key
};

// One pass of the merging.
struct MergeParams {
  Sorted sorted;
  const uint64_t* from;  // sorted runs of `run_keys` keys
  uint64_t* to;          // null in the last pass, which writes the order
  int32_t run_keys;
};

// `keys` are null where all are sorted: then the number of the place is written.
__device__ __forceinline__ void WritePlace(const Sorted& sorted, uint64_t* keys, int place,
                                           uint64_t key) {
  if (keys != nullptr) {
    keys[place] = key;
  } else {
    sorted.order[place] = static_cast<int32_t>(key & ((uint64_t{1} << sorted.number_bits) - 1));
  }
}

// Sorts the run of a block of kRunKeys threads, which begins at key `first`: `run` are its keys, in
// shared memory, where all threads see them.
__device__ __forceinline__ void SortRun(const Sorted& sorted, const uint64_t* run, int first) {
  const int count = min(kRunKeys, sorted.count - first), thread = threadIdx.x;
  if (thread >= count) return;
  const uint64_t key = run[thread];
  int before = 0;
  for (int i = 0; i < count; ++i) before += run[i] < key ? 1 : 0;
  WritePlace(sorted, sorted.count <= kRunKeys ? nullptr : sorted.keys, first + before, key);
}

// Merges all runs of kRunKeys, if there are several.
cudaError_t MergeRuns(const Sorted& sorted, cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_SORT_CUH_
