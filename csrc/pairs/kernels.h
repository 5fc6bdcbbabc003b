// The kernels of one instruction set for pairs of factors, as a table of functions.

#ifndef CISREG_CSRC_PAIRS_KERNELS_H_
#define CISREG_CSRC_PAIRS_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "occupancy/kernels.h"
#include "pairs/layout.h"
#include "pairs/problem.h"

namespace cisreg::pairs {

// What every work item reads; filled once per launch.
struct Job {
  OccupancyJob scan;  // tables, tiles
  const PairLayout* layout;
  ChunkPlan chunks;
  int64_t pair_count;  // Q, those with an absent motif too
  int64_t knot_count;  // K

  int64_t row_count() const { return scan.plan.block_count * kBlockSites; }
  int64_t effect_floats() const { return pair_count * kOrientations * knot_count; }
};

// Floats that one slice's gradients take while they wait for the final sum: those of each block,
// and behind them those of the effects [Q, 2, K].
struct SlicePartials {
  int64_t block_count;
  int64_t log_kd;             // [W, 4, kBlockMotifs]
  int64_t log_concentration;  // [kBlockMotifs]
  int64_t effect;
  int64_t of_block() const { return log_kd + log_concentration; }
  int64_t of_blocks() const { return block_count * of_block(); }
  int64_t total() const { return of_blocks() + effect; }
};

inline SlicePartials FindPartials(const OccupancyShape& shape, int64_t block_count,
                                  int64_t effect_floats) {
  return {block_count, shape.width * kBases * kBlockMotifs, kBlockMotifs, effect_floats};
}

struct Kernels {
  const char* name;
  // Bytes of scratch memory that each of the functions below needs.
  size_t (*scratch_bytes)(const Job& job, bool backward);
  void (*forward_chunk)(const Job& job, int64_t chunk, char* scratch, float* score);
  // `upstream`: gradients with respect to the scores. Writes the slice's sums to its partials.
  void (*backward_slice)(const Job& job, int64_t slice, char* scratch, const float* upstream,
                         float* partials);
};

// Those of the same name as the occupancy's.
const Kernels& KernelsOf(const OccupancyKernels& occupancy);

extern const Kernels kPortableKernels;
#if defined(CISREG_HAVE_X86_KERNELS)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif
#if defined(CISREG_HAVE_ARM_KERNELS)
extern const Kernels kNeonKernels;
#endif

}  // namespace cisreg::pairs

#endif  // CISREG_CSRC_PAIRS_KERNELS_H_
