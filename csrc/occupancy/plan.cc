#include "occupancy/plan.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "occupancy/windows.h"

namespace cisreg {
namespace {

// 128 KB of gradients: rows enough for each k-mer, and within the second level of the cache.
constexpr int64_t kTileRows = 2048;
constexpr int64_t kSegmentWindows = 512;
// Blocks of one item share the codes of a tile; with more of them, their tables would not stay in
// the cache.
constexpr int64_t kMaxBlocksPerItem = 8;
// Tiles are shared by all items up to this many rows of all tiles together: 1.5 MiB.
constexpr int64_t kMaxSharedRows = int64_t{1} << 18;
// An item takes about 0.1 ms: long compared with starting it, short enough to balance many threads.
// Small problems have smaller items, so that more than one thread has work.
constexpr int64_t kForwardWindowBlocks = 32768;
constexpr int64_t kBackwardWindowBlocks = 32768;
constexpr int64_t kLeastWindowBlocks = 1024;
constexpr int64_t kFewItems = 16;
constexpr int64_t kMaxItems = 128;
// Each slice's gradients are cleared, folded and added up. With this many tiles that is a small
// part of the work.
constexpr int64_t kMaxSlices = 32;
constexpr int64_t kTilesPerSlice = 4;
// Floats that the slices' gradients may take together while they wait for the final sum: 16 MiB.
constexpr int64_t kMaxPartials = int64_t{1} << 22;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A motif without columns is placed in the middle of the width, where it adds no column to those
// that its block scans.
ColumnRange EmptyInTheMiddle(ColumnRange range, int64_t width) {
  if (range.first == range.end) range.first = range.end = static_cast<int32_t>(width / 2);
  return range;
}

std::vector<ColumnRange> FindTrainedColumns(const OccupancyShape& shape,
                                            const OccupancyInputs& inputs) {
  const int64_t motifs = shape.motif_count;
  std::vector<ColumnRange> columns(motifs, {0, static_cast<int32_t>(shape.width)});
  if (inputs.column_range == nullptr) return columns;
  for (int64_t motif = 0; motif < motifs; ++motif) {
    columns[motif] = EmptyInTheMiddle(
        {inputs.column_range[motif], inputs.column_range[motifs + motif]}, shape.width);
  }
  return columns;
}

// Where the numbers of a column are not all zero, for each motif: [W, M].
std::vector<uint8_t> FindNonzero(const OccupancyShape& shape, const float* log_kd) {
  const int64_t motifs = shape.motif_count;
  std::vector<uint8_t> nonzero(shape.width * motifs);
  for (int64_t column = 0; column < shape.width; ++column) {
    const float* base[kBases];
    for (int64_t b = 0; b < kBases; ++b) base[b] = log_kd + (column * kBases + b) * motifs;
    uint8_t* to = nonzero.data() + column * motifs;
    for (int64_t motif = 0; motif < motifs; ++motif) {
      to[motif] = (base[0][motif] != 0) | (base[1][motif] != 0) | (base[2][motif] != 0) |
                  (base[3][motif] != 0);
    }
  }
  return nonzero;
}

std::vector<ColumnRange> SkipZeros(const OccupancyShape& shape, const float* log_kd,
                                   std::vector<ColumnRange> columns) {
  const std::vector<uint8_t> nonzero = FindNonzero(shape, log_kd);
  const auto is_zero = [&](int64_t column, int64_t motif) {
    return nonzero[column * shape.motif_count + motif] == 0;
  };
  for (int64_t motif = 0; motif < shape.motif_count; ++motif) {
    ColumnRange& range = columns[motif];
    while (range.first < range.end && is_zero(range.first, motif)) ++range.first;
    while (range.first < range.end && is_zero(range.end - 1, motif)) --range.end;
    range = EmptyInTheMiddle(range, shape.width);
  }
  return columns;
}

// The columns that a block scans for a motif: its own and their mirror image.
ColumnRange Reach(const OccupancyShape& shape, const ColumnRange& range) {
  const auto width = static_cast<int32_t>(shape.width);
  return {std::min(range.first, width - range.end), std::max(range.end, width - range.first)};
}

BlockColumns FindBlockColumns(const OccupancyShape& shape,
                              const std::vector<ColumnRange>& motif_columns, const int32_t* motif) {
  ColumnRange all = Reach(shape, motif_columns[motif[0]]);
  for (int i = 1; i < kBlockMotifs; ++i) {
    const ColumnRange one = Reach(shape, motif_columns[motif[i]]);
    all = {std::min(all.first, one.first), std::max(all.end, one.end)};
  }
  // A block without a column still has a first group: it carries the concentrations.
  const int64_t groups = std::max<int64_t>(1, CeilDivide(all.end - all.first, kGroupBases));
  const int32_t last_start = static_cast<int32_t>(shape.width) - 1;
  return {std::clamp(all.first, 0, last_start), static_cast<int32_t>(groups)};
}

SiteColumns FindSiteColumns(const OccupancyShape& shape,
                            const std::vector<ColumnRange>& motif_columns, const int32_t* motif) {
  // Farther than any window reaches.
  constexpr int32_t kNever = int32_t{1} << 30;
  const auto width = static_cast<int32_t>(shape.width);
  SiteColumns sites;
  for (int i = 0; i < kBlockMotifs; ++i) {
    const ColumnRange& own = motif_columns[motif[i]];
    const bool none = own.first >= own.end;
    sites.first[i] = none ? kNever : own.first;
    sites.end[i] = none ? -kNever : own.end;
    sites.first[kBlockMotifs + i] = none ? kNever : width - own.end;
    sites.end[kBlockMotifs + i] = none ? -kNever : width - own.first;
  }
  const auto first = std::minmax_element(sites.first, sites.first + kBlockSites);
  const auto end = std::minmax_element(sites.end, sites.end + kBlockSites);
  sites.least_first = *first.first;
  sites.most_first = *first.second;
  sites.least_end = *end.first;
  sites.most_end = *end.second;
  return sites;
}

std::vector<float> FindBaseConcentration(const OccupancyShape& shape,
                                         const OccupancyInputs& inputs) {
  const float* row = inputs.log_concentration;
  std::vector<float> base(row, row + shape.motif_count);
  for (int64_t condition = 1; condition < inputs.condition_count; ++condition) {
    row += shape.motif_count;
    for (int64_t i = 0; i < shape.motif_count; ++i) base[i] = std::max(base[i], row[i]);
  }
  return base;
}

std::vector<uint8_t> FindAbsent(const float* log_concentration,
                                const std::vector<int32_t>& motifs) {
  std::vector<uint8_t> absent;
  for (const int32_t motif : motifs) {
    absent.push_back(log_concentration[motif] == -std::numeric_limits<float>::infinity());
  }
  if (std::find(absent.begin(), absent.end(), 1) == absent.end()) absent.clear();
  return absent;
}

// Rows of tiles that a sequence takes. One without a window takes almost none of the time of one.
int64_t RowsOf(const OccupancyShape& shape, const OccupancyInputs& inputs, int64_t sequence) {
  const WindowRange windows = FindWindows(shape, inputs, sequence);
  return windows.first < windows.end ? windows.end - windows.first + shape.width - 1 : 1;
}

int64_t MostGroups(const std::vector<BlockColumns>& blocks) {
  int32_t most = 0;
  for (const BlockColumns& columns : blocks) most = std::max(most, columns.group_count);
  return most;
}

// The motifs in the order of the columns that they train, then of those that they scan.
std::vector<int32_t> SortByWidth(const OccupancyShape& shape, const MotifLayout& layout) {
  struct Widths {
    int32_t trained, scanned, motif;
  };
  std::vector<Widths> motifs(shape.motif_count);
  for (int32_t motif = 0; motif < shape.motif_count; ++motif) {
    const ColumnRange trained = Reach(shape, layout.trained_columns[motif]);
    const ColumnRange scanned = Reach(shape, layout.scanned_columns[motif]);
    motifs[motif] = {trained.end - trained.first, scanned.end - scanned.first, motif};
  }
  std::sort(motifs.begin(), motifs.end(), [](const Widths& a, const Widths& b) {
    return std::tie(a.trained, a.scanned, a.motif) < std::tie(b.trained, b.scanned, b.motif);
  });
  std::vector<int32_t> order;
  for (const Widths& each : motifs) order.push_back(each.motif);
  return order;
}

}  // namespace

MotifLayout MakeMotifLayout(const OccupancyShape& shape, const OccupancyInputs& inputs) {
  const int64_t blocks = CeilDivide(shape.motif_count, kBlockMotifs);
  MotifLayout layout;
  layout.trained_columns = FindTrainedColumns(shape, inputs);
  layout.scanned_columns = SkipZeros(shape, inputs.log_kd, layout.trained_columns);
  layout.block_motif = SortByWidth(shape, layout);
  layout.block_motif.resize(blocks * kBlockMotifs, layout.block_motif.back());
  const float* base = inputs.log_concentration;
  if (inputs.condition_count > 1) {
    layout.base_concentration = FindBaseConcentration(shape, inputs);
    base = layout.base_concentration.data();
  }
  layout.block_absent = FindAbsent(base, layout.block_motif);
  layout.table_offset.push_back(0);
  for (int64_t block = 0; block < blocks; ++block) {
    const int32_t* motif = layout.block_motif.data() + block * kBlockMotifs;
    layout.block_trained.push_back(FindBlockColumns(shape, layout.trained_columns, motif));
    layout.block_scanned.push_back(FindBlockColumns(shape, layout.scanned_columns, motif));
    if (inputs.span != nullptr) {
      layout.block_sites.push_back(FindSiteColumns(shape, layout.trained_columns, motif));
    }
    layout.table_offset.push_back(layout.table_offset.back() +
                                  layout.block_scanned.back().group_count * kGroupFloats);
  }
  return layout;
}

OccupancyPlan MakeOccupancyPlan(const OccupancyShape& shape, const OccupancyInputs& inputs,
                                const MotifLayout& layout, bool backward) {
  OccupancyPlan plan;
  plan.window_count = 0;
  for (int64_t i = 0; i < shape.sequence_count; ++i) {
    const WindowRange windows = FindWindows(shape, inputs, i);
    plan.window_count += windows.end - windows.first;
  }
  plan.block_count = CeilDivide(shape.motif_count, kBlockMotifs);
  plan.max_trained_groups = MostGroups(layout.block_trained);
  plan.pad_rows = shape.width - 1;
  plan.segment_windows = std::min(std::max(kSegmentWindows, 2 * plan.pad_rows),
                                  std::max<int64_t>(1, shape.window_count));
  plan.tile_rows = std::max(kTileRows, 2 * plan.pad_rows + plan.segment_windows);
  plan.slot_stride = CeilDivide(plan.tile_rows, kGroupBases);
  plan.sums_per_sequence =
      inputs.several() ? inputs.summed_conditions() * (1 + inputs.weight_sets) : 0;

  const int64_t work = plan.window_count * plan.block_count;
  const int64_t few = std::clamp<int64_t>(work / kLeastWindowBlocks, 1, kFewItems);
  const int64_t wanted = std::clamp<int64_t>(
      work / (backward ? kBackwardWindowBlocks : kForwardWindowBlocks), few, kMaxItems);
  int64_t most_slices = std::clamp<int64_t>(shape.sequence_count, 1, kMaxSlices);
  const int64_t segments = plan.window_count / plan.segment_windows + shape.sequence_count;
  const int64_t rows = plan.window_count + segments * plan.pad_rows;
  plan.shares_tiles = rows <= kMaxSharedRows;
  if (backward) {
    const int64_t partials = plan.block_count * MakePartialLayout(shape, inputs).total();
    most_slices = std::clamp<int64_t>(
        std::min(rows / (kTilesPerSlice * plan.tile_rows), kMaxPartials / partials), 1,
        most_slices);
  }
  const int64_t widest = plan.shares_tiles ? 1 : std::min(kMaxBlocksPerItem, plan.block_count);
  plan.sequence_slices =
      std::min(most_slices, CeilDivide(wanted, CeilDivide(plan.block_count, widest)));
  // Few sequences: narrower items, so that all the threads have work.
  plan.blocks_per_item =
      std::clamp<int64_t>(plan.sequence_slices * plan.block_count / wanted, 1, widest);
  plan.block_groups = CeilDivide(plan.block_count, plan.blocks_per_item);
  return plan;
}

std::vector<int64_t> DivideSequences(const OccupancyShape& shape, const OccupancyInputs& inputs,
                                     const OccupancyPlan& plan) {
  int64_t rows = 0;
  for (int64_t i = 0; i < shape.sequence_count; ++i) rows += RowsOf(shape, inputs, i);
  std::vector<int64_t> begin = {0};
  int64_t sequence = 0, before = 0;
  for (int64_t slice = 1; slice < plan.sequence_slices; ++slice) {
    for (; sequence < shape.sequence_count; ++sequence) {
      const int64_t behind = before + RowsOf(shape, inputs, sequence);
      if (behind > rows * slice / plan.sequence_slices) break;
      before = behind;
    }
    begin.push_back(sequence);
  }
  begin.push_back(shape.sequence_count);
  return begin;
}

PartialLayout MakePartialLayout(const OccupancyShape& shape, const OccupancyInputs& inputs) {
  PartialLayout layout;
  layout.log_kd = shape.width * kBases * kBlockMotifs;
  layout.log_concentration = inputs.condition_count * kBlockMotifs;
  layout.position_weight = shape.window_count * inputs.weight_sets * kBlockSites;
  return layout;
}

}  // namespace cisreg
