// How an occupancy problem is cut into motif blocks, work items and tiles.
//
// The cut depends on the problem only, not on the number of threads, and the pieces are summed in a
// fixed order. So results are the same bits for every number of threads.

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

// Motifs of one block. The vectors of the kernels hold one number for each of its sites at a
// window: the motifs on the forward strand, then the same motifs on the reverse strand.
inline constexpr int kBlockMotifs = 8;
inline constexpr int kBlockSites = kStrands * kBlockMotifs;
// Floats of one group's table.
inline constexpr int64_t kGroupFloats = int64_t{kTableRows} * kBlockSites;

// Columns [first, end) of a motif.
struct ColumnRange {
  int32_t first;
  int32_t end;
};

// Columns of a block in groups of three: those of any of its motifs on either strand.
struct BlockColumns {
  int32_t first;
  int32_t group_count;
};

// Where in the window the columns of a block's sites lie: mirrored on the reverse strand. Those of
// a motif without columns begin after every base and end before it.
struct SiteColumns {
  int32_t first[kBlockSites];
  int32_t end[kBlockSites];
  int32_t least_first, most_first;
  int32_t least_end, most_end;
};

// Neighbouring windows of a sequence, or none: a segment of no window has no rows.
struct Segment {
  int64_t sequence;
  int64_t first_window;
  int64_t windows;
  int64_t first_row;
  bool is_first;  // of its sequence
};

// The rows of a few segments, see tile.h.
struct Tile {
  int64_t rows;
  int64_t segment_count;
  // Whether its windows are in rows in which the tile before it in the slice has windows too, and
  // its pads in rows of pads.
  bool repeats_rows;
  Segment* segments;
  uint16_t* kmer_offset;  // [rows] byte offset of the k-mer's row in a group's table
  // Places of the gradients of the known rows by k-mer, or null where not asked for.
  uint32_t* sorted_place;
  uint32_t bin_end[kTableRows];
};

struct OccupancyPlan {
  int64_t window_count;        // windows of all sequences together
  int64_t block_count;         // motif blocks
  int64_t max_trained_groups;  // most groups of any block, of columns that have a gradient
  int64_t pad_rows;            // rows between the windows of two segments of a tile
  int64_t tile_rows;           // most rows of a tile
  int64_t slot_stride;         // rows of a tile that are the same modulo three
  int64_t sums_per_sequence;   // C' (1 + K), or 0 with one condition and at most one set of weights
  int64_t segment_windows;     // most windows of one sequence in one segment
  int64_t blocks_per_item;
  int64_t block_groups;     // work items along the motifs
  int64_t sequence_slices;  // work items along the sequences
  // Whether tiles are worked out once for all items, and kept. Where there are many, that would
  // take too much memory: each item then works out its own.
  bool shares_tiles;

  int64_t item_count() const { return block_groups * sequence_slices; }
  // Items of a group of blocks are neighbours, see items.h.
  int64_t group_of(int64_t item) const { return block_groups - 1 - item / sequence_slices; }
  int64_t slice_of(int64_t item) const { return item % sequence_slices; }
  // Floats of one block's table of gradients.
  int64_t gradient_floats() const { return max_trained_groups * kGroupFloats; }
};

// Which motif sits in which lane, and what each block scans. Motifs of similar width share blocks,
// so that the cost of a narrow motif follows its own width.
struct MotifLayout {
  // The motifs of each block; spare places of the last block repeat its last motif.
  std::vector<int32_t> block_motif;
  // By motif: the columns that count, and those of them from the first to the last that is not
  // zero.
  std::vector<ColumnRange> trained_columns;
  std::vector<ColumnRange> scanned_columns;
  // By block: the columns that its motifs cover on either strand.
  std::vector<BlockColumns> block_trained;
  std::vector<BlockColumns> block_scanned;
  // By block, where a span asks for it; else empty.
  std::vector<SiteColumns> block_sites;
  // Each motif's largest concentration in any condition; empty where there is only one condition.
  std::vector<float> base_concentration;
  // Whether a motif has no concentration at all, by the places of block_motif. Empty: every motif
  // has one.
  std::vector<uint8_t> block_absent;
  // Where each block's table begins, in floats, and where the last one ends.
  std::vector<int64_t> table_offset;
};

// The columns that count are those in column_range, or else all.
MotifLayout MakeMotifLayout(const OccupancyShape& shape, const OccupancyInputs& inputs);

OccupancyPlan MakeOccupancyPlan(const OccupancyShape& shape, const OccupancyInputs& inputs,
                                const MotifLayout& layout, bool backward);

// The first sequence of each slice, and the end of the last one. Slices of sequences that differ in
// length have about the same number of windows.
std::vector<int64_t> DivideSequences(const OccupancyShape& shape, const OccupancyInputs& inputs,
                                     const OccupancyPlan& plan);

// Floats that one slice's gradients of one block take while they wait for the final sum.
struct PartialLayout {
  int64_t log_kd;             // [W, 4, kBlockMotifs]
  int64_t log_concentration;  // [C, kBlockMotifs]
  int64_t position_weight;    // [P, K, 2, kBlockMotifs] or none
  int64_t total() const { return log_kd + log_concentration + position_weight; }
};

PartialLayout MakePartialLayout(const OccupancyShape& shape, const OccupancyInputs& inputs);

}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_PLAN_H_
