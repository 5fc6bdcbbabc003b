// A work item: some motif blocks and a slice of the sequences, tile by tile.
//
// Everything here has internal linkage, as in tile.h.

#ifndef CISREG_CSRC_OCCUPANCY_ITEMS_H_
#define CISREG_CSRC_OCCUPANCY_ITEMS_H_

#include "occupancy/kernels.h"
#include "occupancy/tile.h"

namespace cisreg {
namespace {

// The sequences and the motif blocks of a work item.
struct ItemRange {
  int64_t slice;
  int64_t first_block;
  int64_t end_block;
};

// Neighbouring items are slices of the same blocks: a thread that takes several finds their tables
// in its cache, and threads that run at the same time write outputs of different sequences. The
// widest blocks come first, so that the last items to start are short.
inline ItemRange FindItem(const OccupancyPlan& plan, int64_t item) {
  const int64_t first = plan.group_of(item) * plan.blocks_per_item;
  const int64_t end = first + plan.blocks_per_item;
  return {plan.slice_of(item), first, end < plan.block_count ? end : plan.block_count};
}

// Calls take(tile) for each tile of a slice: those that all items share, or else the item's own, in
// its scratch memory. `sorted`: rows are sorted by k-mer.
template <class Take>
void ForEachTile(const OccupancyJob& job, int64_t slice, bool sorted, ScratchArena* arena,
                 const Take& take) {
  if (job.tiles != nullptr) {
    for (int64_t i = job.slice_tile[slice]; i < job.slice_tile[slice + 1]; ++i) take(job.tiles[i]);
    return;
  }
  const TileScratch scratch = TakeTileScratch(job.plan, arena);
  Tile tile = TakeTile(job.plan, sorted, arena);
  TileCursor cursor = {job.slice_begin[slice], job.slice_begin[slice + 1], 0};
  while (!cursor.done()) {
    LayOutTile(job.shape, job.plan, job.inputs, &cursor, &tile);
    EncodeTile(job.shape, job.plan, job.inputs, scratch, &tile);
    take(tile);
  }
}

// Scratch memory for the tiles of an item, or for working out a shared one.
inline void TakeForTiles(const OccupancyPlan& plan, bool sorted, ScratchArena* arena) {
  TakeTileScratch(plan, arena);
  if (!plan.shares_tiles) TakeTile(plan, sorted, arena);
}

// Works out one of the shared tiles.
inline void EncodeSharedTile(const OccupancyJob& job, int64_t index, char* scratch) {
  ScratchArena arena = {scratch, 0};
  EncodeTile(job.shape, job.plan, job.inputs, TakeTileScratch(job.plan, &arena), &job.tiles[index]);
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_ITEMS_H_
