// The kernels of one instruction set, as a table of functions, and the choice among the tables.

#ifndef CISREG_CSRC_OCCUPANCY_KERNELS_H_
#define CISREG_CSRC_OCCUPANCY_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "occupancy/plan.h"
#include "occupancy/problem.h"

namespace cisreg {

// What every work item reads; filled once per launch. Lanes are motifs in the layout's order.
struct OccupancyJob {
  OccupancyShape shape;
  OccupancyPlan plan;
  Reduction reduction;
  OccupancyInputs inputs;
  const int32_t* lane_motif;          // [block_count, lanes]
  const ColumnRange* motif_columns;   // [M]
  const BlockColumns* block_columns;  // [block_count]
  float* tables;                      // [block_count, table_floats]
  float* lane_weight;                 // [block_count, 2, P, lanes], or unused
};

struct OccupancyKernels {
  const char* name;
  int lanes;
  // Fills one block's k-mer table and its position weights.
  void (*build_table)(const OccupancyJob& job, int64_t block);
  // Bytes of scratch that forward_item and backward_item want.
  size_t (*scratch_bytes)(const OccupancyPlan& plan, bool backward);
  void (*forward_item)(const OccupancyJob& job, int64_t item, char* scratch,
                       const OccupancyOutputs& outputs);
  // Writes the item's sums to partials [sequence_slices, block_count, PartialLayout].
  void (*backward_item)(const OccupancyJob& job, int64_t item, char* scratch,
                        const OccupancyUpstream& upstream, float* partials);
};

extern const OccupancyKernels kPortableKernels;
#if defined(CISREG_HAVE_X86_KERNELS)
extern const OccupancyKernels kAvx2Kernels;
#endif

// Kernels by name where this processor has them, else null.
const OccupancyKernels* FindKernels(const char* name);

// The fastest that this processor has, or the one that CISREG_INSTRUCTION_SET names.
const OccupancyKernels& SelectKernels();

}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_KERNELS_H_
