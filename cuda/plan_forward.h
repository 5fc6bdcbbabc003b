// How the forward kernel cuts its work, in plain C++: no CUDA header, so that tests, models and
// other programs can ask without a GPU.
//
// The work is a box of strips of windows by tiles of motifs. Everything that has a part in a sum
// depends on the sequence alone: its windows are cut into strips by `StripAt`, each strip and tile
// is summed by one warp, and the sums of strips are added in groups of kSumStrips, in order. Who
// does which part of the box changes no bit, so the cut is free to follow the device.
//
// Tiles are dealt to slices in turn, tile by tile, so that all slices have narrow and wide motifs;
// a slice's energies fit into the shared memory of a block. A unit is one strip of one sequence and
// one tile. Units are numbered slice by slice, then item by item (an item is a strip of a
// sequence), then tile by tile. Every resident block gets the same number of units in a row, and
// goes from slice to slice where its row does; the warps of a block divide its part of a slice in
// the same way. So nobody waits for a last wave, whatever the numbers are, and there is no counter
// to clear and to fight for. Sequences are taken in a scattered order, so that sorted lengths, or
// spans, do not leave all the work to some blocks.
//
// Sequences of more than one strip need a place for the sums of their strips. Where these do not
// fit into kForwardScratch bytes, `chunks` of sequences, or of strips of one sequence, are launched
// one after the other.
//
// Position weights of all windows lie beside the energies, unless the windows are so many that
// hardly any tile would fit; then they are read from the second-level cache. Several sets of them
// must fit: their kernels have no registers left for addresses of other memory.
//
// Use: PlanForward, then for each chunk SplitForward with its items; ShareOf, SliceUnits and ItemAt
// say who does what, on the host as in the kernel.

#ifndef CISREG_CUDA_PLAN_FORWARD_H_
#define CISREG_CUDA_PLAN_FORWARD_H_

#include <cstdint>

#include "tiles.h"

