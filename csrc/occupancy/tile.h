// A tile: the windows of a few sequences, laid out in rows, with the k-mer that starts in each row.
//
//   rows:  [pad] [segment 0: windows][pad] [segment 1: windows][pad] ...
//
// Window j of a segment whose first row is r reads, in group g of a block that starts at column c,
// the k-mer of row r + j + c + 3 g; the pads hold the k-mers of windows that reach beyond the
// segment. The gradient of that window is kept in row r + j + c. Seen from a k-mer at row q, the
// gradient for group g then is that of row q - 3 g, and all rows without one are zero: so one list
// of rows, sorted by k-mer, serves all the groups. Gradients of every third row lie next to each
// other, since it is these that one k-mer adds up. Before them all lie zeros, as many as a block
// has groups: what fills up a k-mer's list points there. Where a vector holds only some of a
// block's sites, their gradients, a strip, lie apart from those of the others: then the sums of all
// groups fit into the registers. A row has the same place in every strip.
//
// Everything here has internal linkage: the units that include it are compiled for different
// processors and must not share code.

#ifndef CISREG_CSRC_OCCUPANCY_TILE_H_
#define CISREG_CSRC_OCCUPANCY_TILE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "occupancy/plan.h"
#include "occupancy/problem.h"
#include "occupancy/windows.h"

namespace cisreg {
namespace {

// Table rows of the 125 triplets of base codes, and back.
struct TripletTable {
  uint8_t row[kTableRows];
  uint8_t base[kTableRows][kGroupBases];

  constexpr TripletTable() : row(), base() {
    int known = 0;
    int unknown = kKnownRows;
    for (int triplet = 0; triplet < kTableRows; ++triplet) {
      const int a = triplet / 25, b = triplet / 5 % 5, c = triplet % 5;
      const bool is_known = a < kUnknownBase && b < kUnknownBase && c < kUnknownBase;
      const int r = is_known ? known++ : unknown++;
      row[triplet] = static_cast<uint8_t>(r);
      base[r][0] = static_cast<uint8_t>(a);
      base[r][1] = static_cast<uint8_t>(b);
      base[r][2] = static_cast<uint8_t>(c);
    }
  }
};

constexpr TripletTable kTriplets;
// The row of three unknown bases; it carries no energy and no gradient.
constexpr int kEmptyRow = kTableRows - 1;

constexpr int kRowBytes = kBlockSites * static_cast<int>(sizeof(float));
// A k-mer's rows are listed in multiples of this many.
constexpr uint32_t kListedTogether = 2;
// Windows in flight may read this far beyond the end of a tile.
constexpr int kRowsBeyond = 8;

// Where a tile's rows are worked out.
struct TileScratch {
  uint8_t* bases;  // [tile_rows + kGroupBases] one segment's base codes
  uint8_t* kmer;   // [tile_rows] table row of the k-mer
};

// Hands out a slice of sequences, tile by tile: begins with {first sequence, end, 0}.
struct TileCursor {
  int64_t sequence;
  int64_t end_sequence;
  int64_t window;

  bool done() const { return sequence >= end_sequence; }
};

// K-mers of rows [first, end) one by one: some of their bases may be unknown.
inline void EncodeRows(const uint8_t* base, int64_t first, int64_t end, uint8_t* kmer) {
  for (int64_t q = first; q < end; ++q) {
    kmer[q] = kTriplets.row[base[q] * 25 + base[q + 1] * 5 + base[q + 2]];
  }
}

// K-mers of one segment's windows; bases outside the sequence are unknown.
inline void EncodeSegment(const OccupancyShape& shape, const OccupancyInputs& inputs,
                          const Segment& segment, int64_t rows, const TileScratch& scratch,
                          uint16_t* __restrict offset) {
  const int64_t bases = rows + kGroupBases - 1;
  const int64_t start = shape.first_start + segment.first_window;
  const uint8_t* sequence = inputs.sequence + segment.sequence * shape.length;
  int64_t before = start < 0 ? -start : 0;
  if (before > bases) before = bases;
  int64_t inside = SequenceLength(shape, inputs, segment.sequence) - (start + before);
  if (inside < 0) inside = 0;
  if (inside > bases - before) inside = bases - before;
  std::memset(scratch.bases, kUnknownBase, bases);
  if (inside > 0) std::memcpy(scratch.bases + before, sequence + start + before, inside);

  const uint8_t* __restrict base = scratch.bases;
  uint8_t* __restrict kmer = scratch.kmer + segment.first_row;
  // All triplets are first numbered as if their bases were known, which vectorizes. Those with an
  // unknown base are corrected afterwards.
  uint8_t unknown = 0;
  for (int64_t q = before; q < before + inside; ++q) unknown |= base[q];
  for (int64_t q = 0; q < rows; ++q) {
    kmer[q] = static_cast<uint8_t>(base[q] * 16 + base[q + 1] * 4 + base[q + 2]);
  }
  const int64_t last_whole = before + inside - (kGroupBases - 1);
  const bool mend_all = (unknown & kUnknownBase) != 0 || last_whole <= before;
  EncodeRows(base, 0, mend_all ? rows : before, kmer);
  if (!mend_all) EncodeRows(base, last_whole, rows, kmer);
  for (int64_t q = 0; q < rows; ++q) offset[q] = static_cast<uint16_t>(kmer[q] * kRowBytes);
}

// Places of the gradients of one row after the other.
class GradientCursor {
 public:
  GradientCursor(const OccupancyPlan& plan, int64_t row)
      : step_(static_cast<uint32_t>(plan.slot_stride)),
        phase_(static_cast<uint32_t>(row) % kGroupBases),
        place_(phase_ * step_ + static_cast<uint32_t>(row) / kGroupBases +
               static_cast<uint32_t>(plan.max_trained_groups)) {}

