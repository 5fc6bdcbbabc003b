#include <utility>

#include "run.h"
#include "sort.cuh"

namespace cisreg::gpu {
namespace {

constexpr int kThreads = 128;
// Runs that are merged into one.
constexpr int kMergedRuns = 16;

}  // namespace

// Merges runs: the place of a key is the number of keys in these runs that are smaller. All runs
// are searched at the same time, so that the loads of one search do not wait for those of another.
__global__ void MergeRunsKernel(const __grid_constant__ MergeParams params) {
  const int count = params.sorted.count, run_keys = params.run_keys;
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const uint64_t key = params.from[at];
  const int first = at - at % (run_keys * kMergedRuns);
  int smaller[kMergedRuns] = {};
  for (int step = run_keys; step > 0; step /= 2) {
#pragma unroll
    for (int run = 0; run < kMergedRuns; ++run) {
      const int begin = first + run * run_keys, end = smaller[run] + step;
      if (end <= min(run_keys, count - begin) && params.from[begin + end - 1] < key) {
        smaller[run] = end;
      }
    }
  }
  int place = first;
#pragma unroll
  for (int run = 0; run < kMergedRuns; ++run) place += smaller[run];
  WritePlace(params.sorted, params.to, place, key);
}

cudaError_t MergeRuns(const Sorted& sorted, cudaStream_t stream) {
  uint64_t *from = sorted.keys, *to = from + sorted.count;
  cudaError_t status = cudaSuccess;
  for (int run = kRunKeys; status == cudaSuccess && run < sorted.count; run *= kMergedRuns) {
    const bool last = run * kMergedRuns >= sorted.count;
    const MergeParams merge = {sorted, from, last ? nullptr : to, run};
    status = Run(MergeRunsKernel, BlocksFor(sorted.count, kThreads), kThreads, 0, stream, merge);
    std::swap(from, to);
  }
  return status;
}

}  // namespace cisreg::gpu