namespace cisreg::gpu {

// ------------------------------------------------------------------ strips of a sequence

// How windows are cut into tall and short strips: tall ones first. Without tall ones, on devices
// without sparse products, all are short.
struct Strips {
  int64_t tall, count;
};

// A strip: its first window and its height in windows.
struct Strip {
  int64_t first;
  int32_t height;
};

// The cut that leaves the fewest tiles of windows empty. `windows` below 1 are none.
CISREG_HOST_DEVICE constexpr Strips StripsOf(int64_t windows, bool takes_tall) {
  if (windows < 1) return {0, 0};
  const int64_t tiles = (windows + kTileWindows - 1) / kTileWindows;
  if (!takes_tall) return {0, (tiles + kForwardRowTilesShort - 1) / kForwardRowTilesShort};
  static_assert(kForwardRowTiles == 7 && kForwardRowTilesShort == 4,
                "the table below is for these heights");
  // Tiles that short strips cover best, by the tiles that tall ones would leave.
  const int left = static_cast<int>(tiles % kForwardRowTiles);
  int tail = left == 1 ? 8 : left == 2 ? 16 : left == 5 ? 12 : left == 6 ? 0 : left;
  if (tail > tiles) tail = left <= kForwardRowTilesShort ? left : 0;
  const int64_t tall = (tiles - tail + kForwardRowTiles - 1) / kForwardRowTiles;
  return {tall, tall + (tail + kForwardRowTilesShort - 1) / kForwardRowTilesShort};
}

// Strip `index` of a cut.
CISREG_HOST_DEVICE constexpr Strip StripAt(const Strips& strips, int64_t index) {
  constexpr int kRows = kForwardRowTiles * kTileWindows,
                kRowsShort = kForwardRowTilesShort * kTileWindows;
  if (index < strips.tall) return {index * kRows, kRows};
  return {strips.tall * kRows + (index - strips.tall) * kRowsShort, kRowsShort};
}

// The most strips of any sequence of up to `windows` windows.
int64_t MostStrips(int64_t windows, bool takes_tall);

// Windows that the strips of any such sequence cover at most, those behind its end included.
int64_t CoveredWindows(int64_t windows, bool takes_tall);

// ------------------------------------------------------------------ the plan of a problem

struct ForwardProblem {
  int64_t sequence_count;
  int64_t window_count;  // of the longest sequence that is possible
  bool has_lengths;      // sequences may have fewer windows
  int64_t tile_count;    // of 8 motifs on one strand
  int64_t row_sums;      // numbers of a sequence's output: 2 M, and as many where there are weights
  int64_t tile_bytes;    // of shared memory for each tile of a slice, without position weights
  int64_t weight_bytes;  // of shared memory for a tile's position weights; 0: there are none
  bool keeps_weights;    // position weights must lie in shared memory
  int64_t block_bytes;   // of shared memory beside the tiles
};

struct ForwardDevice {
  int multiprocessors;
  int64_t shared_bytes;  // that a block may have
  bool takes_tall;       // kernels for this device have tall strips
  int warps;             // of a block
  int resident_blocks;   // of a multiprocessor
};

struct ForwardPlan {
  int32_t slice_count;      // 0: not even one tile fits into shared memory
  int32_t slice_tiles;      // of the largest slice
  int32_t block_count;      // resident at the same time
  int64_t strips;           // of a sequence at most; the sums of strips are added where above 1
  int64_t chunk_sequences;  // of a launch
  int64_t chunk_strips;     // of a launch, for each of its sequences; a multiple of kSumStrips
                            // where a sequence does not fit
  int64_t shared_bytes;     // of a block
  bool shares_weights;      // position weights lie in shared memory beside the energies
};

ForwardPlan PlanForward(const ForwardProblem& problem, const ForwardDevice& device);

// Floats of scratch: sums of strips, sums of groups, and what is carried from chunk to chunk.
struct ForwardScratch {
  int64_t strip_sums, group_sums, carried;
};

ForwardScratch ScratchOf(const ForwardPlan& plan, int64_t row_sums);

// ------------------------------------------------------------------ who does what

// A box of units, and the order that sequences are taken in.
struct ForwardSplit {
  int64_t sequences, strips;  // items are numbered strip by strip of the sequences, in their order
  int64_t stride;             // from a sequence to the next; has no divisor with their number
  int32_t tile_count, slice_count;
};

ForwardSplit SplitForward(const ForwardPlan& plan, int64_t tile_count, int64_t sequences,
                          int64_t strips);

struct UnitRange {
  int64_t begin, end;
};

CISREG_HOST_DEVICE constexpr int64_t UnitCount(const ForwardSplit& split) {
  return split.sequences * split.strips * split.tile_count;
}

// Share `index` of `count` equal ones, which differ by one unit at most.
CISREG_HOST_DEVICE constexpr UnitRange ShareOf(const UnitRange& units, int64_t index,
                                               int64_t count) {
  const int64_t all = units.end - units.begin, each = all / count, more = all % count;
  const int64_t begin = units.begin + index * each + (index < more ? index : more);
  return {begin, begin + each + (index < more ? 1 : 0)};
}

// Tiles slice, slice + slice_count, ... belong to a slice.
CISREG_HOST_DEVICE constexpr int32_t SliceTiles(const ForwardSplit& split, int32_t slice) {
  return (split.tile_count - slice + split.slice_count - 1) / split.slice_count;
}

// The units of a slice.
CISREG_HOST_DEVICE constexpr UnitRange SliceUnits(const ForwardSplit& split, int32_t slice) {
  const int32_t few = split.tile_count / split.slice_count,
                larger = split.tile_count % split.slice_count;
  const int64_t tiles = static_cast<int64_t>(slice) * few + (slice < larger ? slice : larger);
  const int64_t items = split.sequences * split.strips;
  return {items * tiles, items * (tiles + SliceTiles(split, slice))};
}

// The slice of a unit.
CISREG_HOST_DEVICE constexpr int32_t SliceOf(const ForwardSplit& split, int64_t unit) {
  // The tile that it would have if all tiles of a slice came one after the other.
  const int64_t tile = unit / (split.sequences * split.strips);
  const int32_t few = split.tile_count / split.slice_count,
                larger = split.tile_count % split.slice_count;
  const int64_t large = static_cast<int64_t>(larger) * (few + 1);
  return static_cast<int32_t>(tile < large ? tile / (few + 1) : larger + (tile - large) / few);
}

// An item: a strip of a sequence. Both are counted within the launch.
struct ForwardItem {
  int64_t sequence;
  int64_t strip;
};

CISREG_HOST_DEVICE constexpr ForwardItem ItemAt(const ForwardSplit& split, int64_t number) {
  const int64_t turn = number / split.strips;
  return {static_cast<int64_t>(static_cast<uint64_t>(turn) * static_cast<uint64_t>(split.stride) %
                               static_cast<uint64_t>(split.sequences)),
          number - turn * split.strips};
}

CISREG_HOST_DEVICE constexpr ForwardItem NextItem(const ForwardSplit& split, ForwardItem item) {
  if (++item.strip < split.strips) return item;
  item.sequence += split.stride;
  return {item.sequence < split.sequences ? item.sequence : item.sequence - split.sequences, 0};
}

// What the busiest warp of a launch has to do.
struct ForwardLoad {
  int64_t units;   // strips of a sequence times tiles
  int64_t items;   // strips whose one-hot windows it builds
  int64_t slices;  // that its block copies
};

ForwardLoad BusiestWarp(const ForwardSplit& split, int block_count, int warps);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_PLAN_FORWARD_H_
