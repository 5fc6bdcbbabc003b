#include "occupancy/plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace cisreg {
namespace {

// About 64 KB of gradients per strand and tile: rows enough for each k-mer, and within the second
// level of the cache.
constexpr int64_t kTileRows = 2048;
constexpr int64_t kSegmentWindows = 512;
// Enough blocks to share the codes of a tile, few enough for their tables to stay cached.
constexpr int64_t kMaxBlocksPerItem = 4;
// An item takes about a tenth of a millisecond forward: long against its start, short enough to
// balance many threads.
constexpr int64_t kWindowBlocksPerItem = 16384;
constexpr int64_t kMaxItems = 512;
constexpr int64_t kMaxSlices = 64;
// Floats that the slices' gradients of position weights may take together: 16 MiB.
constexpr int64_t kMaxWeightGradients = int64_t{1} << 22;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

std::vector<ColumnRange> FindMotifColumns(const OccupancyShape& shape,
                                          const OccupancyInputs& inputs, bool skip_zeros) {
  const int64_t motifs = shape.motif_count;
  const int64_t row = kBases * motifs;
  std::vector<ColumnRange> columns(motifs);
  const auto is_zero = [&](int64_t column, int64_t motif) {
    const float* energy = inputs.log_kd + column * row + motif;
    return energy[0] == 0 && energy[motifs] == 0 && energy[2 * motifs] == 0 &&
           energy[3 * motifs] == 0;
  };
  for (int64_t motif = 0; motif < motifs; ++motif) {
    ColumnRange& range = columns[motif];
    range = {0, static_cast<int32_t>(shape.width)};
    if (inputs.column_range != nullptr) {
      range = {inputs.column_range[motif], inputs.column_range[motifs + motif]};
    }
    if (skip_zeros) {
      while (range.first < range.end && is_zero(range.first, motif)) ++range.first;
      while (range.first < range.end && is_zero(range.end - 1, motif)) --range.end;
    }
    // Nothing to scan: in the middle, where it makes its block scan the least.
    if (range.first == range.end) range.first = range.end = static_cast<int32_t>(shape.width / 2);
  }
  return columns;
}

MotifLayout MakeMotifLayout(const OccupancyShape& shape, std::vector<ColumnRange> motif_columns,
                            int64_t lanes) {
  const int64_t motifs = shape.motif_count;
  const int64_t blocks = CeilDivide(motifs, lanes);
  MotifLayout layout;
  layout.lane_motif.resize(motifs);
  std::iota(layout.lane_motif.begin(), layout.lane_motif.end(), 0);
  // What a motif makes its block scan: its own columns and their mirror image.
  const auto reach = [&](int32_t motif) {
    const ColumnRange& range = motif_columns[motif];
    const auto width = static_cast<int32_t>(shape.width);
    return ColumnRange{std::min(range.first, width - range.end),
                       std::max(range.end, width - range.first)};
  };
  std::stable_sort(layout.lane_motif.begin(), layout.lane_motif.end(), [&](int32_t a, int32_t b) {
    return reach(a).end - reach(a).first < reach(b).end - reach(b).first;
  });
  layout.lane_motif.resize(blocks * lanes, layout.lane_motif.back());
  for (int64_t block = 0; block < blocks; ++block) {
    ColumnRange all = reach(layout.lane_motif[block * lanes]);
    for (int64_t lane = 1; lane < lanes; ++lane) {
      const ColumnRange one = reach(layout.lane_motif[block * lanes + lane]);
      all = {std::min(all.first, one.first), std::max(all.end, one.end)};
    }
    // A block without a column still has a first group: it carries the concentrations.
    const int64_t groups = std::max<int64_t>(1, CeilDivide(all.end - all.first, kGroupBases));
    const int32_t last_start = static_cast<int32_t>(shape.width) - 1;
    layout.block_columns.push_back(
        {std::clamp(all.first, 0, last_start), static_cast<int32_t>(groups)});
  }
  layout.motif_columns = std::move(motif_columns);
  return layout;
}

OccupancyPlan MakeOccupancyPlan(const OccupancyShape& shape, const MotifLayout& layout,
                                bool weighted, int64_t lanes) {
  OccupancyPlan plan;
  plan.lanes = lanes;
  plan.block_count = CeilDivide(shape.motif_count, lanes);
  plan.max_group_count = 0;
  for (const BlockColumns& columns : layout.block_columns) {
    plan.max_group_count = std::max<int64_t>(plan.max_group_count, columns.group_count);
  }
  plan.pad_rows = shape.width - 1;
  plan.segment_windows = std::min(std::max(kSegmentWindows, 2 * plan.pad_rows),
                                  std::max<int64_t>(1, shape.window_count));
  plan.tile_rows = std::max(kTileRows, 2 * plan.pad_rows + plan.segment_windows);
  plan.slot_stride = CeilDivide(plan.tile_rows, kGroupBases);

  const int64_t work = shape.sequence_count * shape.window_count * plan.block_count;
  const int64_t wanted = std::clamp<int64_t>(work / kWindowBlocksPerItem, 1, kMaxItems);
  int64_t most_slices = std::clamp<int64_t>(shape.sequence_count, 1, kMaxSlices);
  if (weighted) {
    const int64_t weights = kStrands * shape.window_count * plan.block_count * lanes;
    most_slices =
        std::clamp<int64_t>(kMaxWeightGradients / std::max<int64_t>(1, weights), 1, most_slices);
  }
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
