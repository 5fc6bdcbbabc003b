// Backward: each item scans its slice again and sums the gradients of its motif blocks.
//
// With x = log concentration - log Kd and p = sigmoid(x), each site's dlogit = dloss/dx is
//   expected:     g p (1 - p)            log_unbound: -g p
//   weighted:   + g' position_weight p (1 - p)
// Sums of dlogit by k-mer are gradients of the table; a table's row is a sum of motif columns, so
// the gradient of a column's base is the sum over the k-mers that have this base there.

#ifndef CISREG_CSRC_OCCUPANCY_BACKWARD_H_
#define CISREG_CSRC_OCCUPANCY_BACKWARD_H_

#include "occupancy/backward_several.h"
#include "occupancy/forward.h"
#include "occupancy/gradients.h"
#include "occupancy/scan.h"

namespace cisreg {
namespace {

// At most this many rows of a k-mer are added in one sum; these sums are then added. One long sum
// would lose precision where sequences have few different k-mers.
constexpr int kLongestSum = 128;

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
  return {load(upstream.bound),
          job.inputs.weighted() ? load(upstream.weighted) : V::Broadcast(0.0f)};
}

// Where the dlogits and gradients of windows in flight go.
template <class F>
struct WindowTargets {
  char* dlogit[F::kWindowsInFlight];  // in the first strip
  int64_t strip_bytes;
  const float* weight;     // of the first window, or null
  float* weight_gradient;  // of the first window, or null
};

// Stores the dlogits of part `index` of a block's sites, of the first `live` windows in a tail, and
// returns their sum. Where sites are masked, those that do not count become sites that are never
// bound.
template <class Rows, Reduction kReduction, bool kWeighted, int kSitesPerDivision, Windows kKind,
          class F = typename Rows::Part>
inline F StorePart(const F (&site)[F::kWindowsInFlight], F bound_upstream, F weighted_upstream,
                   const WindowTargets<F>& targets, int index, int live,
                   const CountedSites<F>& counted) {
  constexpr int kWindows = F::kWindowsInFlight;
  constexpr bool kTail = kKind != Windows::kAll;
  const int first_site = index * F::kLanes;
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
      Rows::StorePart(dlogit, index, targets.dlogit[k], targets.strip_bytes);
    }
  }
  return total;
}

// Stores the dlogits of a segment's next windows, `live` of them in a tail, and adds them up.
template <class V, class Rows, Reduction kReduction, bool kWeighted, int kSitesPerDivision,
          Windows kKind>
inline void StoreWindows(const float* table, int64_t group_count,
                         const SegmentUpstream<V>& upstream, int live,
                         const CountedSites<V>& counted, WindowCursor* cursor, char* dlogit,
                         int64_t strip_bytes, V* total) {
  using F = typename V::Part;
  V site[V::kWindowsInFlight];
  ScanWindows<V, kSitesPerDivision>(table, group_count, cursor->kmer_offset, site);
  WindowTargets<F> targets;
  for (char*& target : targets.dlogit) {
    target = dlogit + size_t{cursor->gradient.Next()} * Rows::kBytes;
  }
  targets.strip_bytes = strip_bytes;
  targets.weight = cursor->weight;
  targets.weight_gradient = cursor->weight_gradient;
#pragma GCC unroll 4
  for (int i = 0; i < V::kParts; ++i) {
    F part[V::kWindowsInFlight];
    for (int k = 0; k < V::kWindowsInFlight; ++k) part[k] = site[k].part[i];
    const F sum = StorePart<Rows, kReduction, kWeighted, kSitesPerDivision, kKind>(
        part, upstream.bound.part[i], upstream.weighted.part[i], targets, i, live, counted.Part(i));
    total->part[i] = total->part[i] + sum;
  }
  cursor->kmer_offset += V::kWindowsInFlight;
  if (kWeighted) {
    cursor->weight += V::kWindowsInFlight * kBlockSites;
    cursor->weight_gradient += V::kWindowsInFlight * kBlockSites;
  }
}

template <class V, class Rows, Reduction kReduction, bool kWeighted, int kSitesPerDivision,
          bool kSpanned>
