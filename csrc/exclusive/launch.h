// Runs the kernels of sites that exclude each other: chunks of sequences on the caller's threads.

#ifndef CISREG_CSRC_EXCLUSIVE_LAUNCH_H_
#define CISREG_CSRC_EXCLUSIVE_LAUNCH_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/export.h"
#include "exclusive/kernels.h"
#include "exclusive/problem.h"
#include "occupancy/launch.h"

namespace cisreg::exclusive {

// A launch of one problem: ask for the workspace, allocate it aligned to 64 bytes, run.
class CISREG_EXPORT Launch {
 public:
  // `backward` says which of the two will run.
  Launch(const OccupancyKernels& kernels, const OccupancyShape& shape, const Inputs& inputs,
         bool backward);
  // The job points into the members.
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  size_t Workspace(const Executor& executor) const;

  void Forward(const Executor& executor, char* workspace, const Outputs& outputs);
  void Backward(const Executor& executor, char* workspace, const Upstream& upstream,
                const Gradients& gradients);

 private:
  // Bytes of each part of the workspace.
  struct Parts {
    size_t tables, divisions, weights, scratch, partials;
  };

  Parts FindParts(const Executor& executor) const;
  // Gives the job its memory, and returns the rest of it.
  char* TakeWorkspace(const Executor& executor, char* workspace);
  void BuildTables(const Executor& executor) const;
  int64_t CyclesOf(int64_t items) const;
  void SumPartials(int64_t block, const float* partials, const Gradients& gradients) const;

  const OccupancyKernels& occupancy_kernels_;
  const Kernels& kernels_;
  const bool backward_;
  MotifLayout motifs_;
  FootprintLayout footprints_;
  ChunkPlan chunks_;
  uint8_t used_rows_[kTableRows];
  Job job_;
};

}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_LAUNCH_H_
