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

// At most this many rows of a k-mer are added in one sum; these sums are then added. One long sum
// would lose precision where sequences have few different k-mers.
constexpr int kLongestSum = 128;

// One block's sums while an item runs. `dlogit` holds one tile; `table` the gradient of the k-mer
// table as [k-mer, group, site].
struct BlockGradients {
  char* dlogit;
  float* table;
  float* log_concentration;  // [kBlockSites]
  float* position_weight;    // [P, kBlockSites] or unused
};

template <class V>
struct SegmentUpstream {
  V bound;
  V weighted;
};

template <class V>
SegmentUpstream<V> LoadUpstream(const OccupancyJob& job, int64_t block, int64_t sequence,
                                const OccupancyUpstream& upstream) {
  const int64_t motifs = job.shape.motif_count;
  const auto load = [&](const float* gradients) {
    const float* forward = gradients + sequence * kStrands * motifs;
    return GatherSites<V>(job, block, forward, forward + motifs);
  };
  return {load(upstream.bound), job.inputs.weighted ? load(upstream.weighted) : V::Broadcast(0.0f)};
}

// Where a segment's next windows are read and written.
struct WindowCursor {
  const uint16_t* kmer_offset;
  const float* weight;     // null without weights
  float* weight_gradient;  // null without weights
  GradientCursor gradient;
};

// Where the dlogits and gradients of windows in flight go.
template <class F>
struct WindowTargets {
  float* dlogit[F::kWindowsInFlight];
  const float* weight;     // of the first window, or null
  float* weight_gradient;  // of the first window, or null
};

// Stores the dlogits of one part of a block's sites, of the first `live` windows in a tail, and
// returns their sum. Where sites are masked, those that do not count become sites that are never
// bound.
template <class F, Reduction kReduction, bool kWeighted, int kSitesPerDivision, Windows kKind>
inline F StorePart(const F (&site)[F::kWindowsInFlight], F bound_upstream, F weighted_upstream,
                   const WindowTargets<F>& targets, int first_site, int live,
                   const CountedSites<F>& counted) {
  constexpr int kWindows = F::kWindowsInFlight;
  constexpr bool kTail = kKind != Windows::kAll;
  F total = F::Broadcast(0.0f);
  for (int first = 0; first < kWindows; first += kSitesPerDivision) {
    F odds[kSitesPerDivision];
    F unbound[kSitesPerDivision];
    for (int i = 0; i < kSitesPerDivision; ++i) {
      odds[i] = Odds<kSitesPerDivision>(site[first + i]);
      if (kKind == Windows::kMasked) odds[i] = odds[i] * counted.At(first + i);
    }
    Unbound<F, kSitesPerDivision>(odds, unbound);
    for (int i = 0; i < kSitesPerDivision; ++i) {
      const int k = first + i;
      if (kTail && k >= live) return total;
      const F p = odds[i] * unbound[i];
      // A factor 1 - p: writing p - p * p would lose the precision of strong sites.
      const F slope = p * unbound[i];
      F dlogit = kReduction == Reduction::kExpected ? bound_upstream * slope
                                                    : F::Broadcast(0.0f) - bound_upstream * p;
      if (kWeighted) {
        const F w = F::Load(targets.weight + k * kBlockSites + first_site);
        dlogit = MultiplyAdd(weighted_upstream * w, slope, dlogit);
        float* sum = targets.weight_gradient + k * kBlockSites + first_site;
        MultiplyAdd(weighted_upstream, p, F::Load(sum)).Store(sum);
      }
      total = total + dlogit;
      dlogit.Store(targets.dlogit[k] + first_site);
    }
  }
  return total;
}

