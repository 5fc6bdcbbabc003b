// Runs the kernels: tables first, then the items on the caller's threads, then the final sums.

#ifndef CISREG_CSRC_OCCUPANCY_LAUNCH_H_
#define CISREG_CSRC_OCCUPANCY_LAUNCH_H_

#include <cstddef>
#include <cstdint>
#include <functional>

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
  size_t weights;
  size_t scratch;
  size_t partials;
  size_t total() const { return tables + divisions + weights + scratch + partials; }
};

// A launch of one problem: ask for the workspace, allocate it aligned to 64 bytes, run.
class OccupancyLaunch {
 public:
  // `backward` says which of the two will run: the forward pass may skip outer columns that are
  // zero now; the backward pass may not, since they have a gradient.
  OccupancyLaunch(const OccupancyKernels& kernels, const OccupancyShape& shape, Reduction reduction,
                  const OccupancyInputs& inputs, bool backward);
  // The job points into the layout.
  OccupancyLaunch(const OccupancyLaunch&) = delete;
  OccupancyLaunch& operator=(const OccupancyLaunch&) = delete;

  WorkspaceBytes Workspace(const Executor& executor) const;

  void Forward(const Executor& executor, char* workspace, const OccupancyOutputs& outputs);
  void Backward(const Executor& executor, char* workspace, const OccupancyUpstream& upstream,
                const OccupancyGradients& gradients);

 private:
  int64_t ItemCycles() const;
  void BuildTables(const Executor& executor, char* workspace);
  void SumPartials(int64_t block, const float* partials, const OccupancyGradients& gradients) const;
  void HoldColumns(int64_t motif, float* log_kd) const;

  const OccupancyKernels& kernels_;
  const bool backward_;
  MotifLayout layout_;
  OccupancyJob job_;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_LAUNCH_H_
