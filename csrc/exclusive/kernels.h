// The kernels of one instruction set for sites that exclude each other, as a table of functions.

#ifndef CISREG_CSRC_EXCLUSIVE_KERNELS_H_
#define CISREG_CSRC_EXCLUSIVE_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "exclusive/layout.h"
#include "exclusive/problem.h"
#include "occupancy/kernels.h"

namespace cisreg::exclusive {

// What every work item reads; filled once per launch.
struct Job {
  OccupancyJob scan;  // tables, tiles; without position weights
  const FootprintLayout* footprints;
  const int32_t* widths;
  int64_t width_count;
  const SiteGroup* groups;
  const int64_t* part_group;  // [block_count * vectors + 1]
  const ChunkPlan* chunks;
  const float* position_weight;  // [2, P, M], or null
  float* block_weight;           // [block_count, P, kBlockSites], or unused

  bool weighted() const { return position_weight != nullptr; }
  int64_t competitor_count() const { return static_cast<int64_t>(footprints->competitors.size()); }
};

// Floats that one slice's gradients of one block take while they wait for the final sum.
struct SlicePartials {
  int64_t log_kd;             // [W, 4, kBlockMotifs]
  int64_t log_concentration;  // [kBlockMotifs]
  int64_t position_weight;    // [P, 2, kBlockMotifs] or none
  int64_t total() const { return log_kd + log_concentration + position_weight; }
};

inline SlicePartials FindPartials(const OccupancyShape& shape, bool weighted) {
  return {shape.width * kBases * kBlockMotifs, kBlockMotifs,
          weighted ? shape.window_count * kBlockSites : 0};
}

struct Kernels {
  const char* name;
  int lanes;  // sites in a vector
  // Fills one block's position weights.
  void (*build_weights)(const Job& job, int64_t block);
  // Bytes of scratch memory that each of the functions below needs.
  size_t (*scratch_bytes)(const Job& job, bool backward);
  void (*forward_chunk)(const Job& job, int64_t chunk, char* scratch, const Outputs& outputs);
  // Writes the slice's sums to partials [slices, block_count, SlicePartials], and behind all of
  // these [slices, Q], the gradients of competitors.
  void (*backward_slice)(const Job& job, int64_t slice, char* scratch, const Upstream& upstream,
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

}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_KERNELS_H_
