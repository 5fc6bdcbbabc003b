// Backward: each item scans its slice again and sums the gradients of its motif blocks.
//
// With x = log concentration - log Kd and p = sigmoid(x), each site's dlogit = dloss/dx is
//   expected:     g p (1 - p)            log_unbound: -g p
//   weighted:   + g' position_weight p (1 - p)
// Sums of dlogit by k-mer are gradients of the table; a table's row is a sum of motif columns, so
// the gradient of a column's base is the sum over the k-mers that have this base there.

#ifndef CISREG_CSRC_OCCUPANCY_BACKWARD_H_
#define CISREG_CSRC_OCCUPANCY_BACKWARD_H_

#include "occupancy/forward.h"
#include "occupancy/scan.h"

namespace cisreg {
namespace {

// Gradients by group that fit in registers beside what the loop needs.
constexpr int kGroupsInFlight = 10;

// One block's sums while an item runs. `dlogit` holds one tile, per strand; `table` the gradient of
// the k-mer table as [strand, k-mer, group, lane].
template <class V>
struct BlockGradients {
  float* dlogit[kStrands];
  float* table;
  float* log_concentration;
  float* position_weight;  // [2, P, lanes] or unused
};

template <class V>
struct SegmentUpstream {
  V bound[kStrands];
  V weighted[kStrands];
};

template <class V>
SegmentUpstream<V> LoadUpstream(const OccupancyJob& job, int64_t block, int64_t sequence,
                                const OccupancyUpstream& upstream) {
  SegmentUpstream<V> loaded;
  for (int strand = 0; strand < kStrands; ++strand) {
    const int64_t at = (sequence * kStrands + strand) * job.shape.motif_count;
    loaded.bound[strand] = GatherLanes<V>(job, block, upstream.bound + at);
    loaded.weighted[strand] = job.inputs.weighted
                                  ? GatherLanes<V>(job, block, upstream.weighted + at)
                                  : V::Broadcast(0.0f);
  }
  return loaded;
}

// Stores the dlogits of kWindows windows of a segment and adds up the gradients per window.
template <class V, Reduction kReduction, bool kWeighted, int kWindows>
inline void StoreWindows(const OccupancyJob& job, int64_t block, const Segment& segment, int64_t j,
                         const uint16_t* kmer_offset, const SegmentUpstream<V>& upstream,
                         const BlockGradients<V>& gradients, V* dconcentration) {
  const BlockColumns columns = job.block_columns[block];
  const int64_t row = segment.first_row + columns.first + j;
  V logit[kWindows][kStrands];
  ScanWindows<V, kWindows>(job.tables + block * job.plan.table_floats(), columns.group_count,
                           kmer_offset + row, logit);
  const V one = V::Broadcast(1.0f);
  const float* weight = LaneWeight<V>(job, block, segment.first_window + j);
  for (int strand = 0; strand < kStrands; ++strand) {
    for (int k = 0; k < kWindows; ++k) {
      const V power = simd::Exp2(simd::ClampExponent(logit[k][strand]));
      const V p = one / (one + power);
      // 1 - p as a product: a difference would lose the digits of strong sites.
      const V slope = power * p * p;
      V dlogit = kReduction == Reduction::kExpected
                     ? upstream.bound[strand] * slope
                     : V::Broadcast(0.0f) - upstream.bound[strand] * p;
      if (kWeighted) {
        const int64_t window = strand * job.shape.window_count + k;
        const V w = V::Load(weight + window * V::kLanes);
        dlogit = MultiplyAdd(upstream.weighted[strand] * w, slope, dlogit);
        float* sum = gradients.position_weight + (window + segment.first_window + j) * V::kLanes;
        MultiplyAdd(upstream.weighted[strand], p, V::Load(sum)).Store(sum);
      }
      *dconcentration = *dconcentration + dlogit;
      const uint32_t slot = GradientSlot(job.plan, row + k);
      dlogit.Store(gradients.dlogit[strand] + slot * V::kLanes);
    }
  }
}

template <class V, Reduction kReduction, bool kWeighted>
void StoreTile(const OccupancyJob& job, int64_t block, const Tile& tile,
               const OccupancyUpstream& upstream, const BlockGradients<V>& gradients) {
  V total = V::Load(gradients.log_concentration);
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const Segment& segment = tile.segments[i];
    const SegmentUpstream<V> loaded = LoadUpstream<V>(job, block, segment.sequence, upstream);
    V sum = V::Broadcast(0.0f);
    int64_t j = 0;
    for (; j + kWindowsInFlight <= segment.windows; j += kWindowsInFlight) {
      StoreWindows<V, kReduction, kWeighted, kWindowsInFlight>(
          job, block, segment, j, tile.kmer_offset, loaded, gradients, &sum);
    }
    for (; j < segment.windows; ++j) {
      StoreWindows<V, kReduction, kWeighted, 1>(job, block, segment, j, tile.kmer_offset, loaded,
                                                gradients, &sum);
    }
    total = total + sum;
  }
  total.Store(gradients.log_concentration);
}

// Adds to kGroups neighbouring groups of one k-mer the dlogits of the rows that hold it.
template <class V, int kGroups>
inline void SumGroups(const float* dlogit, const uint32_t* slot, const uint32_t* end, float* sums) {
  V sum[kGroups];
  for (int g = 0; g < kGroups; ++g) sum[g] = V::Broadcast(0.0f);
  for (; slot != end; ++slot) {
    const float* at = dlogit + static_cast<int64_t>(*slot) * V::kLanes;
    for (int g = 0; g < kGroups; ++g) sum[g] = sum[g] + V::Load(at - g * V::kLanes);
  }
  for (int g = 0; g < kGroups; ++g) {
    float* to = sums + g * V::kLanes;
    (V::Load(to) + sum[g]).Store(to);
  }
}

template <class V>
using SumGroupsFunction = void (*)(const float*, const uint32_t*, const uint32_t*, float*);

template <class V>
SumGroupsFunction<V> ChooseSumGroups(int64_t groups) {
  static constexpr SumGroupsFunction<V> kBySize[kGroupsInFlight] = {
      SumGroups<V, 1>, SumGroups<V, 2>, SumGroups<V, 3>, SumGroups<V, 4>, SumGroups<V, 5>,
      SumGroups<V, 6>, SumGroups<V, 7>, SumGroups<V, 8>, SumGroups<V, 9>, SumGroups<V, 10>};
  return kBySize[groups - 1];
}

template <class V>
void SumTile(int64_t group_count, const Tile& tile, const BlockGradients<V>& gradients) {
  for (int64_t first = 0; first < group_count; first += kGroupsInFlight) {
    const int64_t left = group_count - first;
    const int64_t groups = left < kGroupsInFlight ? left : kGroupsInFlight;
    const SumGroupsFunction<V> sum_groups = ChooseSumGroups<V>(groups);
    for (int strand = 0; strand < kStrands; ++strand) {
      const float* dlogit = gradients.dlogit[strand] - first * V::kLanes;
      float* sums = gradients.table + (strand * kTableRows * group_count + first) * V::kLanes;
      const uint32_t* slot = tile.sorted_slots;
      for (int kmer = 0; kmer < kEmptyRow; ++kmer) {
        const uint32_t* end = tile.sorted_slots + tile.bin_end[kmer];
        if (slot != end) sum_groups(dlogit, slot, end, sums + kmer * group_count * V::kLanes);
        slot = end;
      }
    }
  }
}

// Rows that hold no window's dlogit are zero: up to `first_column` before a segment's windows, and
// behind them up to the next segment.
template <class V>
void ClearPads(const OccupancyPlan& plan, int64_t first_column, const Tile& tile,
               const BlockGradients<V>& gradients) {
  const auto clear = [&](int64_t row, int64_t end) {
    for (; row < end; ++row) {
      const uint32_t slot = GradientSlot(plan, row);
      for (float* dlogit : gradients.dlogit) V::Broadcast(0.0f).Store(dlogit + slot * V::kLanes);
    }
  };
  int64_t row = 0;
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const int64_t first = tile.segments[i].first_row + first_column;
    clear(row, first);
    row = first + tile.segments[i].windows;
  }
  clear(row, tile.rows);
}

