// Forward: two scans of each chunk, with the recursion between them.
//
// The first adds up the odds of the sites of each block by the places that they cover; the second
// multiplies each site's odds by the factor of its places, and sums over windows.

#ifndef CISREG_CSRC_EXCLUSIVE_FORWARD_H_
#define CISREG_CSRC_EXCLUSIVE_FORWARD_H_

#include "exclusive/chunk.h"
#include "occupancy/counted.h"
#include "occupancy/sums.h"
#include "simd/denormals.h"

namespace cisreg::exclusive {
namespace {

struct GroupRange {
  const SiteGroup* begin_;
  const SiteGroup* end_;
  const SiteGroup* begin() const { return begin_; }
  const SiteGroup* end() const { return end_; }
};

// The groups of some vectors of a block: from this one on.
template <class V>
inline GroupRange GroupsOf(const Job& job, int64_t block, int first_part, int parts) {
  const int64_t* first = job.part_group + block * V::kParts + first_part;
  return {job.groups + first[0], job.groups + first[parts]};
}

// Stores the numbers of the windows in flight in rows, one for each site of a block.
template <class V>
inline void StoreRows(const V (&value)[V::kWindowsInFlight], float* rows, int64_t stride) {
  using F = typename V::Part;
#pragma GCC unroll 4
  for (int i = 0; i < V::kParts; ++i) {
    F part[V::kWindowsInFlight];
    for (int k = 0; k < V::kWindowsInFlight; ++k) part[k] = value[k].part[i];
    StoreByLane(part, rows + i * F::kLanes * stride, stride);
  }
}

// The windows of a segment that count for any site of a block.
struct WindowsOfSegment {
  int64_t count;
  int64_t place;  // of the first one
};

// Sets the odds of sites that do not count to zero.
template <Windows kKind, class V>
inline void MaskOdds(int live, const CountedSites<V>& sites, V (&odds)[V::kWindowsInFlight]) {
  if (kKind == Windows::kAll) return;
  for (int k = 0; k < V::kWindowsInFlight; ++k) {
    if (kKind == Windows::kMasked) odds[k] = odds[k] * sites.At(k);
    if (k >= live) odds[k] = V::Broadcast(0.0f);
  }
}

// Puts zeros behind rows of so many windows, up to a whole vector.
template <class V>
inline void FillRows(int64_t windows, float* rows, int64_t stride) {
  constexpr int kWindows = V::kWindowsInFlight;
  V zeros[kWindows];
  for (V& each : zeros) each = V::Broadcast(0.0f);
  for (int64_t at = windows; at % V::Part::kLanes != 0; at += kWindows) {
    StoreRows(zeros, rows + at, stride);
  }
}

// Puts the odds of a segment's sites in rows, and where there are weights, odds times weight.
template <class V, bool kWeighted, bool kLogarithms, bool kSpanned>
WindowsOfSegment StoreOdds(const Job& job, int64_t block, const Segment& segment,
                           const uint16_t* kmer_offset, const Chunk& chunk) {
  constexpr int kWindows = V::kWindowsInFlight;
  const OccupancyJob& scan = job.scan;
  const float* table = scan.table(block);
  const BlockColumns columns = scan.block_scanned[block];
  const CountedWindows counted = FindCountedWindows<kSpanned>(scan, block, segment);
  kmer_offset += segment.first_row + columns.first + counted.first;
  const float* weight = BlockWeight(job, block, segment.first_window + counted.first);
  int64_t at = 0;
  const auto take = [&](auto kind, int live, const CountedSites<V>& sites)
                        __attribute__((always_inline)) {
                          V odds[kWindows];
                          ScanOdds<V, kLogarithms>(table, columns.group_count, kmer_offset, odds);
                          MaskOdds<kind.kKind>(live, sites, odds);
                          StoreRows(odds, chunk.rows + at, chunk.row_stride);
                          if (kWeighted) {
                            for (int k = 0; k < kWindows; ++k) {
                              if (kind.kKind != Windows::kAll && k >= live) break;
                              odds[k] = odds[k] * V::Load(weight + k * kBlockSites);
                            }
                            StoreRows(odds, chunk.more_rows + at, chunk.row_stride);
                            weight += kWindows * kBlockSites;
                          }
                          kmer_offset += kWindows;
                          at += kWindows;
                        };
  ForEachWindows<V, kSpanned>(scan, block, segment, counted, take);
  FillRows<V>(at, chunk.rows, chunk.row_stride);
  if (kWeighted) FillRows<V>(at, chunk.more_rows, chunk.row_stride);
  return {counted.end - counted.first, chunk.place_of(segment) + counted.first};
}

// Calls take(WholeVectors<n>, first window) for all windows, a few vectors of them at a time. The
// last vector may be longer than what is left.
template <int kCount>
struct WholeVectors {
  static constexpr int kVectors = kCount;
};

template <class F, class Take>
inline void ForEachVectors(int64_t windows, const Take& take) {
  int64_t at = 0;
  for (; at + 3 * F::kLanes < windows; at += 4 * F::kLanes) take(WholeVectors<4>(), at);
  for (; at < windows; at += F::kLanes) take(WholeVectors<1>(), at);
}

// to[i] += the sum of the vectors.
template <class F, int kVectors>
inline void AddTo(const F (&sum)[kVectors], float* to) {
#pragma GCC unroll 4
  for (int i = 0; i < kVectors; ++i) {
    float* const at = to + i * F::kLanes;
    (F::Load(at) + sum[i]).Store(at);
  }
}

// Adds the odds of a segment's sites to the sums of their places, those of a group together.
template <class V, bool kLogarithms, bool kSpanned>
void SumOdds(const Job& job, int64_t block, const Segment& segment, const uint16_t* kmer_offset,
             const Chunk& chunk) {
  using F = typename V::Part;
  const WindowsOfSegment windows =
      StoreOdds<V, false, kLogarithms, kSpanned>(job, block, segment, kmer_offset, chunk);
  for (const SiteGroup& group : GroupsOf<V>(job, block, 0, V::kParts)) {
    float* const to = chunk.odds + group.width_index * chunk.stride + windows.place + group.offset;
    ForEachVectors<F>(windows.count, [&](auto vectors, int64_t at) {
      constexpr int kVectors = vectors.kVectors;
      F sum[kVectors];
      for (F& each : sum) each = F::Broadcast(0.0f);
      for (int site = 0; site < group.site_count; ++site) {
        const float* row = chunk.rows + group.sites[site] * chunk.row_stride + at;
#pragma GCC unroll 4
        for (int i = 0; i < kVectors; ++i) sum[i] = sum[i] + F::Load(row + i * F::kLanes);
      }
      AddTo(sum, to + at);
    });
  }
}

// For each window in flight and each site of part `i`, the number in `of` of the places that it
// covers.
template <class F>
__attribute__((always_inline)) inline void LoadByPlace(const GroupRange& groups, int64_t stride,
                                                       const float* of, int64_t place,
                                                       F (&number)[F::kWindowsInFlight]) {
  for (F& each : number) each = F::Broadcast(0.0f);
  for (const SiteGroup& group : groups) {
    const F live = F::Load(group.live);
    const float* from = of + group.width_index * stride + place + group.offset;
    for (int k = 0; k < F::kWindowsInFlight; ++k) {
      number[k] = MultiplyAdd(live, F::Broadcast(from[k]), number[k]);
    }
  }
}

// Sums of occupancies of the sites of a block.
template <class V>
struct BoundSums {
  V bound;
  V weighted;
};

// Sums over the windows of a segment.
template <class V, bool kWeighted, bool kLogarithms, bool kSpanned>
BoundSums<V> SumBound(const Job& job, int64_t block, const Segment& segment,
                      const uint16_t* kmer_offset, const Chunk& chunk) {
  using F = typename V::Part;
  constexpr int kWindows = V::kWindowsInFlight;
  BoundSums<V> sums = {V::Broadcast(0.0f), V::Broadcast(0.0f)};
  if (segment.windows == 0) return sums;
  const OccupancyJob& scan = job.scan;
  const float* table = scan.table(block);
  const BlockColumns columns = scan.block_scanned[block];
  const CountedWindows counted = FindCountedWindows<kSpanned>(scan, block, segment);
  kmer_offset += segment.first_row + columns.first + counted.first;
  int64_t place = chunk.place_of(segment) + counted.first;
  const float* weight = BlockWeight(job, block, segment.first_window + counted.first);
  const auto take = [&](auto kind, int live,
                        const CountedSites<V>& sites) __attribute__((always_inline)) {
    V odds[kWindows];
    ScanOdds<V, kLogarithms>(table, columns.group_count, kmer_offset, odds);
    MaskOdds<kind.kKind>(live, sites, odds);
#pragma GCC unroll 8
    for (int i = 0; i < V::kParts; ++i) {
      F factor[kWindows];
      LoadByPlace(GroupsOf<V>(job, block, i, 1), chunk.stride, chunk.odds, place, factor);
      // Two sums side by side, so that an addition need not wait for the one before.
      F sum[2] = {F::Broadcast(0.0f), F::Broadcast(0.0f)};
      for (int k = 0; k < kWindows; ++k) {
        sum[k % 2] = MultiplyAdd(odds[k].part[i], factor[k], sum[k % 2]);
        if (!kWeighted || (kind.kKind != Windows::kAll && k >= live)) continue;
        const F w = F::Load(weight + k * kBlockSites + i * F::kLanes);
        sums.weighted.part[i] = MultiplyAdd(w, odds[k].part[i] * factor[k], sums.weighted.part[i]);
      }
      sums.bound.part[i] = sums.bound.part[i] + (sum[0] + sum[1]);
    }
    kmer_offset += kWindows;
    place += kWindows;
    if (kWeighted) weight += kWindows * kBlockSites;
  };
  ForEachWindows<V, kSpanned>(scan, block, segment, counted, take);
  return sums;
}

template <class V, bool kLogarithms>
void SumOddsOfTile(const Job& job, int64_t block, const Tile& tile, const Chunk& chunk) {
  const bool spanned = job.scan.block_sites != nullptr;
  const auto sum = spanned ? SumOdds<V, kLogarithms, true> : SumOdds<V, kLogarithms, false>;
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    if (tile.segments[i].windows == 0) continue;
    sum(job, block, tile.segments[i], tile.kmer_offset, chunk);
  }
}

template <class V, bool kWeighted, bool kLogarithms>
void SumBoundOfTile(const Job& job, int64_t block, const Tile& tile, const Chunk& chunk,
                    const Outputs& outputs) {
  const bool spanned = job.scan.block_sites != nullptr;
  const auto sum = spanned ? SumBound<V, kWeighted, kLogarithms, true>
                           : SumBound<V, kWeighted, kLogarithms, false>;
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const Segment& segment = tile.segments[i];
    const BoundSums<V> sums = sum(job, block, segment, tile.kmer_offset, chunk);
    const auto write = [&](const V& of, float* to) {
      WriteSums(job.scan, block, segment.is_first, of, segment.sequence, to);
    };
    write(sums.bound, outputs.bound);
    if (kWeighted) write(sums.weighted, outputs.weighted);
  }
}

