// The gradient's planner for tests: numbers in, numbers out.

#include "gradient_block.cuh"

using namespace cisreg::gpu;

extern "C" {

// Sequences, windows, tiles, steps, terms, sets of weights, conditions of a sequence, compute
// capability, shared memory of a block; then blocks of threads that run at a time.
const char* cisreg_plan_backward(const int64_t* given, int64_t* answer) {
  const int32_t sets = static_cast<int32_t>(given[5]), conditions = static_cast<int32_t>(given[6]);
  const BackwardProblem problem = {given[0],
                                   given[1],
                                   static_cast<int32_t>(given[2]),
                                   static_cast<int32_t>(given[3]),
                                   static_cast<int32_t>(given[4]),
                                   sets,
                                   conditions,
                                   sets > 1 || conditions > 1,
                                   conditions > 1,
                                   static_cast<int32_t>(given[7]),
                                   given[8]};
  BackwardSplit split = SplitBackward(problem, kStateBytes);
  const BackwardShared shared = ShareBackward(problem, split, kStateBytes);
  DivideBackward(given[9], &split);
  const int64_t longest = split.shares.least + (split.shares.longer != 0 ? 1 : 0);
  const int64_t numbers[] = {split.warps,        split.tile_blocks,
                             split.strip_tiles,  split.strip_count,
                             split.item_count,   split.shares.count,
                             split.part_count(), split.weight_part_count(),
                             shared.total,       longest};
  for (int i = 0; i < 10; ++i) answer[i] = numbers[i];
  return "";
}

// The first item of each share, and behind the last; the share of each item.
const char* cisreg_plan_shares(int64_t* begins, int64_t* owners, int64_t items, int64_t most) {
  const Shares shares = MakeShares(items, most);
  for (int64_t share = 0; share <= shares.count; ++share) begins[share] = shares.Begin(share);
  for (int64_t item = 0; item < items; ++item) owners[item] = shares.Of(item);
  return shares.count > most ? "more shares than asked for" : "";
}

}  // extern "C"
