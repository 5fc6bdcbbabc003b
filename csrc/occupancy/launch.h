// Runs the kernels: the items on the caller's threads, all in one go, since threads that fall
// asleep take long to wake up. Tables and tiles that several items need are worked out by whichever
// needs them first; the last item of a group of blocks adds up its slices.

#ifndef CISREG_CSRC_OCCUPANCY_LAUNCH_H_
#define CISREG_CSRC_OCCUPANCY_LAUNCH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "common/export.h"
#include "occupancy/kernels.h"
#include "occupancy/problem.h"

namespace cisreg {

// The caller's threads. `parallel_for(count, cost, task)` calls task(index, worker) once for every
// index below count, in any order; no two calls at the same time have the same worker number, which
// lies below `worker_count`. `cost` is a rough number of cycles of one call.
struct Executor {
  int worker_count;
  std::function<void(int64_t count, int64_t cost,
                     const std::function<void(int64_t index, int worker)>& task)>
      parallel_for;
};

// Memory that a launch needs beside its inputs and outputs.
struct WorkspaceBytes {
  size_t tables;
  size_t divisions;
  size_t factors;
  size_t weights;
  size_t tiles;
  size_t scratch;
  size_t partials;
  size_t total() const {
    return tables + divisions + factors + weights + tiles + scratch + partials;
  }
};

// A launch of one problem: ask for the workspace, allocate it aligned to 64 bytes, run.
class CISREG_EXPORT OccupancyLaunch {
 public:
  // `backward` says which of the two will run: the forward pass may skip outer columns that are
  // zero now; the backward pass may not, since they have a gradient.
  OccupancyLaunch(const OccupancyKernels& kernels, const OccupancyShape& shape, Reduction reduction,
                  const OccupancyInputs& inputs, bool backward);
  // The job points into the vectors.
  OccupancyLaunch(const OccupancyLaunch&) = delete;
  OccupancyLaunch& operator=(const OccupancyLaunch&) = delete;

  WorkspaceBytes Workspace(const Executor& executor) const;

  void Forward(const Executor& executor, char* workspace, const OccupancyOutputs& outputs);
  void Backward(const Executor& executor, char* workspace, const OccupancyUpstream& upstream,
                const OccupancyGradients& gradients);

 private:
  class Progress;

  void LayOutTiles();
  int64_t ItemCycles() const;
  // Gives the job its memory, and returns the rest of it.
  char* TakeWorkspace(const Executor& executor, char* workspace);
  void FindUsedRows(char* scratch, Progress* progress);
  void PrepareItem(int64_t item, char* scratch, Progress* progress) const;
  void SumPartials(int64_t block, const float* partials, const OccupancyGradients& gradients) const;

  const OccupancyKernels& kernels_;
  const bool backward_;
  MotifLayout layout_;
  std::vector<int64_t> slice_begin_;
  // Of tiles that the items share.
  std::vector<int64_t> slice_tile_;
  std::vector<Segment> segments_;
  std::vector<Tile> tiles_;
  uint8_t used_rows_[kTableRows];
  OccupancyJob job_;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_LAUNCH_H_
