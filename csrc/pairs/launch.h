// Runs the kernels of pairs of factors: chunks of sequences on the caller's threads.

#ifndef CISREG_CSRC_PAIRS_LAUNCH_H_
#define CISREG_CSRC_PAIRS_LAUNCH_H_

#include <cstddef>
#include <cstdint>

#include "common/export.h"
#include "occupancy/launch.h"
#include "pairs/kernels.h"
#include "pairs/problem.h"

namespace cisreg::pairs {

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

  // `score`: [N], what all pairs add up to.
  void Forward(const Executor& executor, char* workspace, float* score);
  // `upstream`: [N], gradients with respect to the scores.
  void Backward(const Executor& executor, char* workspace, const float* upstream,
                const Gradients& gradients);

 private:
  // Bytes of each part of the workspace.
  struct Parts {
    size_t tables, divisions, scratch, partials;
  };

  Parts FindParts(const Executor& executor) const;
  SlicePartials PartialsOfSlice() const;
  // Gives the job its memory, and returns the rest of it.
  char* TakeWorkspace(const Executor& executor, char* workspace);
  void BuildTables(const Executor& executor) const;
  int64_t CyclesOf(int64_t items) const;
  void SumBlock(int64_t block, const float* partials, const Gradients& gradients) const;
  void SumEffects(const float* partials, float* effect) const;

  const OccupancyKernels& occupancy_kernels_;
  const Kernels& kernels_;
  const bool backward_;
  MotifLayout motifs_;
  PairLayout pairs_;
  uint8_t used_rows_[kTableRows];
  Job job_;
};

}  // namespace cisreg::pairs

#endif  // CISREG_CSRC_PAIRS_LAUNCH_H_