inline bool HasLogarithms(const Job& job, int64_t block) {
  return job.scan.sites_per_division[block] == 1;
}

template <class V>
void ForwardChunk(const Job& job, int64_t index, char* scratch, const Outputs& outputs) {
  const simd::FlushDenormals flush;
  const int64_t blocks = job.scan.plan.block_count;
  ScratchArena arena = {scratch, 0};
  Chunk chunk = TakeChunk(job, false, &arena);
  BeginChunk(job, index, nullptr, &chunk);
  ForEachTile(job.scan, &chunk.passes, [&](const Tile& tile) {
    for (int64_t block = 0; block < blocks; ++block) {
      const auto sum = HasLogarithms(job, block) ? SumOddsOfTile<V, true> : SumOddsOfTile<V, false>;
      sum(job, block, tile, chunk);
    }
  });
  SumSequences(job, chunk, nullptr, outputs.log_partition);
  SumCompetitors(job, chunk, outputs);
  ForEachTile(job.scan, &chunk.passes, [&](const Tile& tile) {
    for (int64_t block = 0; block < blocks; ++block) {
      const bool logarithms = HasLogarithms(job, block);
      const auto sum =
          job.weighted()
              ? (logarithms ? SumBoundOfTile<V, true, true> : SumBoundOfTile<V, true, false>)
              : (logarithms ? SumBoundOfTile<V, false, true> : SumBoundOfTile<V, false, false>);
      sum(job, block, tile, chunk, outputs);
    }
  });
}

}  // namespace
}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_FORWARD_H_
