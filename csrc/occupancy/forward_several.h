// Forward with several conditions or sets of position weights, see several.h.

#ifndef CISREG_CSRC_OCCUPANCY_FORWARD_SEVERAL_H_
#define CISREG_CSRC_OCCUPANCY_FORWARD_SEVERAL_H_

#include "occupancy/several.h"
#include "occupancy/sums.h"

namespace cisreg {
namespace {

// Some windows of a site in all conditions. In one with the factor f, the product of 1 + f odds
// over the windows is P(f) = 1 + c0 f + c1 f^2 + ..., and the sum of p is f P'(f) / P(f). No term
// is negative, so that no digit is lost.
template <class F, int kWindows>
struct WindowProduct {
  F coefficient[kWindows];

  static WindowProduct Of(const F* odds) {
    WindowProduct product;
    F* const c = product.coefficient;
#pragma GCC unroll 4
    for (int n = 0; n < kWindows; ++n) {
      c[n] = n == 0 ? odds[n] : c[n - 1] * odds[n];
#pragma GCC unroll 4
      for (int i = n - 1; i > 0; --i) c[i] = MultiplyAdd(c[i - 1], odds[n], c[i]);
      if (n > 0) c[0] = c[0] + odds[n];
    }
    return product;
  }

  // The sum of p without the factor f in front, or of log2(1 + f odds).
  template <Reduction kReduction>
  F Sum(F factor) const {
    F rest = coefficient[kWindows - 1];
    F slope = rest;
#pragma GCC unroll 4
    for (int i = kWindows - 2; i >= 0; --i) {
      rest = MultiplyAdd(rest, factor, coefficient[i]);
      slope = MultiplyAdd(slope, factor, rest);
    }
    if (kReduction == Reduction::kLogUnbound) return simd::Log2OnePlus(rest * factor);
    return DivideFast(slope, MultiplyAdd(rest, factor, F::Broadcast(1.0f)));
  }
};

// Adds the windows in flight to the sums of one part of a block's sites in all conditions, where
// there are no weights. The odds of windows that are not live are zero.
template <class F, Reduction kReduction, int kSitesPerDivision>
__attribute__((always_inline)) inline void SumProducts(const F (&odds)[F::kWindowsInFlight],
                                                       const float* factors, int64_t conditions,
                                                       float* sums) {
  constexpr int kProducts = F::kWindowsInFlight / kSitesPerDivision;
  WindowProduct<F, kSitesPerDivision> product[kProducts];
#pragma GCC unroll 4
  for (int i = 0; i < kProducts; ++i) {
    product[i] = WindowProduct<F, kSitesPerDivision>::Of(odds + i * kSitesPerDivision);
  }
  for (int64_t c = 0; c < conditions; ++c, factors += kBlockSites, sums += kBlockSites) {
    const F factor = F::Load(factors);
    F sum = product[0].template Sum<kReduction>(factor);
#pragma GCC unroll 4
    for (int i = 1; i < kProducts; ++i) sum = sum + product[i].template Sum<kReduction>(factor);
    if (kReduction == Reduction::kLogUnbound) {
      AddTo(sum, sums);
    } else {
      MultiplyAdd(factor, sum, F::Load(sums)).Store(sums);
    }
  }
}

// Adds the windows in flight, `live` of them in a tail, to the sums of one part of a block's sites
// in one condition. `weight` is that of the first window and set.
template <class F, Reduction kReduction, int kSets, int kSitesPerDivision, Windows kKind>
__attribute__((always_inline)) inline void SumCondition(const F (&site)[F::kWindowsInFlight],
                                                        F factor, const float* weight, int64_t sets,
                                                        int live, const CountedSites<F>& counted,
                                                        float* sums) {
  constexpr int kWindows = F::kWindowsInFlight;
  constexpr bool kTail = kKind != Windows::kAll;
  constexpr bool kMasked = kKind == Windows::kMasked;
  const F zero = F::Broadcast(0.0f);
  F bound = zero;
  F p[kWindows];
#pragma GCC unroll 8
  for (int first = 0; first < kWindows; first += kSitesPerDivision) {
    F odds[kSitesPerDivision], scanned[kSitesPerDivision], unbound[kSitesPerDivision];
#pragma GCC unroll 2
    for (int i = 0; i < kSitesPerDivision; ++i) {
      const F counts = kMasked ? counted.At(first + i) : zero;
      const auto own = OddsIn<kSitesPerDivision, kMasked>(site[first + i], factor, counts);
      const bool lives = !kTail || first + i < live;
      odds[i] = lives ? own.odds : zero;
      scanned[i] = lives ? own.site : zero;
    }
    if (kReduction == Reduction::kLogUnbound) {
      bound = bound + SumLogBound<F, kSitesPerDivision>(odds, scanned);
    } else if (kSets == 0) {
      bound = bound + SumOccupancy<F, kSitesPerDivision>(odds);
    }
    if (kSets == 0) continue;
    UnboundFast(odds, unbound);
#pragma GCC unroll 2
    for (int i = 0; i < kSitesPerDivision; ++i) {
      p[first + i] = odds[i] * unbound[i];
      if (kReduction == Reduction::kExpected) bound = bound + p[first + i];
    }
  }
  AddTo(bound, sums);
#pragma GCC unroll 2
  for (int64_t set = 0; set < sets; ++set) {
    F weighted = zero;
#pragma GCC unroll 8
    for (int k = 0; k < kWindows; ++k) {
      if (kTail && k >= live) break;
      weighted = MultiplyAdd(F::Load(weight + (k * sets + set) * kBlockSites), p[k], weighted);
    }
    AddTo(weighted, sums + (1 + set) * kBlockSites);
  }
}

// Adds the windows in flight to the sums of one part of a block's sites in all conditions.
template <class F, Reduction kReduction, int kSets, int kSitesPerDivision, Windows kKind>
__attribute__((always_inline)) inline void SumConditions(const F (&site)[F::kWindowsInFlight],
                                                         const float* factors, int64_t conditions,
                                                         const float* weight, int64_t sets,
                                                         int live, const CountedSites<F>& counted,
                                                         float* sums) {
  if constexpr (kSets == 0) {
    F odds[F::kWindowsInFlight];
#pragma GCC unroll 8
    for (int k = 0; k < F::kWindowsInFlight; ++k) {
      odds[k] = site[k];
      if (kKind != Windows::kAll && k >= live) odds[k] = F::Broadcast(0.0f);
    }
    SumProducts<F, kReduction, kSitesPerDivision>(odds, factors, conditions, sums);
  } else {
    for (int64_t c = 0; c < conditions; ++c, factors += kBlockSites) {
      SumCondition<F, kReduction, kSets, kSitesPerDivision, kKind>(site, F::Load(factors), weight,
                                                                   sets, live, counted, sums);
      sums += (1 + sets) * kBlockSites;
    }
  }
}

// Adds the windows of a segment to sums [conditions, 1 + K] of a block's sites.
template <class V, Reduction kReduction, int kSets, int kSitesPerDivision, bool kSpanned>
void SumSegmentSeveral(const OccupancyJob& job, int64_t block, const Segment& segment,
                       const uint16_t* kmer_offset, float* sums) {
  using F = typename V::Part;
  const int64_t sets = SetCount<kSets>(job);
  const int64_t conditions = job.inputs.summed_conditions();
  const float* const table = job.table(block);
  const float* const factors =
      BlockFactors(job, block, SequenceConditions(job, segment.sequence).first);
  const BlockColumns columns = job.block_scanned[block];
  const CountedWindows counted = FindCountedWindows<kSpanned>(job, block, segment);
  kmer_offset += segment.first_row + columns.first + counted.first;
  const float* weight = BlockWeight(job, block, segment.first_window + counted.first);
  const auto take = [&](auto kind, int live,
                        const CountedSites<V>& sites) __attribute__((always_inline)) {
    V site[V::kWindowsInFlight];
    ScanWindows<V, kSitesPerDivision>(table, columns.group_count, kmer_offset, site);
#pragma GCC unroll 4
    for (int i = 0; i < V::kParts; ++i) {
      F part[V::kWindowsInFlight];
      for (int k = 0; k < V::kWindowsInFlight; ++k) part[k] = site[k].part[i];
      const int at = i * F::kLanes;
      SumConditions<F, kReduction, kSets, kSitesPerDivision, kind.kKind>(
          part, factors + at, conditions, sets == 0 ? nullptr : weight + at, sets, live,
          sites.Part(i), sums + at);
    }
    kmer_offset += V::kWindowsInFlight;
    weight += V::kWindowsInFlight * sets * kBlockSites;
  };
  ForEachWindows<V, kSpanned>(job, block, segment, counted, take);
}

// Sums of a segment to row [2, M] of the outputs.
template <class V>
inline void WriteSeveral(const OccupancyJob& job, int64_t block, bool neighbours, bool is_first,
                         V sums, int64_t row, float* outputs) {
  if (!neighbours || !is_first) return WriteSums(job, block, is_first, sums, row, outputs);
  const int64_t motifs = job.shape.motif_count;
  float sites[kBlockSites];
  sums.Store(sites);
  float* const to = outputs + row * kStrands * motifs + job.block_motif[block * kBlockMotifs];
  std::memcpy(to, sites, kBlockMotifs * sizeof(float));
  std::memcpy(to + motifs, sites + kBlockMotifs, kBlockMotifs * sizeof(float));
}

// `sums` is scratch memory.
template <class V, Reduction kReduction, int kSets, int kSitesPerDivision, bool kSpanned>
void ForwardTileSeveral(const OccupancyJob& job, int64_t block, const Tile& tile, float* sums,
                        const OccupancyOutputs& outputs) {
  const V scale = V::Broadcast(kReduction == Reduction::kLogUnbound ? -kLn2 : 1.0f);
  const int64_t sets = job.inputs.weight_sets;
  const int64_t conditions = job.inputs.summed_conditions();
  const bool neighbours = AreNeighbours(job, block);
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const Segment& segment = tile.segments[i];
    std::memset(sums, 0, conditions * (1 + sets) * kRowBytes);
    const int64_t first_row = segment.sequence * conditions;
    for (int64_t c = 0; c < conditions; ++c) {
      PrefetchSites<true>(job, block, first_row + c, outputs.bound);
    }
    if (segment.windows > 0) {
      SumSegmentSeveral<V, kReduction, kSets, kSitesPerDivision, kSpanned>(job, block, segment,
                                                                           tile.kmer_offset, sums);
    }
    const float* from = sums;
    for (int64_t c = 0; c < conditions; ++c) {
      const int64_t row = first_row + c;
      WriteSeveral(job, block, neighbours, segment.is_first, V::Load(from) * scale, row,
                   outputs.bound);
      from += kBlockSites;
      for (int64_t set = 0; set < sets; ++set, from += kBlockSites) {
        WriteSeveral(job, block, neighbours, segment.is_first, V::Load(from), row * sets + set,
                     outputs.weighted);
      }
    }
  }
}

template <class V, Reduction kReduction>
void ForwardBlockSeveral(const OccupancyJob& job, int64_t block, const Tile& tile, float* sums,
                         const OccupancyOutputs& outputs) {
  const bool spanned = job.block_sites != nullptr;
  const int64_t sets = job.inputs.weight_sets;
  auto forward_tile = spanned ? ForwardTileSeveral<V, kReduction, kAnySets, 1, true>
                              : ForwardTileSeveral<V, kReduction, kAnySets, 1, false>;
  const int32_t sites = job.sites_per_division[block];
  if (sites > 1) {
    forward_tile = spanned                   ? ForwardTileSeveral<V, kReduction, kAnySets, 2, true>
                   : sets == 0 && sites == 4 ? ForwardTileSeveral<V, kReduction, 0, 4, false>
                   : sets == 0               ? ForwardTileSeveral<V, kReduction, 0, 2, false>
                   : sets == kUnrolledSets
                       ? ForwardTileSeveral<V, kReduction, kUnrolledSets, 2, false>
                       : ForwardTileSeveral<V, kReduction, kAnySets, 2, false>;
  }
  forward_tile(job, block, tile, sums, outputs);
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_FORWARD_SEVERAL_H_
