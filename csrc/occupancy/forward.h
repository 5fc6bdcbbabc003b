// Forward: each item sums the site occupancies of some motif blocks over a slice of the sequences.

#ifndef CISREG_CSRC_OCCUPANCY_FORWARD_H_
#define CISREG_CSRC_OCCUPANCY_FORWARD_H_

#include "occupancy/counted.h"
#include "occupancy/forward_several.h"
#include "occupancy/items.h"
#include "occupancy/scan.h"
#include "occupancy/sums.h"
#include "simd/denormals.h"

namespace cisreg {
namespace {

// What a segment's windows add up to.
template <class V>
struct SegmentSums {
  V bound;
  V weighted;
};

// Sums over windows of one part of a block's sites, of the first `live` windows in a tail. `weight`
// is that of the first window, or null. Where sites are masked, those that do not count become
// sites that are never bound.
template <class F, Reduction kReduction, bool kWeighted, int kSitesPerDivision, Windows kKind>
inline void SumPart(F (&site)[F::kWindowsInFlight], const float* weight, int live,
                    const CountedSites<F>& counted, F* bound, F* weighted) {
  constexpr int kWindows = F::kWindowsInFlight;
  constexpr bool kTail = kKind != Windows::kAll;
  F odds[kWindows];
  for (int k = 0; k < kWindows; ++k) {
    odds[k] = kTail && k >= live ? F::Broadcast(0.0f) : Odds<kSitesPerDivision>(site[k]);
    if (kKind != Windows::kMasked) continue;
    const F counts = counted.At(k);
    odds[k] = odds[k] * counts;
    site[k] = site[k] * counts;
  }
  F sum = F::Broadcast(0.0f);
  for (int k = 0; k < kWindows; k += kSitesPerDivision) {
    if (kTail && k >= live) break;
    if (kReduction == Reduction::kLogUnbound) {
      sum = sum + SumLogBound<F, kSitesPerDivision>(odds + k, site + k);
    } else if (!kWeighted) {
      sum = sum + SumOccupancy<F, kSitesPerDivision>(odds + k);
    }
    if (!kWeighted) continue;
    F unbound[kSitesPerDivision];
    Unbound<F, kSitesPerDivision>(odds + k, unbound);
    for (int i = 0; i < kSitesPerDivision; ++i) {
      if (kTail && k + i >= live) break;
      const F p = odds[k + i] * unbound[i];
      if (kReduction == Reduction::kExpected) sum = sum + p;
      *weighted = MultiplyAdd(F::Load(weight + (k + i) * kBlockSites), p, *weighted);
    }
  }
  *bound = *bound + sum;
}

// Sums over the windows from `kmer_offset` on: `live` of them in a tail, else as many as are in
// flight. `counted` is read only where sites are masked.
template <class V, Reduction kReduction, bool kWeighted, int kSitesPerDivision, Windows kKind>
inline void SumWindows(const float* table, int64_t group_count, const uint16_t* kmer_offset,
                       const float* weight, int live, const CountedSites<V>& counted,
                       SegmentSums<V>* sums) {
  using F = typename V::Part;
  V site[V::kWindowsInFlight];
  ScanWindows<V, kSitesPerDivision>(table, group_count, kmer_offset, site);
#pragma GCC unroll 4
  for (int i = 0; i < V::kParts; ++i) {
    F part[V::kWindowsInFlight];
    for (int k = 0; k < V::kWindowsInFlight; ++k) part[k] = site[k].part[i];
    SumPart<F, kReduction, kWeighted, kSitesPerDivision, kKind>(
        part, kWeighted ? weight + i * F::kLanes : nullptr, live, counted.Part(i),
        &sums->bound.part[i], &sums->weighted.part[i]);
  }
}

template <class V, Reduction kReduction, bool kWeighted, int kSitesPerDivision, bool kSpanned>
SegmentSums<V> SumSegment(const OccupancyJob& job, int64_t block, const Segment& segment,
                          const uint16_t* kmer_offset) {
  SegmentSums<V> sums = {V::Broadcast(0.0f), V::Broadcast(0.0f)};
  if (segment.windows == 0) return sums;
  const float* table = job.table(block);
  const BlockColumns columns = job.block_scanned[block];
  const CountedWindows counted = FindCountedWindows<kSpanned>(job, block, segment);
  kmer_offset += segment.first_row + columns.first + counted.first;
  const float* weight = BlockWeight(job, block, segment.first_window + counted.first);
  const auto take = [&](auto kind, int live, const CountedSites<V>& sites)
                        __attribute__((always_inline)) {
                          SumWindows<V, kReduction, kWeighted, kSitesPerDivision, kind.kKind>(
                              table, columns.group_count, kmer_offset, weight, live, sites, &sums);
                          kmer_offset += V::kWindowsInFlight;
                          if (kWeighted) weight += V::kWindowsInFlight * kBlockSites;
                        };
  ForEachWindows<V, kSpanned>(job, block, segment, counted, take);
  return sums;
}

template <class V, Reduction kReduction, bool kWeighted, int kSitesPerDivision, bool kSpanned>
void ForwardTile(const OccupancyJob& job, int64_t block, const Tile& tile,
                 const OccupancyOutputs& outputs) {
  const V scale = V::Broadcast(kReduction == Reduction::kLogUnbound ? -kLn2 : 1.0f);
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const Segment& segment = tile.segments[i];
    const SegmentSums<V> sums = SumSegment<V, kReduction, kWeighted, kSitesPerDivision, kSpanned>(
        job, block, segment, tile.kmer_offset);
    WriteSums(job, block, segment.is_first, sums.bound * scale, segment.sequence, outputs.bound);
    if (kWeighted) {
      WriteSums(job, block, segment.is_first, sums.weighted, segment.sequence, outputs.weighted);
    }
  }
}

template <class V, Reduction kReduction, bool kWeighted>
void ForwardBlock(const OccupancyJob& job, int64_t block, const Tile& tile,
                  const OccupancyOutputs& outputs) {
  const bool spanned = job.block_sites != nullptr;
  const auto forward_tile = job.sites_per_division[block] == 2
                                ? (spanned ? ForwardTile<V, kReduction, kWeighted, 2, true>
                                           : ForwardTile<V, kReduction, kWeighted, 2, false>)
                                : (spanned ? ForwardTile<V, kReduction, kWeighted, 1, true>
                                           : ForwardTile<V, kReduction, kWeighted, 1, false>);
  forward_tile(job, block, tile, outputs);
}

template <class V>
void ForwardItem(const OccupancyJob& job, int64_t item, char* scratch,
                 const OccupancyOutputs& outputs) {
  const simd::FlushDenormals flush;
  const OccupancyPlan& plan = job.plan;
  const bool weighted = job.inputs.weighted();
  const bool expected = job.reduction == Reduction::kExpected;
  const auto forward_block = expected ? (weighted ? ForwardBlock<V, Reduction::kExpected, true>
                                                  : ForwardBlock<V, Reduction::kExpected, false>)
                                      : (weighted ? ForwardBlock<V, Reduction::kLogUnbound, true>
                                                  : ForwardBlock<V, Reduction::kLogUnbound, false>);
  const auto forward_several = expected ? ForwardBlockSeveral<V, Reduction::kExpected>
                                        : ForwardBlockSeveral<V, Reduction::kLogUnbound>;
  const ItemRange range = FindItem(plan, item);

  ScratchArena arena = {scratch, 0};
  float* const sums = arena.Take<float>(plan.sums_per_sequence * kBlockSites);
  ForEachTile(job, range.slice, false, &arena, [&](const Tile& tile) {
    for (int64_t block = range.first_block; block < range.end_block; ++block) {
      if (job.inputs.several()) {
        forward_several(job, block, tile, sums, outputs);
      } else {
        forward_block(job, block, tile, outputs);
      }
    }
  });
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_FORWARD_H_
