#include "occupancy/plan.h"

#include <algorithm>

namespace cisreg {
namespace {

// About 50 KB of gradients per strand and tile: half of a small second-level cache.
constexpr int64_t kTileRows = 1024;
constexpr int64_t kSegmentWindows = 512;
// Enough blocks to share the codes of a tile, few enough for their tables to stay cached.
constexpr int64_t kMaxBlocksPerItem = 4;
// An item takes about a tenth of a millisecond forward: long against its start, short enough to
// balance many threads.
constexpr int64_t kWindowBlocksPerItem = 16384;
constexpr int64_t kMaxItems = 512;
constexpr int64_t kMaxSlices = 64;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

OccupancyPlan MakeOccupancyPlan(const OccupancyShape& shape, int64_t lanes) {
  OccupancyPlan plan;
  plan.lanes = lanes;
  plan.block_count = CeilDivide(shape.motif_count, lanes);
  plan.group_count = CeilDivide(shape.width, kGroupBases);
  plan.pad_rows = kGroupBases * (plan.group_count - 1);
  plan.segment_windows = std::min(std::max(kSegmentWindows, 2 * plan.pad_rows),
                                  std::max<int64_t>(1, shape.window_count));
  plan.tile_rows = std::max(kTileRows, 2 * plan.pad_rows + plan.segment_windows);
  plan.slot_stride = CeilDivide(plan.tile_rows, kGroupBases);

  const int64_t work = shape.sequence_count * shape.window_count * plan.block_count;
  const int64_t wanted = std::clamp<int64_t>(work / kWindowBlocksPerItem, 1, kMaxItems);
  const int64_t most_slices = std::clamp<int64_t>(shape.sequence_count, 1, kMaxSlices);
  const int64_t widest = std::min(kMaxBlocksPerItem, plan.block_count);
  plan.sequence_slices =
      std::min(most_slices, CeilDivide(wanted, CeilDivide(plan.block_count, widest)));
  // Few sequences: narrower items, so that all the threads have work.
  plan.blocks_per_item =
      std::clamp<int64_t>(plan.sequence_slices * plan.block_count / wanted, 1, widest);
  plan.block_groups = CeilDivide(plan.block_count, plan.blocks_per_item);
  return plan;
}

PartialLayout MakePartialLayout(const OccupancyShape& shape, const OccupancyPlan& plan,
                                bool weighted) {
  PartialLayout layout;
  layout.log_kd = shape.width * kBases * plan.lanes;
  layout.log_concentration = plan.lanes;
  layout.position_weight = weighted ? kStrands * shape.window_count * plan.lanes : 0;
  return layout;
}

}  // namespace cisreg