void StoreTile(const OccupancyJob& job, int64_t block, const Tile& tile,
               const OccupancyUpstream& upstream, const BlockGradients& gradients) {
  const float* table = job.table(block);
  const BlockColumns scanned = job.block_scanned[block];
  const int64_t trained_first = job.block_trained[block].first;
  V total = V::Load(gradients.log_concentration);
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const Segment& segment = tile.segments[i];
    if (segment.windows == 0) continue;
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
      StoreWindows<V, Rows, kReduction, kWeighted, kSitesPerDivision, kind.kKind>(
          table, scanned.group_count, loaded, live, sites, &cursor, gradients.dlogit,
          gradients.strip_bytes, &sum);
    };
    ForEachWindows<V, kSpanned>(job, block, segment, counted, take);
    total = total + sum;
  }
  total.Store(gradients.log_concentration);
}

template <class V, class Rows, Reduction kReduction, bool kWeighted>
void StoreBlock(const OccupancyJob& job, int64_t block, const Tile& tile,
                const OccupancyUpstream& upstream, const BlockGradients& gradients) {
  const bool spanned = job.block_sites != nullptr;
  const auto store_tile = job.sites_per_division[block] == 2
                              ? (spanned ? StoreTile<V, Rows, kReduction, kWeighted, 2, true>
                                         : StoreTile<V, Rows, kReduction, kWeighted, 2, false>)
                              : (spanned ? StoreTile<V, Rows, kReduction, kWeighted, 1, true>
                                         : StoreTile<V, Rows, kReduction, kWeighted, 1, false>);
  store_tile(job, block, tile, upstream, gradients);
}

// Groups whose sums are kept in registers together.
template <class Rows>
constexpr int kGroupsInFlight = Rows::Part::kSumsInFlight / Rows::Values::kParts;

// Sums of kGroups groups, which are to stay in registers: every loop over them is unrolled.
template <class Rows, int kGroups>
struct GroupSums {
  using Values = typename Rows::Values;
  Values group[kGroups];

  GroupSums() {
#pragma GCC unroll 32
    for (int g = 0; g < kGroups; ++g) group[g] = Values::Broadcast(0.0f);
  }
  // `row` is that of the first group.
  void Add(const char* row) {
#pragma GCC unroll 32
    for (int g = 0; g < kGroups; ++g) group[g] = group[g] + Rows::Load(row - g * Rows::kBytes);
  }
  void AddTo(float* sums) const {
#pragma GCC unroll 32
    for (int g = 0; g < kGroups; ++g, sums += Rows::kSites) {
      (Values::Load(sums) + group[g]).Store(sums);
    }
  }
  friend GroupSums operator+(GroupSums a, const GroupSums& b) {
#pragma GCC unroll 32
    for (int g = 0; g < kGroups; ++g) a.group[g] = a.group[g] + b.group[g];
    return a;
  }
};

// Adds to kGroups neighbouring groups of one k-mer the dlogits of the rows that hold it, of one
// strip. Where there are few groups, two sums run side by side, so that an addition need not wait
// for the one before.
template <class Rows, int kGroups>
__attribute__((always_inline)) inline void SumGroups(const char* dlogit, const uint32_t* place,
                                                     const uint32_t* end, float* sums) {
  const auto row = [&](int i) { return dlogit + size_t{place[i]} * Rows::kBytes; };
  GroupSums<Rows, kGroups> even;
  if constexpr (2 * kGroups <= kGroupsInFlight<Rows>) {
    GroupSums<Rows, kGroups> odd;
    for (; place != end; place += kListedTogether) {
      even.Add(row(0));
      odd.Add(row(1));
    }
    (even + odd).AddTo(sums);
  } else {
    for (; place != end; place += kListedTogether) {
      even.Add(row(0));
      even.Add(row(1));
    }
    even.AddTo(sums);
  }
}