// Sums of a group's rows by the base in each of its three columns.
template <class V>
inline void SumByBase(const float* rows, int64_t stride, V (&sum)[kGroupBases][kBases + 1]) {
  for (auto& column : sum) {
    for (V& base : column) base = V::Broadcast(0.0f);
  }
  const uint8_t* row = kTriplets.row;
  for (int a = 0; a <= kBases; ++a) {
    for (int b = 0; b <= kBases; ++b) {
      V both = V::Broadcast(0.0f);
      for (int c = 0; c <= kBases; ++c) {
        const V value = V::Load(rows + *row++ * stride);
        sum[2][c] = sum[2][c] + value;
        both = both + value;
      }
      sum[1][b] = sum[1][b] + both;
      sum[0][a] = sum[0][a] + both;
    }
  }
}

// Gradient of log Kd from the gradient of the table; logits fall as log Kd rises.
template <class V>
void FoldTable(const OccupancyJob& job, int64_t block, const float* table, float* log_kd) {
  const int64_t width = job.shape.width;
  const BlockColumns columns = job.block_columns[block];
  const int64_t groups = columns.group_count;
  for (int strand = 0; strand < kStrands; ++strand) {
    for (int64_t group = 0; group < groups; ++group) {
      V sum[kGroupBases][kBases + 1];
      SumByBase(table + (strand * kTableRows * groups + group) * V::kLanes, groups * V::kLanes,
                sum);
      const int64_t first = columns.first + group * kGroupBases;
      for (int64_t column = first; column < first + kGroupBases && column < width; ++column) {
        for (int base = 0; base < kBases; ++base) {
          const int64_t w = strand == 0 ? column : width - 1 - column;
          const int64_t b = strand == 0 ? base : kBases - 1 - base;
          float* to = log_kd + (w * kBases + b) * V::kLanes;
          (V::Load(to) - sum[column - first][base]).Store(to);
        }
      }
    }
  }
}

