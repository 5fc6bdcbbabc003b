// How the gradient's work is cut. Plain C++ without CUDA: the launcher, the kernels and whoever
// counts without a GPU ask here.
//
//   SplitBackward     what a block of threads holds, and how much of the work it takes at a time
//   ShareBackward   the shared memory of such a block
//   DivideBackward  the shares of the work, once the runtime has said how many blocks fit
//
// An item is one strip of windows of one sequence, for the tiles of motifs that one block of
// threads holds. Items stand in one row: those of the first block of tiles, of the second, and so
// on. The row is cut into shares of equal length, one for each block of threads; a share may begin
// and end anywhere. For each block of tiles that a share has items of, the threads write one part.
// Shares follow from the problem and the device alone, and parts are added in their order, so the
// same inputs give the same bits on every run.

#ifndef CISREG_CUDA_PLAN_BACKWARD_H_
#define CISREG_CUDA_PLAN_BACKWARD_H_

#include <cstdint>

#include "occupancy/problem.h"
#include "tiles.h"

namespace cisreg::gpu {

// What there is to do.
struct BackwardProblem {
  int64_t sequence_count;
  int64_t window_count;  // of a sequence
  int32_t tile_count;    // of motifs on one strand
  int32_t step_count;    // of 8 columns
  int32_t term_count;
  int32_t weight_sets;   // K; 0: no position weights
  int32_t conditions;    // of a sequence
  bool several;          // sets of position weights or conditions
  bool sums_conditions;  // each condition's sums of slopes are kept
  int32_t compute_capability;
  int64_t shared_limit;  // bytes of shared memory that a block may have
};

// A row of items, cut into shares. The first `longer` shares have one item more than the others.
struct Shares {
  int64_t count, least, longer;

  CISREG_HOST_DEVICE int64_t Begin(int64_t share) const {
    return share * least + (share < longer ? share : longer);
  }
  // The share that has an item.
  CISREG_HOST_DEVICE int64_t Of(int64_t item) const {
    const int64_t in_longer = longer * (least + 1);
    return item < in_longer ? item / (least + 1) : longer + (item - in_longer) / least;
  }
};

// `item_count` items in as few shares as take no longer than `most` shares would.
inline Shares MakeShares(int64_t item_count, int64_t most) {
  if (item_count <= 0 || most <= 0) return {};
  const int64_t longest = (item_count + most - 1) / most;
  const int64_t count = (item_count + longest - 1) / longest;
  return {count, item_count / count, item_count % count};
}

struct BackwardSplit {
  int32_t warps;            // of a block; each holds kWarpTiles tiles
  int32_t tile_blocks;      // blocks of tiles
  int32_t strip_tiles;      // of 16 windows
  int32_t column_chunks;    // each has a launch of its own
  int32_t sum_items;        // after this many, sums are moved out of registers; a power of 2
  int32_t moves_to_shared;  // whether sums wait in shared memory, else in the parts themselves
  int64_t strip_count;
  int64_t item_count;  // of one block of tiles: sequences times strips
  Shares shares;       // of the items of all blocks of tiles

  CISREG_HOST_DEVICE int32_t block_tiles() const { return warps * kWarpTiles; }
  CISREG_HOST_DEVICE int64_t strip_windows() const { return strip_tiles * int64_t{16}; }