// Stores the dlogits of a segment's next windows, `live` of them in a tail, and adds them up.
template <class V, Reduction kReduction, bool kWeighted, int kSitesPerDivision, Windows kKind>
inline void StoreWindows(const float* table, int64_t group_count,
                         const SegmentUpstream<V>& upstream, int live,
                         const CountedSites<V>& counted, WindowCursor* cursor, char* dlogit,
                         V* total) {
  using F = typename V::Part;
  V site[V::kWindowsInFlight];
  ScanWindows<V, kSitesPerDivision>(table, group_count, cursor->kmer_offset, site);
  WindowTargets<F> targets;
  for (float*& target : targets.dlogit) {
    target = reinterpret_cast<float*>(dlogit + cursor->gradient.Next());
  }
  targets.weight = cursor->weight;
  targets.weight_gradient = cursor->weight_gradient;
#pragma GCC unroll 4
  for (int i = 0; i < V::kParts; ++i) {
    F part[V::kWindowsInFlight];
    for (int k = 0; k < V::kWindowsInFlight; ++k) part[k] = site[k].part[i];
    const F sum = StorePart<F, kReduction, kWeighted, kSitesPerDivision, kKind>(
        part, upstream.bound.part[i], upstream.weighted.part[i], targets, i * F::kLanes, live,
        counted.Part(i));
    total->part[i] = total->part[i] + sum;
  }
  cursor->kmer_offset += V::kWindowsInFlight;
  if (kWeighted) {
    cursor->weight += V::kWindowsInFlight * kBlockSites;
    cursor->weight_gradient += V::kWindowsInFlight * kBlockSites;
  }
}

template <class V, Reduction kReduction, bool kWeighted, int kSitesPerDivision, bool kSpanned>
void StoreTile(const OccupancyJob& job, int64_t block, const Tile& tile,
               const OccupancyUpstream& upstream, const BlockGradients& gradients) {
  const float* table = job.table(block);
  const BlockColumns scanned = job.block_scanned[block];
  const int64_t trained_first = job.block_trained[block].first;
  V total = V::Load(gradients.log_concentration);
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const Segment& segment = tile.segments[i];
    const SegmentUpstream<V> loaded = LoadUpstream<V>(job, block, segment.sequence, upstream);
    const CountedWindows counted = FindCountedWindows<kSpanned>(job, block, segment);
    const int64_t row = segment.first_row + counted.first;
    const int64_t window = segment.first_window + counted.first;
    WindowCursor cursor = {tile.kmer_offset + row + scanned.first, BlockWeight(job, block, window),
                           kWeighted ? gradients.position_weight + window * kBlockSites : nullptr,
                           GradientCursor(job.plan, row + trained_first)};
    V sum = V::Broadcast(0.0f);
    const auto take = [&](auto kind, int live,
                          const CountedSites<V>& sites) __attribute__((always_inline)) {
      StoreWindows<V, kReduction, kWeighted, kSitesPerDivision, kind.kKind>(
          table, scanned.group_count, loaded, live, sites, &cursor, gradients.dlogit, &sum);
    };
    ForEachWindows<V, kSpanned>(job, block, segment, counted, take);
    total = total + sum;
  }
  total.Store(gradients.log_concentration);
}

template <class V, Reduction kReduction, bool kWeighted>
void StoreBlock(const OccupancyJob& job, int64_t block, const Tile& tile,
                const OccupancyUpstream& upstream, const BlockGradients& gradients) {
  const bool spanned = job.block_sites != nullptr;
  const auto store_tile = job.sites_per_division[block] == 2
                              ? (spanned ? StoreTile<V, kReduction, kWeighted, 2, true>
                                         : StoreTile<V, kReduction, kWeighted, 2, false>)
                              : (spanned ? StoreTile<V, kReduction, kWeighted, 1, true>
                                         : StoreTile<V, kReduction, kWeighted, 1, false>);
  store_tile(job, block, tile, upstream, gradients);
}

// Adds to kGroups neighbouring groups of one k-mer the dlogits of the rows that hold it. Where
// there are few groups, two sums run side by side, so that an addition need not wait for the one
// before.
template <class V, int kGroups>
inline void SumGroups(const char* dlogit, const uint32_t* offset, const uint32_t* end,
                      float* sums) {
  constexpr int kSets = 2 * kGroups <= V::kSumsInFlight ? 2 : 1;
  V sum[kSets][kGroups];
  for (auto& set : sum) {
    for (V& group : set) group = V::Broadcast(0.0f);
  }
  for (; offset != end; offset += kListedTogether) {
    for (uint32_t i = 0; i < kListedTogether; ++i) {
      const float* at = reinterpret_cast<const float*>(dlogit + offset[i]);
      V(&set)[kGroups] = sum[i % kSets];
      for (int g = 0; g < kGroups; ++g) set[g] = set[g] + V::Load(at - g * kBlockSites);
    }
  }
  for (int g = 0; g < kGroups; ++g) {
    float* to = sums + g * kBlockSites;
    const V total = kSets == 2 ? sum[0][g] + sum[kSets - 1][g] : sum[0][g];
    (V::Load(to) + total).Store(to);
  }
}