template <class V>
BlockGradients<V> TakeDlogits(const OccupancyPlan& plan, ScratchArena* arena) {
  BlockGradients<V> gradients = {};
  for (int strand = 0; strand < kStrands; ++strand) {
    gradients.dlogit[strand] = arena->Take<float>(kGroupBases * plan.slot_stride * V::kLanes);
  }
  return gradients;
}

template <class V>
size_t ItemScratchBytes(const OccupancyPlan& plan, bool backward) {
  ScratchArena arena = {nullptr, 0};
  TakeTile(plan, backward, &arena);
  if (backward) {
    TakeDlogits<V>(plan, &arena);
    arena.Take<float>(plan.blocks_per_item * plan.table_floats());
  }
  return arena.used;
}

template <class V>
void BackwardItem(const OccupancyJob& job, int64_t item, char* scratch,
                  const OccupancyUpstream& upstream, float* partials) {
  const OccupancyPlan& plan = job.plan;
  const bool weighted = job.inputs.weighted;
  const bool expected = job.reduction == Reduction::kExpected;
  const auto store_tile = expected ? (weighted ? StoreTile<V, Reduction::kExpected, true>
                                               : StoreTile<V, Reduction::kExpected, false>)
                                   : (weighted ? StoreTile<V, Reduction::kLogUnbound, true>
                                               : StoreTile<V, Reduction::kLogUnbound, false>);
  const PartialLayout layout = MakePartialLayout(job.shape, plan, weighted);
  const auto [slice, first_block, end_block] = FindItem(plan, item);
  float* const item_partials = partials + (slice * plan.block_count + first_block) * layout.total();

  ScratchArena arena = {scratch, 0};
  Tile tile = TakeTile(plan, true, &arena);
  BlockGradients<V> gradients = TakeDlogits<V>(plan, &arena);
  float* const tables = arena.Take<float>(plan.blocks_per_item * plan.table_floats());
  std::memset(tables, 0, plan.blocks_per_item * plan.table_floats() * sizeof(float));
  std::memset(item_partials, 0, (end_block - first_block) * layout.total() * sizeof(float));

  TileCursor cursor = SliceCursor(job.shape, plan, slice);
  while (!cursor.done()) {
    FillTile(job.shape, plan, job.inputs.sequence, kRowBytes<V>, &cursor, &tile);
    for (int64_t block = first_block; block < end_block; ++block) {
      float* partial = item_partials + (block - first_block) * layout.total();
      gradients.table = tables + (block - first_block) * plan.table_floats();
      gradients.log_concentration = partial + layout.log_kd;
      gradients.position_weight = gradients.log_concentration + layout.log_concentration;
      ClearPads(plan, job.block_columns[block].first, tile, gradients);
      store_tile(job, block, tile, upstream, gradients);
      SumTile(job.block_columns[block].group_count, tile, gradients);
    }
  }
  for (int64_t block = first_block; block < end_block; ++block) {
    FoldTable<V>(job, block, tables + (block - first_block) * plan.table_floats(),
                 item_partials + (block - first_block) * layout.total());
  }
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_BACKWARD_H_