  // Returns the place of the current row and moves to the next row.
  uint32_t Next() {
    const uint32_t place = place_;
    const bool wraps = ++phase_ == kGroupBases;
    phase_ = wraps ? 0 : phase_;
    place_ += wraps ? 1 - (kGroupBases - 1) * step_ : step_;
    return place;
  }

 private:
  uint32_t step_;
  uint32_t phase_;
  uint32_t place_;
};

// Counting sort of the tile's rows by k-mer; rows that know no base are left out.
inline void SortRows(const OccupancyPlan& plan, const uint8_t* kmer, Tile* tile) {
  uint32_t next[kTableRows] = {};
  // The rows before the first segment know no base.
  for (int64_t r = plan.pad_rows; r < tile->rows; ++r) ++next[kmer[r]];
  const auto zeros = static_cast<uint32_t>(plan.max_trained_groups - 1);
  uint32_t total = 0;
  for (int row = 0; row < kTableRows; ++row) {
    const uint32_t count = row == kEmptyRow ? 0 : next[row];
    next[row] = total;
    for (total += count; total % kListedTogether != 0; ++total) tile->sorted_place[total] = zeros;
    tile->bin_end[row] = total;
  }
  GradientCursor cursor(plan, plan.pad_rows);
  for (int64_t r = plan.pad_rows; r < tile->rows; ++r) {
    const uint32_t place = cursor.Next();
    const int row = kmer[r];
    if (row != kEmptyRow) tile->sorted_place[next[row]++] = place;
  }
}

// Rows of a segment and of the pad behind it.
inline int64_t SegmentRows(const OccupancyPlan& plan, int64_t windows) {
  return windows > 0 ? windows + plan.pad_rows : 0;
}

// Gives the tile as many segments as fit and moves the cursor behind them.
inline void LayOutTile(const OccupancyShape& shape, const OccupancyPlan& plan,
                       const OccupancyInputs& inputs, TileCursor* cursor, Tile* tile) {
  tile->rows = plan.pad_rows;
  tile->segment_count = 0;
  while (!cursor->done()) {
    const WindowRange range = FindWindows(shape, inputs, cursor->sequence);
    const int64_t first = cursor->window > range.first ? cursor->window : range.first;
    int64_t windows = range.end - first;
    if (windows > plan.segment_windows) windows = plan.segment_windows;
    const int64_t rows = SegmentRows(plan, windows);
    if (tile->rows + rows > plan.tile_rows || tile->segment_count == plan.tile_rows) break;
    tile->segments[tile->segment_count++] = {cursor->sequence, first, windows, tile->rows,
                                             first == range.first};
    tile->rows += rows;
    cursor->window = first + windows;
    if (cursor->window == range.end) {
      cursor->window = 0;
      ++cursor->sequence;
    }
  }
}

// Finds the k-mers of a tile that has been laid out, and sorts its rows where that is asked for.
inline void EncodeTile(const OccupancyShape& shape, const OccupancyPlan& plan,
                       const OccupancyInputs& inputs, const TileScratch& scratch, Tile* tile) {
  std::memset(scratch.kmer, kEmptyRow, plan.pad_rows);
  for (int64_t i = 0; i < tile->segment_count; ++i) {
    const Segment& segment = tile->segments[i];
    if (segment.windows == 0) continue;
    EncodeSegment(shape, inputs, segment, SegmentRows(plan, segment.windows), scratch,
                  tile->kmer_offset + segment.first_row);
  }
  for (int i = 0; i < kRowsBeyond; ++i) {
    tile->kmer_offset[tile->rows + i] = static_cast<uint16_t>(kEmptyRow * kRowBytes);
  }
  if (tile->sorted_place != nullptr) SortRows(plan, scratch.kmer, tile);
}

// Hands out pieces of a worker's scratch memory, each aligned to a cache line.
struct ScratchArena {
  char* next;
  size_t used;

  template <class T>
  T* Take(int64_t count) {
    const size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
    T* piece = next == nullptr ? nullptr : reinterpret_cast<T*>(next + used);
    used += bytes;
    return piece;
  }
};

inline TileScratch TakeTileScratch(const OccupancyPlan& plan, ScratchArena* arena) {
  TileScratch scratch;
  scratch.bases = arena->Take<uint8_t>(plan.tile_rows + kGroupBases);
  scratch.kmer = arena->Take<uint8_t>(plan.tile_rows);
  return scratch;
}

// The arrays of a tile of at most this many rows, except its segments.
inline void TakeTileArrays(int64_t rows, bool sorted, ScratchArena* arena, Tile* tile) {
  tile->kmer_offset = arena->Take<uint16_t>(rows + kRowsBeyond);
  tile->sorted_place =
      sorted ? arena->Take<uint32_t>(rows + kTableRows * kListedTogether) : nullptr;
}

// A tile of any segments.
inline Tile TakeTile(const OccupancyPlan& plan, bool sorted, ScratchArena* arena) {
  Tile tile = {};
  tile.segments = arena->Take<Segment>(plan.tile_rows);
  TakeTileArrays(plan.tile_rows, sorted, arena, &tile);
  return tile;
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_TILE_H_
