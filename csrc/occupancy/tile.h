// A tile: the windows of a few sequences, laid out in rows, with the k-mer that starts in each row.
//
//   rows:  [pad] [segment 0: windows][pad] [segment 1: windows][pad] ...
//
// Window j of a segment whose first row is r reads, in group g of a block that starts at column c,
// the k-mer of row r + j + c + 3 g; the pads hold the k-mers of windows that reach beyond the
// segment. The gradient of that window is kept in row r + j + c. Seen from a k-mer at row q, the
// gradient for group g then is that of row q - 3 g, and all rows without one are zero: so one list
// of rows, sorted by k-mer, serves all the groups. Gradients of every third row lie next to each
// other, since it is these that one k-mer adds up.
//
// Everything here has internal linkage: the units that include it are compiled for different
// processors and must not share code.

#ifndef CISREG_CSRC_OCCUPANCY_TILE_H_
#define CISREG_CSRC_OCCUPANCY_TILE_H_

#include <cstdint>
#include <cstring>

#include "occupancy/plan.h"
#include "occupancy/problem.h"

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

struct Segment {
  int64_t sequence;
  int64_t first_window;
  int64_t windows;
  int64_t first_row;
};

struct Tile {
  int64_t rows;
  int64_t segment_count;
  Segment* segments;
  uint16_t* kmer_offset;   // [rows] byte offset of the k-mer's row in a group's table
  uint32_t* sorted_slots;  // slots of the known rows by k-mer, or null where not asked for
  uint32_t bin_end[kTableRows];
  uint8_t* bases;  // [tile_rows + kGroupBases] one segment's base codes
  uint8_t* kmer;   // [rows] table row of the k-mer
};

// Hands out a slice of sequences, tile by tile.
struct TileCursor {
  int64_t sequence;
  int64_t end_sequence;
  int64_t window;

  bool done() const { return sequence >= end_sequence; }
};

inline TileCursor SliceCursor(const OccupancyShape& shape, const OccupancyPlan& plan,
                              int64_t slice) {
  const int64_t first = shape.sequence_count * slice / plan.sequence_slices;
  const int64_t last = shape.sequence_count * (slice + 1) / plan.sequence_slices;
  return {first, shape.window_count > 0 ? last : first, 0};
}

// K-mers of one segment's windows; bases outside the sequence are unknown.
inline void EncodeSegment(const OccupancyShape& shape, const uint8_t* sequences,
                          const Segment& segment, int64_t rows, int row_bytes, Tile* tile) {
  const int64_t bases = rows + kGroupBases - 1;
  const int64_t start = shape.first_start + segment.first_window;
  const uint8_t* sequence = sequences + segment.sequence * shape.length;
  int64_t before = start < 0 ? -start : 0;
  if (before > bases) before = bases;
  int64_t inside = shape.length - (start + before);
  if (inside < 0) inside = 0;
  if (inside > bases - before) inside = bases - before;
  std::memset(tile->bases, kUnknownBase, bases);
  if (inside > 0) std::memcpy(tile->bases + before, sequence + start + before, inside);
  const uint8_t* base = tile->bases;
  uint8_t* kmer = tile->kmer + segment.first_row;
  uint16_t* offset = tile->kmer_offset + segment.first_row;
  for (int64_t q = 0; q < rows; ++q) {
    const int row = kTriplets.row[base[q] * 25 + base[q + 1] * 5 + base[q + 2]];
    kmer[q] = static_cast<uint8_t>(row);
    offset[q] = static_cast<uint16_t>(row * row_bytes);
  }
}

// Where the gradient of a row lies among those of its tile.
inline uint32_t GradientSlot(const OccupancyPlan& plan, int64_t row) {
  const uint32_t r = static_cast<uint32_t>(row);
  return r % kGroupBases * static_cast<uint32_t>(plan.slot_stride) + r / kGroupBases;
}

// Counting sort of the tile's rows by k-mer; rows that know no base are left out.
inline void SortRows(const OccupancyPlan& plan, Tile* tile) {
  uint32_t next[kTableRows] = {};
  // The rows before the first segment know no base.
  for (int64_t r = plan.pad_rows; r < tile->rows; ++r) ++next[tile->kmer[r]];
  uint32_t total = 0;
  for (int row = 0; row < kTableRows; ++row) {
    const uint32_t count = row == kEmptyRow ? 0 : next[row];
    next[row] = total;
    total += count;
    tile->bin_end[row] = total;
  }
  for (int64_t r = plan.pad_rows; r < tile->rows; ++r) {
    const int row = tile->kmer[r];
    if (row != kEmptyRow) tile->sorted_slots[next[row]++] = GradientSlot(plan, r);
  }
}

// Fills the tile with as many segments as fit and moves the cursor behind them.
inline void FillTile(const OccupancyShape& shape, const OccupancyPlan& plan,
                     const uint8_t* sequences, int row_bytes, TileCursor* cursor, Tile* tile) {
  tile->rows = plan.pad_rows;
  tile->segment_count = 0;
  std::memset(tile->kmer, kEmptyRow, plan.pad_rows);
  while (!cursor->done()) {
    int64_t windows = shape.window_count - cursor->window;
    if (windows > plan.segment_windows) windows = plan.segment_windows;
    const int64_t rows = windows + plan.pad_rows;
    if (tile->rows + rows > plan.tile_rows) break;
    const Segment segment = {cursor->sequence, cursor->window, windows, tile->rows};
    EncodeSegment(shape, sequences, segment, rows, row_bytes, tile);
    tile->segments[tile->segment_count++] = segment;
    tile->rows += rows;
    cursor->window += windows;
    if (cursor->window == shape.window_count) {
      cursor->window = 0;
      ++cursor->sequence;
    }
  }
  if (tile->sorted_slots != nullptr) SortRows(plan, tile);
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

inline Tile TakeTile(const OccupancyPlan& plan, bool sorted, ScratchArena* arena) {
  Tile tile;
  tile.rows = 0;
  tile.segment_count = 0;
  tile.segments = arena->Take<Segment>(plan.tile_rows);
  tile.kmer_offset = arena->Take<uint16_t>(plan.tile_rows);
  tile.bases = arena->Take<uint8_t>(plan.tile_rows + kGroupBases);
  tile.kmer = arena->Take<uint8_t>(plan.tile_rows);
  tile.sorted_slots = sorted ? arena->Take<uint32_t>(plan.tile_rows) : nullptr;
  return tile;
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_TILE_H_
