// What kernels share that pass a few sequences more than once, with all motif blocks.
//
// Everything here has internal linkage, as in tile.h.

#ifndef CISREG_CSRC_OCCUPANCY_PASSES_H_
#define CISREG_CSRC_OCCUPANCY_PASSES_H_

#include "occupancy/backward.h"
#include "occupancy/kernels.h"
#include "occupancy/tile.h"

namespace cisreg {
namespace {

// Neighbouring sequences, tile by tile.
struct TilePasses {
  int64_t first_sequence;
  int64_t end_sequence;
  TileScratch scratch;
  Tile tile;
  bool one_tile;  // `tile` holds all of them
};

// `sorted`: rows are sorted by k-mer.
inline TilePasses TakePasses(const OccupancyPlan& plan, bool sorted, ScratchArena* arena) {
  TilePasses passes = {};
  passes.scratch = TakeTileScratch(plan, arena);
  passes.tile = TakeTile(plan, sorted, arena);
  return passes;
}

inline void BeginPasses(int64_t first_sequence, int64_t end_sequence, TilePasses* passes) {
  passes->first_sequence = first_sequence;
  passes->end_sequence = end_sequence;
  passes->one_tile = false;
}

// Calls take(tile) for the tiles of the sequences.
template <class Take>
void ForEachTile(const OccupancyJob& job, TilePasses* passes, const Take& take) {
  if (passes->one_tile) return take(passes->tile);
  TileCursor cursor = {passes->first_sequence, passes->end_sequence, 0};
  passes->one_tile = true;
  for (;;) {
    LayOutTile(job.shape, job.plan, job.inputs, &cursor, &passes->tile);
    EncodeTile(job.shape, job.plan, job.inputs, passes->scratch, &passes->tile);
    take(passes->tile);
    if (cursor.done()) return;
    passes->one_tile = false;
  }
}

// A slice's gradients of all blocks. Tables of the blocks lie one after the other.
struct SliceScratch {
  char* dlogit;
  float* tables;
  float* log_concentrations;  // [block_count, kBlockSites]
};

// Floats of the tables of gradients of the blocks before this one.
inline int64_t TableOffset(const OccupancyJob& job, int64_t block) {
  int64_t groups = 0;
  for (int64_t i = 0; i < block; ++i) groups += job.block_trained[i].group_count;
  return groups * kGroupFloats;
}

template <class Rows>
SliceScratch TakeSliceScratch(const OccupancyJob& job, ScratchArena* arena) {
  const OccupancyPlan& plan = job.plan;
  SliceScratch scratch;
  scratch.dlogit = arena->Take<char>(Rows::kStrips * StripBytes<Rows>(plan));
  scratch.tables = arena->Take<float>(TableOffset(job, plan.block_count));
  scratch.log_concentrations = arena->Take<float>(plan.block_count * kBlockSites);
  return scratch;
}

template <class Rows>
void ClearSlice(const OccupancyJob& job, const SliceScratch& scratch) {
  const OccupancyPlan& plan = job.plan;
  for (int strip = 0; strip < Rows::kStrips; ++strip) {
    std::memset(scratch.dlogit + strip * StripBytes<Rows>(plan), 0,
                plan.max_trained_groups * Rows::kBytes);
  }
  std::memset(scratch.tables, 0, TableOffset(job, plan.block_count) * sizeof(float));
  std::memset(scratch.log_concentrations, 0, plan.block_count * kRowBytes);
}

// Where one block's gradients of a slice are; those of position weights are not there.
template <class Rows>
BlockGradients GradientsOf(const OccupancyJob& job, const SliceScratch& scratch, int64_t block) {
  BlockGradients gradients = {};
  gradients.dlogit = scratch.dlogit;
  gradients.strip_bytes = StripBytes<Rows>(job.plan);
  gradients.table = scratch.tables + TableOffset(job, block);
  gradients.log_concentration = scratch.log_concentrations + block * kBlockSites;
  return gradients;
}

// Folds one block's gradients into those of its motifs: of log_kd [W, 4, kBlockMotifs], which are
// zero before, and of log_concentration [kBlockMotifs].
template <class Rows>
void FoldSlice(const OccupancyJob& job, const BlockGradients& gradients, int64_t block,
               float* log_kd, float* log_concentration) {
  FoldTable<Rows>(job, block, gradients.table, log_kd);
  for (int m = 0; m < kBlockMotifs; ++m) {
    log_concentration[m] =
        gradients.log_concentration[m] + gradients.log_concentration[kBlockMotifs + m];
  }
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_PASSES_H_