using SumGroupsFunction = void (*)(const char*, const uint32_t*, const uint32_t*, float*);

template <class V, int kGroups = V::kSumsInFlight>
SumGroupsFunction ChooseSumGroups(int64_t groups) {
  if constexpr (kGroups > 1) {
    if (groups < kGroups) return ChooseSumGroups<V, kGroups - 1>(groups);
  }
  return SumGroups<V, kGroups>;
}

template <class V>
void SumTile(int64_t group_count, const Tile& tile, const BlockGradients& gradients) {
  const int64_t passes = (group_count + V::kSumsInFlight - 1) / V::kSumsInFlight;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const int64_t first = group_count * pass / passes;
    const int64_t groups = group_count * (pass + 1) / passes - first;
    const SumGroupsFunction sum_groups = ChooseSumGroups<V>(groups);
    const char* dlogit = gradients.dlogit - first * kRowBytes;
    float* sums = gradients.table + first * kBlockSites;
    const uint32_t* offset = tile.sorted_offset;
    for (int kmer = 0; kmer < kEmptyRow; ++kmer) {
      const uint32_t* end = tile.sorted_offset + tile.bin_end[kmer];
      while (offset != end) {
        const uint32_t* next = end - offset > kLongestSum ? offset + kLongestSum : end;
        sum_groups(dlogit, offset, next, sums + kmer * group_count * kBlockSites);
        offset = next;
      }
    }
  }
}