  // Share k and block of tiles b have part k + b: each step from one pair to the next that have
  // items in common goes to the next share, the next block of tiles, or both.
  int64_t part_count() const { return shares.count == 0 ? 0 : shares.count + tile_blocks - 1; }
  // Position weights: the same for a strip in place of all items.
  int64_t weight_part_count() const {
    return shares.count == 0 ? 0 : shares.count + tile_blocks * strip_count - 1;
  }
};

// Shared memory of a block of the gradient kernel: what begins where, in bytes.
struct BackwardShared {
  int32_t positions;    // of a strip, plus those that its words read beyond it
  int32_t pair_stride;  // words between the bases of the second product's operand
  int32_t words_bytes;  // of one item's words
  int32_t words_at;     // of two items
  int32_t sums_at;
  int32_t weights_at;   // and behind them their gradients
  int32_t set_rows;     // windows that groups of tiles reach, in the strip or behind it
  int32_t weight_rows;  // of a tile: those of all sets of position weights
  // Several sets of weights, or conditions: for each item what its upstream gradients are, and sums
  // of slopes of each thread.
  int32_t upstream_at;
  int32_t upstream_rows;  // of one item: each has a number for each motif and strand of the block
  int32_t totals_at;
  int64_t total;
};

// The group of tiles that leaves the fewest tiles empty, here and in what follows.
CISREG_HOST_DEVICE constexpr bool TakesShortGroup(int tiles_left) {
  return tiles_left <= 3 || tiles_left == 5 || tiles_left == 6;
}

// Tiles that the groups of a strip of so many tiles reach.
constexpr int32_t GroupedTiles(int32_t tiles) {
  int32_t reached = 0;
  while (reached < tiles) {
    reached += TakesShortGroup(tiles - reached) ? kBackwardRowTilesShort : kBackwardRowTiles;
  }
  return reached;
}

// Warps of a block for so many pairs of tiles: the fewest turns of warps, where what a block does
// once for all of its warps is worth a fifth of a warp.
constexpr int32_t BlockWarps(int64_t pairs) {
  int32_t best = kBackwardWarps;
  int64_t least = 0;
  for (int32_t warps = kBackwardWarps; warps > 0; --warps) {
    const int64_t turns = (pairs + warps - 1) / warps * (5 * warps + 1);
    if (least == 0 || turns < least) best = warps, least = turns;
  }
  return best;
}

// Rows of an item's upstream gradients for each condition: concentrations, bound, each set of
// weights.
inline constexpr int kUpstreamKinds = 2;

// `state_bytes` of the block's own come first.
inline BackwardShared ShareBackward(const BackwardProblem& problem, const BackwardSplit& split,
                                    int64_t state_bytes) {
  BackwardShared shared = {};
  const int64_t rows = GroupedTiles(split.strip_tiles) * int64_t{kTileWindows};
  const int64_t positions =
      rows + problem.step_count * int64_t{kStepColumns} + kWordSlack + kWordReach;
  // A stride of 8 modulo 32 spreads the four bases over all banks.
  const int64_t pair_stride = (positions + 31) / 32 * 32 + 8;
  const int64_t words = 4 * (kBases * pair_stride + 2 * positions) + positions;
  const int64_t words_bytes = (words + 15) / 16 * 16;
  const int64_t sums =
      split.moves_to_shared ? split.warps * int64_t{kWarp * kWarpTiles * kTileSums * 4} : 0;
  const int64_t weights =
      problem.weight_sets * split.block_tiles() * rows * int64_t{kTileMotifs * 4};
  const int64_t upstream_rows =
      problem.several ? problem.conditions * int64_t{kUpstreamKinds + problem.weight_sets} : 0;
  const int64_t upstream = 2 * upstream_rows * split.block_tiles() * int64_t{kTileMotifs * 4};
  const int64_t totals = problem.sums_conditions ? problem.conditions * split.warps *
                                                       int64_t{kWarp * kWarpTiles * 2 * 4}
                                                 : 0;
  const int64_t before_upstream = state_bytes + 2 * words_bytes + sums + 2 * weights;
  shared.total = before_upstream + upstream + totals;
  if (shared.total > problem.shared_limit) return shared;
  shared.positions = static_cast<int32_t>(positions);
  shared.pair_stride = static_cast<int32_t>(pair_stride);
  shared.words_bytes = static_cast<int32_t>(words_bytes);
  shared.words_at = static_cast<int32_t>(state_bytes);
  shared.sums_at = static_cast<int32_t>(state_bytes + 2 * words_bytes);
  shared.weights_at = static_cast<int32_t>(state_bytes + 2 * words_bytes + sums);
  shared.set_rows = static_cast<int32_t>(rows);
  shared.weight_rows = static_cast<int32_t>(problem.weight_sets * rows);
  shared.upstream_at = static_cast<int32_t>(before_upstream);
  shared.upstream_rows = static_cast<int32_t>(upstream_rows);
  shared.totals_at = static_cast<int32_t>(before_upstream + upstream);
  return shared;
}

// Blocks of so many warps. The strips are the tallest that leave room for as many blocks as
// registers do, with sums in shared memory if that fits too.
inline BackwardSplit SplitBlocks(const BackwardProblem& problem, int32_t warps,
                                 int64_t state_bytes) {
  BackwardSplit split = {};
  split.warps = warps;
  const int64_t tiles = (problem.window_count + kTileWindows - 1) / kTileWindows;
  const bool bounded = problem.compute_capability >= kSparseCapability &&
                       problem.compute_capability < kUnboundedCapability &&
                       problem.weight_sets == 0 && !problem.several;
  const int64_t wanted = bounded ? kBackwardBlocks : kBackwardBlocksUnbounded;
  const struct {
    int64_t tiles;
    int32_t moves_to_shared;
  } choices[] = {{kBackwardTiles, 1}, {kBackwardTiles, 0}, {kBackwardTilesSmall, 0}};
  for (const auto& choice : choices) {
    split.strip_count = tiles > 0 ? (tiles + choice.tiles - 1) / choice.tiles : 1;
    split.strip_tiles =
        static_cast<int32_t>(tiles > 0 ? (tiles + split.strip_count - 1) / split.strip_count : 1);
    split.moves_to_shared = choice.moves_to_shared;
    const int64_t bytes = ShareBackward(problem, split, state_bytes).total;
    // A multiprocessor keeps 1 KiB of each block for itself, and has 1 KiB more than a block may.
    if (wanted * (bytes + 1024) <= problem.shared_limit + 1024) break;
  }
  return split;
}

// Everything but the shares.
inline BackwardSplit SplitBackward(const BackwardProblem& problem, int64_t state_bytes) {
  const int64_t pairs = problem.tile_count / kWarpTiles;
  BackwardSplit split = SplitBlocks(problem, BlockWarps(pairs), state_bytes);
  // Fewer warps where several sets of weights, or conditions, take too much memory for all.
  while (problem.several && split.warps > 1 &&
         ShareBackward(problem, split, state_bytes).total > problem.shared_limit) {
    split = SplitBlocks(problem, split.warps / 2, state_bytes);
  }
  split.tile_blocks = static_cast<int32_t>((pairs + split.warps - 1) / split.warps);
  split.column_chunks = problem.step_count / kChunkSteps;
  split.sum_items = 1;
  const int32_t products = split.strip_tiles * problem.term_count;
  while (2 * split.sum_items * products <= kProductsPerSum) split.sum_items *= 2;
  // Nothing to scan: there are no parts, and all sums are 0.
  split.item_count = problem.window_count > 0 ? problem.sequence_count * split.strip_count : 0;
  return split;
}

// Shares for so many blocks of threads at a time.
inline void DivideBackward(int64_t resident_blocks, BackwardSplit* split) {
  split->shares = MakeShares(split->item_count * split->tile_blocks, resident_blocks);
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_PLAN_BACKWARD_H_
