// The kernels of one instruction set, as a table of functions, and the choice among the tables.

#ifndef CISREG_CSRC_OCCUPANCY_KERNELS_H_
#define CISREG_CSRC_OCCUPANCY_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "common/export.h"
#include "occupancy/plan.h"
#include "occupancy/problem.h"

namespace cisreg {

// What every work item reads; filled once per launch. Inputs are in the caller's order of motifs,
// which block_motif maps the blocks' places to.
struct OccupancyJob {
  OccupancyShape shape;
  OccupancyPlan plan;
  Reduction reduction;
  OccupancyInputs inputs;
  const int32_t* block_motif;         // [block_count, kBlockMotifs]
  const ColumnRange* motif_columns;   // [M], the columns that count
  const BlockColumns* block_scanned;  // [block_count]
  const BlockColumns* block_trained;  // [block_count]
  const SiteColumns* block_sites;     // [block_count], or null without a span
  const uint8_t* block_absent;        // [block_count, kBlockMotifs], or null, see plan.h
  const float* base_concentration;    // [M], the largest of each motif in any condition
  bool some_absent;                   // whether a motif is absent in some condition
  const int64_t* slice_begin;         // [sequence_slices + 1]
  const int64_t* table_offset;        // [block_count + 1], in floats
  Tile* tiles;                        // of all slices, or null where each item has its own
  const int64_t* slice_tile;          // [sequence_slices + 1], first tile of each slice
  const uint8_t* used_rows;           // [kTableRows], those of tables that a window may read
  // What tables are filled with:
  float* tables;                // of all blocks, one after the other
  int32_t* sites_per_division;  // [block_count], 1, 2 or 4, see table.h
  float* factors;               // [block_count, C, kBlockSites], or unused, see several.h
  float* block_weight;          // [block_count, P, K, kBlockSites], or unused

  float* table(int64_t block) const { return tables + table_offset[block]; }
};

struct OccupancyKernels {
  const char* name;
  // Fills one block's k-mer table, its factors of conditions and its position weights.
  void (*build_table)(const OccupancyJob& job, int64_t block);
  // Works out one of the tiles that the items share.
  void (*encode_tile)(const OccupancyJob& job, int64_t index, char* scratch);
  // Bytes of scratch memory that each of these functions needs.
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
extern const OccupancyKernels kAvx512Kernels;
#endif
#if defined(CISREG_HAVE_ARM_KERNELS)
extern const OccupancyKernels kNeonKernels;
#endif

// Kernels by name where this processor has them, else null.
CISREG_EXPORT const OccupancyKernels* FindKernels(const char* name);

// The fastest that this processor has, or the one that CISREG_INSTRUCTION_SET names.
CISREG_EXPORT const OccupancyKernels& SelectKernels();

}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_KERNELS_H_
