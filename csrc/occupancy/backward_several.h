// Backward with several conditions or sets of position weights, see several.h.
//
// A site has one gradient dlogit, the sum over the conditions; a condition's own share of it is
// added up for the condition's concentration.

#ifndef CISREG_CSRC_OCCUPANCY_BACKWARD_SEVERAL_H_
#define CISREG_CSRC_OCCUPANCY_BACKWARD_SEVERAL_H_

#include "occupancy/gradients.h"
#include "occupancy/several.h"
#include "occupancy/sums.h"

namespace cisreg {
namespace {

// One segment's numbers, in scratch memory.
struct SeveralScratch {
  float* upstream;  // [C', 1 + K, kBlockSites]
  float* totals;    // [C', kBlockSites], sums of dlogit
};

inline SeveralScratch TakeSeveralScratch(const OccupancyPlan& plan, ScratchArena* arena) {
  SeveralScratch scratch;
  scratch.upstream = arena->Take<float>(plan.sums_per_sequence * kBlockSites);
  scratch.totals = arena->Take<float>(plan.sums_per_sequence * kBlockSites);
  return scratch;
}

// Upstream gradients of motifs that are absent in a condition are taken as zero.
inline void ClearAbsentIn(const OccupancyJob& job, int64_t block, int64_t condition, float* sites) {
  const int32_t* motif = job.block_motif + block * kBlockMotifs;
  const float* concentration = job.inputs.log_concentration + condition * job.shape.motif_count;
  for (int i = 0; i < kBlockMotifs; ++i) {
    if (concentration[motif[i]] == -__builtin_inff()) {
      sites[i] = sites[kBlockMotifs + i] = 0.0f;
    }
  }
}

template <class V>
void LoadUpstreamSeveral(const OccupancyJob& job, int64_t block, bool neighbours, int64_t sequence,
                         const OccupancyUpstream& upstream, float* to) {
  const int64_t motifs = job.shape.motif_count;
  const int64_t sets = job.inputs.weight_sets;
  const ConditionRange conditions = SequenceConditions(job, sequence);
  int64_t row = sequence * job.inputs.summed_conditions();
  const auto load = [&](const float* gradients, int64_t at, int64_t condition) {
    const float* forward = gradients + at * kStrands * motifs;
    if (neighbours) {
      forward += job.block_motif[block * kBlockMotifs];
      std::memcpy(to, forward, kBlockMotifs * sizeof(float));
      std::memcpy(to + kBlockMotifs, forward + motifs, kBlockMotifs * sizeof(float));
    } else {
      GatherSites<V>(job, block, forward, forward + motifs).Store(to);
    }
    if (job.some_absent) ClearAbsentIn(job, block, condition, to);
    to += kBlockSites;
  };
  for (int64_t condition = conditions.first; condition < conditions.end; ++condition, ++row) {
    load(upstream.bound, row, condition);
    for (int64_t set = 0; set < sets; ++set) load(upstream.weighted, row * sets + set, condition);
  }
}

// Of one part of a block's sites, from the first window in flight and the first set on.
struct PartWeights {
  const float* weight;
  float* gradient;
  int64_t sets;
};

// Adds to the dlogits of the windows in flight, `live` of them in a tail, those of one condition,
// and to the gradients of the weights. Returns the sum of these dlogits. `upstream` is that of the
// part in the condition.
template <class F, Reduction kReduction, int kSets, int kSitesPerDivision, Windows kKind>
__attribute__((always_inline)) inline F StoreCondition(const F (&site)[F::kWindowsInFlight],
                                                       F factor, const float* upstream,
                                                       const PartWeights& weights, int live,
                                                       const CountedSites<F>& counted,
                                                       F (&dlogit)[F::kWindowsInFlight]) {
  constexpr int kWindows = F::kWindowsInFlight;
  constexpr bool kTail = kKind != Windows::kAll;
  constexpr bool kMasked = kKind == Windows::kMasked;
  constexpr bool kExpected = kReduction == Reduction::kExpected;
  const F zero = F::Broadcast(0.0f);
  const F bound = kExpected ? F::Load(upstream) : zero - F::Load(upstream);
  F total = zero;
#pragma GCC unroll 8
  for (int first = 0; first < kWindows; first += kSitesPerDivision) {
    F odds[kSitesPerDivision], unbound[kSitesPerDivision];
#pragma GCC unroll 2
    for (int i = 0; i < kSitesPerDivision; ++i) {
      const F counts = kMasked ? counted.At(first + i) : zero;
      odds[i] = OddsIn<kSitesPerDivision, kMasked>(site[first + i], factor, counts).odds;
      if (kTail && first + i >= live) odds[i] = zero;
    }
    UnboundFast(odds, unbound);
#pragma GCC unroll 2
    for (int i = 0; i < kSitesPerDivision; ++i) {
      const int k = first + i;
      const F p = odds[i] * unbound[i];
      // A factor 1 - p: writing p - p * p would lose the precision of strong sites.
      const F slope = p * unbound[i];
      const F of_bound = kExpected ? slope : p;
      if (kSets == 0) {
        total = total + of_bound;
        dlogit[k] = MultiplyAdd(bound, of_bound, dlogit[k]);
        continue;
      }
      if (kTail && k >= live) continue;
      F acting = kExpected ? bound : zero;
      const int64_t sets = kSets == kAnySets ? weights.sets : kSets;
#pragma GCC unroll 2
      for (int64_t set = 0; set < sets; ++set) {
        const F weighted = F::Load(upstream + (1 + set) * kBlockSites);
        const int64_t at = (k * sets + set) * kBlockSites;
        acting = MultiplyAdd(weighted, F::Load(weights.weight + at), acting);
        MultiplyAdd(weighted, p, F::Load(weights.gradient + at)).Store(weights.gradient + at);
      }
      if (kExpected) {
        // Fused with both sums by name, so that no compiler chooses: the same bits on all of them.
        dlogit[k] = MultiplyAdd(acting, slope, dlogit[k]);
        total = MultiplyAdd(acting, slope, total);
        continue;
      }
      const F own = MultiplyAdd(acting, slope, bound * p);
      dlogit[k] = dlogit[k] + own;
      total = total + own;
    }
  }
  return kSets == 0 ? bound * total : total;
}

// Adds to the slopes of the windows in flight, dlogit / odds, those of one condition without
// weights, and returns the sum of their dlogits. Two sums run side by side, so that an addition
// need not wait for the one before.
template <class F, Reduction kReduction>
__attribute__((always_inline)) inline F AddSlopes(const F (&odds)[F::kWindowsInFlight], F factor,
                                                  F upstream, F (&slope)[F::kWindowsInFlight]) {
  constexpr bool kExpected = kReduction == Reduction::kExpected;
  constexpr int kTogether = kInvertedTogether<F>;
  const F one = F::Broadcast(1.0f), zero = F::Broadcast(0.0f);
  const F scale = (kExpected ? upstream : zero - upstream) * factor;
  F sum[2] = {zero, zero};
#pragma GCC unroll 8
  for (int first = 0; first < F::kWindowsInFlight; first += kTogether) {
    F one_plus[kTogether], unbound[kTogether];
#pragma GCC unroll 4
    for (int i = 0; i < kTogether; ++i) {
      one_plus[i] = MultiplyAdd(factor, odds[first + i], one);
    }
    InvertTogether(one_plus, unbound);
#pragma GCC unroll 4
    for (int i = 0; i < kTogether; ++i) {
      const int k = first + i;
      // d p / d odds is the factor times (1 - p)^2, and - d log(1 - p) / d odds times 1 - p.
      const F own = kExpected ? unbound[i] * unbound[i] : unbound[i];
      sum[k % 2] = k < 2 ? odds[k] * own : MultiplyAdd(odds[k], own, sum[k % 2]);
      slope[k] = MultiplyAdd(scale, own, slope[k]);
    }
  }
  return scale * (sum[0] + sum[1]);
}

// Adds to the dlogits of the windows in flight and to the totals [C', kBlockSites] those of all
// conditions, where there are no weights and four sites share a division.
template <class F, Reduction kReduction, Windows kKind>
__attribute__((always_inline)) inline void StoreConditions(
    F (&odds)[F::kWindowsInFlight], const float* factors, const float* upstream, int64_t conditions,
    int live, float* totals, F (&dlogit)[F::kWindowsInFlight]) {
  constexpr int kWindows = F::kWindowsInFlight;
#pragma GCC unroll 8
  for (int k = 0; k < kWindows; ++k) {
    if (kKind != Windows::kAll && k >= live) odds[k] = F::Broadcast(0.0f);
  }
  for (int64_t c = 0; c < conditions; ++c) {
    const int64_t at = c * kBlockSites;
    const F own =
        AddSlopes<F, kReduction>(odds, F::Load(factors + at), F::Load(upstream + at), dlogit);
    AddTo(own, totals + at);
  }
#pragma GCC unroll 8
  for (int k = 0; k < kWindows; ++k) dlogit[k] = odds[k] * dlogit[k];
}

// Stores the dlogits of a segment's next windows and adds them to the totals of the conditions.
template <class V, class Rows, Reduction kReduction, int kSets, int kSitesPerDivision,
          Windows kKind>
__attribute__((always_inline)) inline void StoreWindowsSeveral(
    const OccupancyJob& job, int64_t block, const float* factors, const SeveralScratch& scratch,
    int live, const CountedSites<V>& counted, WindowCursor* cursor,
    const BlockGradients& gradients) {
  using F = typename V::Part;
  constexpr int kWindows = V::kWindowsInFlight;
  const int64_t sets = SetCount<kSets>(job);
  const int64_t conditions = job.inputs.summed_conditions();
  V site[kWindows];
  ScanWindows<V, kSitesPerDivision>(job.table(block), job.block_scanned[block].group_count,
                                    cursor->kmer_offset, site);
  char* target[kWindows];
  for (char*& each : target) {
    each = gradients.dlogit + size_t{cursor->gradient.Next()} * Rows::kBytes;
  }
#pragma GCC unroll 4
  for (int i = 0; i < V::kParts; ++i) {
    const int at = i * F::kLanes;
    F part[kWindows], dlogit[kWindows];
    for (int k = 0; k < kWindows; ++k) {
      part[k] = site[k].part[i];
      dlogit[k] = F::Broadcast(0.0f);
    }
    if constexpr (kSitesPerDivision == 4) {
      StoreConditions<F, kReduction, kKind>(part, factors + at, scratch.upstream + at, conditions,
                                            live, scratch.totals + at, dlogit);
    } else {
      PartWeights weights = {nullptr, nullptr, sets};
      if (sets > 0) weights = {cursor->weight + at, cursor->weight_gradient + at, sets};
      for (int64_t c = 0; c < conditions; ++c) {
        const F own = StoreCondition<F, kReduction, kSets, kSitesPerDivision, kKind>(
            part, F::Load(factors + c * kBlockSites + at),
            scratch.upstream + c * (1 + sets) * kBlockSites + at, weights, live, counted.Part(i),
            dlogit);
        AddTo(own, scratch.totals + c * kBlockSites + at);
      }
    }
#pragma GCC unroll 8
    for (int k = 0; k < kWindows; ++k) {
      if (kKind != Windows::kAll && k >= live) break;
      Rows::StorePart(dlogit[k], i, target[k], gradients.strip_bytes);
    }
  }
  cursor->kmer_offset += kWindows;
  if (sets == 0) return;
  cursor->weight += kWindows * sets * kBlockSites;
  cursor->weight_gradient += kWindows * sets * kBlockSites;
}

// Adds the totals of a segment's conditions, of both strands, to the gradients of concentrations.
inline void AddTotals(const ConditionRange& conditions, const float* totals,
                      float* log_concentration) {
  for (int64_t c = conditions.first; c < conditions.end; ++c, totals += kBlockSites) {
    float* const to = log_concentration + c * kBlockMotifs;
    for (int m = 0; m < kBlockMotifs; ++m) to[m] += totals[m] + totals[kBlockMotifs + m];
  }
}

template <class V, class Rows, Reduction kReduction, int kSets, int kSitesPerDivision,
          bool kSpanned>
void StoreTileSeveral(const OccupancyJob& job, int64_t block, const Tile& tile,
                      const OccupancyUpstream& upstream, const SeveralScratch& scratch,
                      const BlockGradients& gradients) {
  const BlockColumns scanned = job.block_scanned[block];
  const int64_t trained_first = job.block_trained[block].first;
  const int64_t sets = job.inputs.weight_sets;
  const int64_t summed = job.inputs.summed_conditions();
  const bool neighbours = AreNeighbours(job, block);
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const Segment& segment = tile.segments[i];
    if (segment.windows == 0) continue;
    const ConditionRange conditions = SequenceConditions(job, segment.sequence);
    const float* const factors = BlockFactors(job, block, conditions.first);
    LoadUpstreamSeveral<V>(job, block, neighbours, segment.sequence, upstream, scratch.upstream);
    if (i + 1 < tile.segment_count) {
      const int64_t next = tile.segments[i + 1].sequence * summed;
      for (int64_t c = 0; c < summed; ++c)
        PrefetchSites<false>(job, block, next + c, upstream.bound);
    }
    std::memset(scratch.totals, 0, (conditions.end - conditions.first) * kRowBytes);
    const CountedWindows counted = FindCountedWindows<kSpanned>(job, block, segment);
    const int64_t row = segment.first_row + counted.first;
    const int64_t window = segment.first_window + counted.first;
    float* const of_weights =
        sets > 0 ? gradients.position_weight + window * sets * kBlockSites : nullptr;
    WindowCursor cursor = {tile.kmer_offset + row + scanned.first, BlockWeight(job, block, window),
                           of_weights, GradientCursor(job.plan, row + trained_first)};
    const auto take = [&](auto kind, int live,
                          const CountedSites<V>& sites) __attribute__((always_inline)) {
      StoreWindowsSeveral<V, Rows, kReduction, kSets, kSitesPerDivision, kind.kKind>(
          job, block, factors, scratch, live, sites, &cursor, gradients);
    };
    ForEachWindows<V, kSpanned>(job, block, segment, counted, take);
    AddTotals(conditions, scratch.totals, gradients.log_concentration);
  }
}

template <class V, class Rows, Reduction kReduction>
void StoreBlockSeveral(const OccupancyJob& job, int64_t block, const Tile& tile,
                       const OccupancyUpstream& upstream, const SeveralScratch& scratch,
                       const BlockGradients& gradients) {
  const bool spanned = job.block_sites != nullptr;
  const int64_t sets = job.inputs.weight_sets;
  auto store_tile = spanned ? StoreTileSeveral<V, Rows, kReduction, kAnySets, 1, true>
                            : StoreTileSeveral<V, Rows, kReduction, kAnySets, 1, false>;
  const int32_t sites = job.sites_per_division[block];
  if (sites > 1) {
    store_tile = spanned ? StoreTileSeveral<V, Rows, kReduction, kAnySets, 2, true>
                 : sets == 0 && sites == 4 ? StoreTileSeveral<V, Rows, kReduction, 0, 4, false>
                 : sets == 0               ? StoreTileSeveral<V, Rows, kReduction, 0, 2, false>
                 : sets == kUnrolledSets
                     ? StoreTileSeveral<V, Rows, kReduction, kUnrolledSets, 2, false>
                     : StoreTileSeveral<V, Rows, kReduction, kAnySets, 2, false>;
  }
  store_tile(job, block, tile, upstream, scratch, gradients);
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_BACKWARD_SEVERAL_H_