// Adds the dlogits of one strip to kGroups groups of its table, whose k-mers are `stride` floats
// apart. A k-mer's list is short: a call for each list would take a tenth of the time.
template <class Rows, int kGroups>
void SumKmers(const Tile& tile, const char* dlogit, float* sums, int64_t stride) {
  const uint32_t* place = tile.sorted_place;
  for (int kmer = 0; kmer < kEmptyRow; ++kmer, sums += stride) {
    const uint32_t* const end = tile.sorted_place + tile.bin_end[kmer];
    while (place != end) {
      const uint32_t* const next = end - place > kLongestSum ? place + kLongestSum : end;
      SumGroups<Rows, kGroups>(dlogit, place, next, sums);
      place = next;
    }
  }
}

using SumKmersFunction = void (*)(const Tile&, const char*, float*, int64_t);

template <class Rows, int kGroups = kGroupsInFlight<Rows>>
SumKmersFunction ChooseSumKmers(int64_t groups) {
  if constexpr (kGroups > 1) {
    if (groups < kGroups) return ChooseSumKmers<Rows, kGroups - 1>(groups);
  }
  return SumKmers<Rows, kGroups>;
}

// Adds the dlogits of one strip to all groups of its table.
template <class Rows>
void SumStrip(int64_t group_count, const Tile& tile, const char* strip, float* table) {
  constexpr int64_t kInFlight = kGroupsInFlight<Rows>;
  const int64_t passes = (group_count + kInFlight - 1) / kInFlight;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const int64_t first = group_count * pass / passes;
    const int64_t groups = group_count * (pass + 1) / passes - first;
    ChooseSumKmers<Rows>(groups)(tile, strip - first * Rows::kBytes, table + first * Rows::kSites,
                                 group_count * Rows::kSites);
  }
}

template <class Rows>
void SumTile(int64_t group_count, const Tile& tile, const BlockGradients& gradients) {
  for (int strip = 0; strip < Rows::kStrips; ++strip) {
    SumStrip<Rows>(group_count, tile, gradients.dlogit + strip * gradients.strip_bytes,
                   gradients.table + strip * group_count * kTableRows * Rows::kSites);
  }
}

// Sets to zero the rows that hold no window's dlogit: those before the first counted window of a
// segment, and those between its last one and the next segment.
template <class Rows>
void ClearPads(const OccupancyJob& job, int64_t block, const Tile& tile,
               const BlockGradients& gradients) {
  const auto clear = [&](int64_t row, int64_t end) {
    GradientCursor cursor(job.plan, row);
    for (; row < end; ++row) {
      char* to = gradients.dlogit + size_t{cursor.Next()} * Rows::kBytes;
      for (int strip = 0; strip < Rows::kStrips; ++strip, to += gradients.strip_bytes) {
        std::memset(to, 0, Rows::kBytes);
      }
    }
  };
  const bool spanned = job.block_sites != nullptr;
  int64_t row = 0;
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const Segment& segment = tile.segments[i];
    if (segment.windows == 0) continue;
    const CountedWindows counted = spanned ? FindCountedWindows<true>(job, block, segment)
                                           : FindCountedWindows<false>(job, block, segment);
    const int64_t first = segment.first_row + job.block_trained[block].first;
    clear(row, first + counted.first);
    row = first + counted.end;
  }
  clear(row, tile.rows);
}

// Sums of a group's used rows by the base in each of its three columns.
template <class V>
inline void SumByBase(const uint8_t* used_rows, const float* rows, int64_t stride,
                      V (&sum)[kGroupBases][kBases + 1]) {
  for (auto& column : sum) {
    for (V& base : column) base = V::Broadcast(0.0f);
  }
  const uint8_t* next = kTriplets.row;
  for (int a = 0; a <= kBases; ++a) {
    for (int b = 0; b <= kBases; ++b) {
      V both = V::Broadcast(0.0f);
      for (int c = 0; c <= kBases; ++c) {
        const int row = *next++;
        if (used_rows[row] == 0) continue;
        const V value = V::Load(rows + row * stride);
        sum[2][c] = sum[2][c] + value;
        both = both + value;
      }
      sum[1][b] = sum[1][b] + both;
      sum[0][a] = sum[0][a] + both;
    }
  }
}

