// How an occupancy problem is cut into motif blocks, work items and tiles.
//
// The cut depends on the problem alone, never on the number of threads: that, and summing the
// pieces in a fixed order, is what makes the results the same bits for every thread count.

#ifndef CISREG_CSRC_OCCUPANCY_PLAN_H_
#define CISREG_CSRC_OCCUPANCY_PLAN_H_

#include <cstdint>
#include <vector>

#include "occupancy/problem.h"

namespace cisreg {

// Three bases index one row of a k-mer table: 4^3 rows of known bases come first, so that the
// rows nearly every site reads lie together in the cache; rows with an unknown base follow.
inline constexpr int kGroupBases = 3;
inline constexpr int kKnownRows = 64;
inline constexpr int kTableRows = 125;

// Columns [first, end) of a motif that are not zero.
struct ColumnRange {
  int32_t first;
  int32_t end;
};

// Columns that a block scans, in groups of three: those of any of its motifs on either strand.
struct BlockColumns {
  int32_t first;
  int32_t group_count;
};

struct OccupancyPlan {
  int64_t lanes;            // motifs in one block
  int64_t block_count;      // motif blocks
  int64_t max_group_count;  // most groups of any block
  int64_t pad_rows;         // zero rows between two segments of a tile
  int64_t tile_rows;        // most rows of a tile
  int64_t slot_stride;      // rows of a tile that are the same modulo three
  int64_t segment_windows;  // most windows of one sequence in one segment
  int64_t blocks_per_item;
  int64_t block_groups;     // work items along the motifs
  int64_t sequence_slices;  // work items along the sequences

  int64_t item_count() const { return block_groups * sequence_slices; }
  // Floats of one block's table, and of one block's table of gradients.
  int64_t table_floats() const { return max_group_count * kTableRows * kStrands * lanes; }
};

// Which motif sits in which lane, and what each block scans. Motifs of like width share blocks, so
// that narrow ones cost what they are wide.
struct MotifLayout {
  // Motif of each lane of each block; spare lanes of the last block repeat its last motif.
  std::vector<int32_t> lane_motif;
  std::vector<ColumnRange> motif_columns;   // by motif
  std::vector<BlockColumns> block_columns;  // by block
};

// The columns that count: those given in column_range or else all; `skip_zeros` leaves out the
// outer ones of these that are zero, which is right where no gradient is asked for.
std::vector<ColumnRange> FindMotifColumns(const OccupancyShape& shape,
                                          const OccupancyInputs& inputs, bool skip_zeros);

MotifLayout MakeMotifLayout(const OccupancyShape& shape, std::vector<ColumnRange> motif_columns,
                            int64_t lanes);

// `weighted` says whether gradients of position weights will wait for the final sum as well.
OccupancyPlan MakeOccupancyPlan(const OccupancyShape& shape, const MotifLayout& layout,
                                bool weighted, int64_t lanes);

// Floats that one slice's gradients of one block take while they wait for the final sum.
struct PartialLayout {
  int64_t log_kd;             // [W, 4, lanes]
  int64_t log_concentration;  // [lanes]
  int64_t position_weight;    // [2, P, lanes] or none
  int64_t total() const { return log_kd + log_concentration + position_weight; }
};

PartialLayout MakePartialLayout(const OccupancyShape& shape, const OccupancyPlan& plan,
                                bool weighted);

}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_PLAN_H_
