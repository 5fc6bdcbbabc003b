// Forward: two scans of each chunk, with the recursion between them.
//
// The first adds up the odds of the sites of each block by the places that they cover; the second
// multiplies each site's odds by the factor of its places, and sums over windows.

#ifndef CISREG_CSRC_EXCLUSIVE_FORWARD_H_
#define CISREG_CSRC_EXCLUSIVE_FORWARD_H_

#include "exclusive/chunk.h"
#include "occupancy/counted.h"
#include "simd/denormals.h"

namespace cisreg::exclusive {
namespace {

// The groups of a block.
struct GroupRange {
  const SiteGroup* begin_;
  const SiteGroup* end_;
  const SiteGroup* begin() const { return begin_; }
  const SiteGroup* end() const { return end_; }
};

inline GroupRange GroupsOf(const Job& job, int64_t block) {
  return {job.groups + job.block_group[block], job.groups + job.block_group[block + 1]};
}

// One number for each of the windows in flight.
template <int kWindows>
struct RowOf {
  typedef float Row __attribute__((vector_size(kWindows * sizeof(float))));
};

// Adds the numbers of the sites of each group, at the windows in flight, to the sums of the places
// that they cover. `place` is that of the first window; only the first `live` windows count.
template <class V>
inline void AddByPlace(const GroupRange& groups, const V (&value)[V::kWindowsInFlight], int live,
                       int64_t stride, float* sums, int64_t place) {
  using F = typename V::Part;
  constexpr int kWindows = V::kWindowsInFlight;
  using Row = typename RowOf<kWindows>::Row;
  float by_site[kBlockSites * kWindows];
#pragma GCC unroll 4
  for (int i = 0; i < V::kParts; ++i) {
    F part[kWindows];
    for (int k = 0; k < kWindows; ++k) part[k] = value[k].part[i];
    StoreByLane(part, by_site + i * F::kLanes * kWindows);
  }
  const auto row = [&](int site) {
    Row loaded;
    std::memcpy(&loaded, by_site + site * kWindows, sizeof(Row));
    return loaded;
  };
  for (const SiteGroup& group : groups) {
    Row total = row(group.sites[0]);
    for (int i = 1; i < group.site_count; ++i) total += row(group.sites[i]);
    float* const to = sums + group.width_index * stride + place + group.offset;
    if (live == kWindows) {
      Row sum;
      std::memcpy(&sum, to, sizeof(Row));
      sum += total;
      std::memcpy(to, &sum, sizeof(Row));
    } else {
      for (int k = 0; k < live; ++k) to[k] += total[k];
    }
  }
}

// Adds the odds of a segment's sites to the sums of their places.
template <class V, bool kLogarithms, bool kSpanned>
void SumOdds(const Job& job, int64_t block, const Segment& segment, const uint16_t* kmer_offset,
             const Chunk& chunk) {
  if (segment.windows == 0) return;
  const OccupancyJob& scan = job.scan;
  const float* table = scan.table(block);
  const BlockColumns columns = scan.block_scanned[block];
  const GroupRange groups = GroupsOf(job, block);
  const CountedWindows counted = FindCountedWindows<kSpanned>(scan, block, segment);
  kmer_offset += segment.first_row + columns.first + counted.first;
  int64_t place = chunk.place_of(segment) + counted.first;
  const auto take = [&](auto kind, int live, const CountedSites<V>& sites)
                        __attribute__((always_inline)) {
                          V odds[V::kWindowsInFlight];
                          ScanOdds<V, kLogarithms>(table, columns.group_count, kmer_offset, odds);
                          if (kind.kKind == Windows::kMasked) {
                            for (int k = 0; k < V::kWindowsInFlight; ++k) {
                              odds[k] = odds[k] * sites.At(k);
                            }
                          }
                          AddByPlace(groups, odds, live, chunk.stride, chunk.odds, place);
                          kmer_offset += V::kWindowsInFlight;
                          place += V::kWindowsInFlight;
                        };
  ForEachWindows<V, kSpanned>(scan, block, segment, counted, take);
}

// For each window in flight and each site of part `i`, the number in `of` of the places that it
// covers.
template <class F>
inline void LoadByPlace(const GroupRange& groups, int i, int64_t stride, const float* of,
                        int64_t place, F (&number)[F::kWindowsInFlight]) {
  for (F& each : number) each = F::Broadcast(0.0f);
  for (const SiteGroup& group : groups) {
    const F alive = F::Load(group.live + i * F::kLanes);
    const float* from = of + group.width_index * stride + place + group.offset;
    for (int k = 0; k < F::kWindowsInFlight; ++k) {
      number[k] = MultiplyAdd(alive, F::Broadcast(from[k]), number[k]);
    }
  }
}

template <class V>
struct BoundSums {
  V bound;
  V weighted;
};

// Sums of occupancies over the windows of a segment.
template <class V, bool kWeighted, bool kLogarithms, bool kSpanned>
BoundSums<V> SumBound(const Job& job, int64_t block, const Segment& segment,
                      const uint16_t* kmer_offset, const Chunk& chunk) {
  using F = typename V::Part;
  BoundSums<V> sums = {V::Broadcast(0.0f), V::Broadcast(0.0f)};
  if (segment.windows == 0) return sums;
  const OccupancyJob& scan = job.scan;
  const float* table = scan.table(block);
  const BlockColumns columns = scan.block_scanned[block];
  const GroupRange groups = GroupsOf(job, block);
  const CountedWindows counted = FindCountedWindows<kSpanned>(scan, block, segment);
  kmer_offset += segment.first_row + columns.first + counted.first;
  int64_t place = chunk.place_of(segment) + counted.first;
  const float* weight = BlockWeight(job, block, segment.first_window + counted.first);
  const auto take = [&](auto kind, int live, const CountedSites<V>& sites)
                        __attribute__((always_inline)) {
                          constexpr int kWindows = V::kWindowsInFlight;
                          V odds[kWindows];
                          ScanOdds<V, kLogarithms>(table, columns.group_count, kmer_offset, odds);
#pragma GCC unroll 4
                          for (int i = 0; i < V::kParts; ++i) {
                            F factor[kWindows];
                            LoadByPlace(groups, i, chunk.stride, chunk.odds, place, factor);
                            for (int k = 0; k < kWindows; ++k) {
                              if (kind.kKind != Windows::kAll && k >= live) break;
                              F p = odds[k].part[i] * factor[k];
                              if (kind.kKind == Windows::kMasked) p = p * sites.Part(i).At(k);
                              sums.bound.part[i] = sums.bound.part[i] + p;
                              if (!kWeighted) continue;
                              const F w = F::Load(weight + k * kBlockSites + i * F::kLanes);
                              sums.weighted.part[i] = MultiplyAdd(w, p, sums.weighted.part[i]);
                            }
                          }
                          kmer_offset += kWindows;
                          place += kWindows;
                          if (kWeighted) weight += kWindows * kBlockSites;
                        };
  ForEachWindows<V, kSpanned>(scan, block, segment, counted, take);
  return sums;
}

// A sequence's first segment sets its outputs, the later ones add to them.
template <class V>
void WriteBound(const Job& job, int64_t block, const Segment& segment, V sums, float* outputs) {
  const int64_t motif_count = job.scan.shape.motif_count;
  const int32_t* motif = job.scan.block_motif + block * kBlockMotifs;
  const int64_t left = motif_count - block * kBlockMotifs;
  const int64_t motifs = left < kBlockMotifs ? left : kBlockMotifs;
  float sites[kBlockSites];
  sums.Store(sites);
  for (int strand = 0; strand < kStrands; ++strand) {
    float* to = outputs + (segment.sequence * kStrands + strand) * motif_count;
    const float* from = sites + strand * kBlockMotifs;
    for (int64_t i = 0; i < motifs; ++i) {
      to[motif[i]] = segment.is_first ? from[i] : to[motif[i]] + from[i];
    }
  }
}

template <class V, bool kLogarithms>
void SumOddsOfTile(const Job& job, int64_t block, const Tile& tile, const Chunk& chunk) {
  const bool spanned = job.scan.block_sites != nullptr;
  const auto sum = spanned ? SumOdds<V, kLogarithms, true> : SumOdds<V, kLogarithms, false>;
  for (int64_t i = 0; i < tile.segment_count; ++i) {
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
    WriteBound(job, block, segment, sums.bound, outputs.bound);
    if (kWeighted) WriteBound(job, block, segment, sums.weighted, outputs.weighted);
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
  BeginChunk(job, index, &chunk);
  ForEachTile(job, &chunk, [&](const Tile& tile) {
    for (int64_t block = 0; block < blocks; ++block) {
      const auto sum = HasLogarithms(job, block) ? SumOddsOfTile<V, true> : SumOddsOfTile<V, false>;
      sum(job, block, tile, chunk);
    }
  });
  SumSequences(job, chunk, nullptr, outputs.log_partition);
  ForEachTile(job, &chunk, [&](const Tile& tile) {
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