// Sets to zero the rows that hold no window's dlogit: those before the first counted window of a
// segment, and those between its last one and the next segment.
template <class V>
void ClearPads(const OccupancyJob& job, int64_t block, const Tile& tile, char* dlogit) {
  const auto clear = [&](int64_t row, int64_t end) {
    GradientCursor cursor(job.plan, row);
    for (; row < end; ++row) {
      V::Broadcast(0.0f).Store(reinterpret_cast<float*>(dlogit + cursor.Next()));
    }
  };
  const bool spanned = job.block_sites != nullptr;
  int64_t row = 0;
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const Segment& segment = tile.segments[i];
    const CountedWindows counted = spanned ? FindCountedWindows<true>(job, block, segment)
                                           : FindCountedWindows<false>(job, block, segment);
    const int64_t first = segment.first_row + job.block_trained[block].first;
    clear(row, first + counted.first);
    row = first + counted.end;
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

// Subtracts sums from the gradients of the motifs: forward strand from one row, reverse strand from
// the other. Logits fall as log Kd rises.
template <class V>
void SubtractStrands(V sums, float* forward, float* reverse) {
  float sites[kBlockSites];
  sums.Store(sites);
  for (int i = 0; i < kBlockMotifs; ++i) {
    forward[i] -= sites[i];
    reverse[i] -= sites[kBlockMotifs + i];
  }
}

// Gradient of log Kd from the gradient of the table.
template <class V>
void FoldTable(const OccupancyJob& job, int64_t block, const float* table, float* log_kd) {
  const int64_t width = job.shape.width;
  const BlockColumns columns = job.block_trained[block];
  const int64_t groups = columns.group_count;
  for (int64_t group = 0; group < groups; ++group) {
    V sum[kGroupBases][kBases + 1];
    SumByBase(table + group * kBlockSites, groups * kBlockSites, sum);
    const int64_t first = columns.first + group * kGroupBases;
    for (int64_t column = first; column < first + kGroupBases && column < width; ++column) {
      for (int base = 0; base < kBases; ++base) {
        const int64_t mirror = (width - 1 - column) * kBases + kBases - 1 - base;
        SubtractStrands(sum[column - first][base], log_kd + (column * kBases + base) * kBlockMotifs,
                        log_kd + mirror * kBlockMotifs);
      }
    }
  }
}

// An item's scratch memory beside its tile.
struct BackwardScratch {
  char* dlogit;
  float* tables;              // [blocks_per_item, gradient_floats]
  float* log_concentrations;  // [blocks_per_item, kBlockSites]
};

inline BackwardScratch TakeBackwardScratch(const OccupancyPlan& plan, ScratchArena* arena) {
  BackwardScratch scratch;
  const int64_t dlogit_rows = plan.max_trained_groups + kGroupBases * plan.slot_stride;
  scratch.dlogit = arena->Take<char>(dlogit_rows * kRowBytes);
  scratch.tables = arena->Take<float>(plan.blocks_per_item * plan.gradient_floats());
  scratch.log_concentrations = arena->Take<float>(plan.blocks_per_item * kBlockSites);
  return scratch;
}

template <class V>
size_t ItemScratchBytes(const OccupancyPlan& plan, bool backward) {
  ScratchArena arena = {nullptr, 0};
  TakeTile(plan, backward, &arena);
  if (backward) TakeBackwardScratch(plan, &arena);
  return arena.used;
}

// Sums the gradients of an item's blocks over its slice, tile by tile.
template <class V>
void SumSlice(const OccupancyJob& job, const ItemRange& range, Tile* tile,
              const BackwardScratch& scratch, const OccupancyUpstream& upstream,
              float* item_partials) {
  const OccupancyPlan& plan = job.plan;
  const bool weighted = job.inputs.weighted;
  const bool expected = job.reduction == Reduction::kExpected;
  const auto store_block = expected ? (weighted ? StoreBlock<V, Reduction::kExpected, true>
                                                : StoreBlock<V, Reduction::kExpected, false>)
                                    : (weighted ? StoreBlock<V, Reduction::kLogUnbound, true>
                                                : StoreBlock<V, Reduction::kLogUnbound, false>);
  const PartialLayout layout = MakePartialLayout(job.shape, weighted);
  TileCursor cursor = SliceCursor(job.shape, plan, range.slice);
  while (!cursor.done()) {
    FillTile(job.shape, plan, job.inputs, &cursor, tile);
    for (int64_t block = range.first_block; block < range.end_block; ++block) {
      const int64_t i = block - range.first_block;
      const BlockGradients gradients = {
          scratch.dlogit, scratch.tables + i * plan.gradient_floats(),
          scratch.log_concentrations + i * kBlockSites,
          item_partials + i * layout.total() + layout.log_kd + layout.log_concentration};
      ClearPads<V>(job, block, *tile, scratch.dlogit);
      store_block(job, block, *tile, upstream, gradients);
      SumTile<V>(job.block_trained[block].group_count, *tile, gradients);
    }
  }
}

template <class V>
void BackwardItem(const OccupancyJob& job, int64_t item, char* memory,
                  const OccupancyUpstream& upstream, float* partials) {
  const simd::FlushDenormals flush;
  const OccupancyPlan& plan = job.plan;
  const PartialLayout layout = MakePartialLayout(job.shape, job.inputs.weighted);
  const ItemRange range = FindItem(plan, item);
  const int64_t blocks = range.end_block - range.first_block;
  float* const item_partials =
      partials + (range.slice * plan.block_count + range.first_block) * layout.total();

  ScratchArena arena = {memory, 0};
  Tile tile = TakeTile(plan, true, &arena);
  const BackwardScratch scratch = TakeBackwardScratch(plan, &arena);
  std::memset(scratch.dlogit, 0, plan.max_trained_groups * kRowBytes);
  std::memset(scratch.tables, 0, blocks * plan.gradient_floats() * sizeof(float));
  std::memset(scratch.log_concentrations, 0, blocks * kRowBytes);
  std::memset(item_partials, 0, blocks * layout.total() * sizeof(float));
  SumSlice<V>(job, range, &tile, scratch, upstream, item_partials);

  for (int64_t i = 0; i < blocks; ++i) {
    float* log_kd = item_partials + i * layout.total();
    FoldTable<V>(job, range.first_block + i, scratch.tables + i * plan.gradient_floats(), log_kd);
    const float* sites = scratch.log_concentrations + i * kBlockSites;
    float* log_concentration = log_kd + layout.log_kd;
    for (int m = 0; m < kBlockMotifs; ++m)
      log_concentration[m] = sites[m] + sites[kBlockMotifs + m];
  }
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_BACKWARD_H_