// Subtracts the sums of a strip of sites from the gradients of the motifs: of forward strands from
// one row, of reverse strands from the other. Logits fall as log Kd rises.
template <class Rows>
void SubtractStrands(const typename Rows::Values& sums, int first_site, float* forward,
                     float* reverse) {
  float sites[Rows::kSites];
  sums.Store(sites);
  for (int i = 0; i < Rows::kSites; ++i) {
    const int site = first_site + i;
    float* strand = site < kBlockMotifs ? forward : reverse;
    strand[site % kBlockMotifs] -= sites[i];
  }
}

// Gradient of log Kd from one strip of the gradient of the table.
template <class Rows>
void FoldStrip(const OccupancyJob& job, int64_t block, const float* table, int first_site,
               float* log_kd) {
  const int64_t width = job.shape.width;
  const BlockColumns columns = job.block_trained[block];
  const int64_t groups = columns.group_count;
  for (int64_t group = 0; group < groups; ++group) {
    typename Rows::Values sum[kGroupBases][kBases + 1];
    SumByBase(job.used_rows, table + group * Rows::kSites, groups * Rows::kSites, sum);
    const int64_t first = columns.first + group * kGroupBases;
    for (int64_t column = first; column < first + kGroupBases && column < width; ++column) {
      for (int base = 0; base < kBases; ++base) {
        const int64_t mirror = (width - 1 - column) * kBases + kBases - 1 - base;
        SubtractStrands<Rows>(sum[column - first][base], first_site,
                              log_kd + (column * kBases + base) * kBlockMotifs,
                              log_kd + mirror * kBlockMotifs);
      }
    }
  }
}

template <class Rows>
void FoldTable(const OccupancyJob& job, int64_t block, const float* table, float* log_kd) {
  const int64_t strip_floats = job.block_trained[block].group_count * kTableRows * Rows::kSites;
  for (int strip = 0; strip < Rows::kStrips; ++strip) {
    FoldStrip<Rows>(job, block, table + strip * strip_floats, strip * Rows::kSites, log_kd);
  }
}

// Sets the used rows of a table of gradients to zero.
template <class Rows>
void ClearTable(const OccupancyJob& job, int64_t block, float* table) {
  const int64_t floats = job.block_trained[block].group_count * Rows::kSites;
  for (int i = 0; i < Rows::kStrips * kTableRows; ++i, table += floats) {
    if (job.used_rows[i % kTableRows] != 0) std::memset(table, 0, floats * sizeof(float));
  }
}

// An item's scratch memory beside its tile.
struct BackwardScratch {
  char* dlogit;
  float* tables;              // [blocks_per_item, gradient_floats]
  float* log_concentrations;  // [blocks_per_item, kBlockSites]
};

template <class Rows>
BackwardScratch TakeBackwardScratch(const OccupancyPlan& plan, ScratchArena* arena) {
  BackwardScratch scratch;
  scratch.dlogit = arena->Take<char>(Rows::kStrips * StripBytes<Rows>(plan));
  scratch.tables = arena->Take<float>(plan.blocks_per_item * plan.gradient_floats());
  scratch.log_concentrations = arena->Take<float>(plan.blocks_per_item * kBlockSites);
  return scratch;
}

template <class V>
size_t ItemScratchBytes(const OccupancyPlan& plan, bool backward) {
  using Rows = FloatRows<V>;
  ScratchArena arena = {nullptr, 0};
  TakeForTiles(plan, backward, &arena);
  if (backward) {
    TakeBackwardScratch<Rows>(plan, &arena);
    TakeSeveralScratch(plan, &arena);
  } else {
    arena.Take<float>(plan.sums_per_sequence * kBlockSites);
  }
  return arena.used;
}

// Sums the gradients of an item's blocks over its slice, tile by tile.
template <class V, class Rows>
void SumSlice(const OccupancyJob& job, const ItemRange& range, ScratchArena* arena,
              const BackwardScratch& scratch, const OccupancyUpstream& upstream,
              float* item_partials) {
  const OccupancyPlan& plan = job.plan;
  const bool weighted = job.inputs.weighted();
  const bool expected = job.reduction == Reduction::kExpected;
  const auto store_block = expected
                               ? (weighted ? StoreBlock<V, Rows, Reduction::kExpected, true>
                                           : StoreBlock<V, Rows, Reduction::kExpected, false>)
                               : (weighted ? StoreBlock<V, Rows, Reduction::kLogUnbound, true>
                                           : StoreBlock<V, Rows, Reduction::kLogUnbound, false>);
  const auto store_several = expected ? StoreBlockSeveral<V, Rows, Reduction::kExpected>
                                      : StoreBlockSeveral<V, Rows, Reduction::kLogUnbound>;
  const bool several = job.inputs.several();
  const SeveralScratch several_scratch = TakeSeveralScratch(plan, arena);
  const PartialLayout layout = MakePartialLayout(job.shape, job.inputs);
  // Pads are only written here: those of one tile of a block are still zero in the next one. A span
  // may add to them the first windows of a segment.
  const bool keeps_pads = range.end_block - range.first_block == 1 && job.block_sites == nullptr;
  ForEachTile(job, range.slice, true, arena, [&](const Tile& tile) {
    for (int64_t block = range.first_block; block < range.end_block; ++block) {
      const int64_t i = block - range.first_block;
      float* const partial = item_partials + i * layout.total() + layout.log_kd;
      const BlockGradients gradients = {
          scratch.dlogit, StripBytes<Rows>(plan), scratch.tables + i * plan.gradient_floats(),
          several ? partial : scratch.log_concentrations + i * kBlockSites,
          partial + layout.log_concentration};
      if (!keeps_pads || !tile.repeats_rows) ClearPads<Rows>(job, block, tile, gradients);
      if (several) {
        store_several(job, block, tile, upstream, several_scratch, gradients);
      } else {
        store_block(job, block, tile, upstream, gradients);
      }
      SumTile<Rows>(job.block_trained[block].group_count, tile, gradients);
    }
  });
}

template <class V, class Rows>
void BackwardItemOf(const OccupancyJob& job, int64_t item, char* memory,
                    const OccupancyUpstream& upstream, float* partials) {
  const simd::FlushDenormals flush;
  const OccupancyPlan& plan = job.plan;
  const PartialLayout layout = MakePartialLayout(job.shape, job.inputs);
  const ItemRange range = FindItem(plan, item);
  const int64_t blocks = range.end_block - range.first_block;
  const bool several = job.inputs.several();
  float* const item_partials =
      partials + (range.slice * plan.block_count + range.first_block) * layout.total();

  ScratchArena arena = {memory, 0};
  const BackwardScratch scratch = TakeBackwardScratch<Rows>(plan, &arena);
  for (int strip = 0; strip < Rows::kStrips; ++strip) {
    std::memset(scratch.dlogit + strip * StripBytes<Rows>(plan), 0,
                plan.max_trained_groups * Rows::kBytes);
  }
  for (int64_t i = 0; i < blocks; ++i) {
    ClearTable<Rows>(job, range.first_block + i, scratch.tables + i * plan.gradient_floats());
  }
  std::memset(scratch.log_concentrations, 0, blocks * kRowBytes);
  std::memset(item_partials, 0, blocks * layout.total() * sizeof(float));
  SumSlice<V, Rows>(job, range, &arena, scratch, upstream, item_partials);

  for (int64_t i = 0; i < blocks; ++i) {
    float* log_kd = item_partials + i * layout.total();
    FoldTable<Rows>(job, range.first_block + i, scratch.tables + i * plan.gradient_floats(),
                    log_kd);
    if (several) continue;
    const float* sites = scratch.log_concentrations + i * kBlockSites;
    float* log_concentration = log_kd + layout.log_kd;
    for (int m = 0; m < kBlockMotifs; ++m)
      log_concentration[m] = sites[m] + sites[kBlockMotifs + m];
  }
}

template <class V>
void BackwardItem(const OccupancyJob& job, int64_t item, char* memory,
                  const OccupancyUpstream& upstream, float* partials) {
  BackwardItemOf<V, FloatRows<V>>(job, item, memory, upstream, partials);
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_BACKWARD_H_
