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
  float* rows = chunk.rows;
  float* more_rows = chunk.more_rows;
  const auto take = [&](auto kind, int live, const CountedSites<V>& sites)
                        __attribute__((always_inline)) {
                          V odds[kWindows];
                          ScanOdds<V, kLogarithms>(table, columns.group_count, kmer_offset, odds);
                          if (kind.kKind == Windows::kMasked) {
                            for (int k = 0; k < kWindows; ++k) odds[k] = odds[k] * sites.At(k);
                          }
                          StoreRows(odds, rows, chunk.row_stride);
                          kmer_offset += kWindows;
                          rows += kWindows;
                          if (!kWeighted) return;
                          for (int k = 0; k < kWindows; ++k) {
                            if (kind.kKind != Windows::kAll && k >= live) break;
                            odds[k] = odds[k] * V::Load(weight + k * kBlockSites);
                          }
                          StoreRows(odds, more_rows, chunk.row_stride);
                          more_rows += kWindows;
                          weight += kWindows * kBlockSites;
                        };
  ForEachWindows<V, kSpanned>(scan, block, segment, counted, take);
  return {counted.end - counted.first, chunk.place_of(segment) + counted.first};
}

// Calls take(site, row of the site, sums of the places that it covers at the first window) for the
// sites of a block.
template <class Take>
inline void ForEachSite(const Job& job, int64_t block, const Chunk& chunk,
                        const WindowsOfSegment& windows, const Take& take) {
  for (int64_t g = job.block_group[block]; g < job.block_group[block + 1]; ++g) {
    const SiteGroup& group = job.groups[g];
    const int64_t at = group.width_index * chunk.stride + windows.place + group.offset;
    for (int i = 0; i < group.site_count; ++i) {
      const int site = group.sites[i];
      take(site, site * chunk.row_stride, at);
    }
  }
}

// to[i] += factor * from[i]
template <class F>
inline void AddMultiple(const float* from, F factor, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + F::kLanes <= count; i += F::kLanes) {
    MultiplyAdd(F::Load(from + i), factor, F::Load(to + i)).Store(to + i);
  }
  float one[F::kLanes];
  factor.Store(one);
  for (; i < count; ++i) to[i] += one[0] * from[i];
}

// Sum of from[i] * factor[i].
template <class F>
inline float SumProducts(const float* from, const float* factor, int64_t count) {
  F sum = F::Broadcast(0.0f);
  int64_t i = 0;
  for (; i + F::kLanes <= count; i += F::kLanes) {
    sum = MultiplyAdd(F::Load(from + i), F::Load(factor + i), sum);
  }
  float lanes[F::kLanes];
  sum.Store(lanes);
  float total = 0.0f;
  for (; i < count; ++i) total += from[i] * factor[i];
  for (const float lane : lanes) total += lane;
  return total;
}

// Adds the odds of a segment's sites to the sums of their places.
template <class V, bool kLogarithms, bool kSpanned>
void SumOdds(const Job& job, int64_t block, const Segment& segment, const uint16_t* kmer_offset,
             const Chunk& chunk) {
  using F = typename V::Part;
  const WindowsOfSegment windows =
      StoreOdds<V, false, kLogarithms, kSpanned>(job, block, segment, kmer_offset, chunk);
  ForEachSite(job, block, chunk, windows, [&](int, int64_t row, int64_t at) {
    AddMultiple(chunk.rows + row, F::Broadcast(1.0f), windows.count, chunk.odds + at);
  });
}

// Sums of occupancies of the sites of a block.
struct BoundSums {
  float bound[kBlockSites];
  float weighted[kBlockSites];
};

// Sums over the windows of a segment.
template <class V, bool kWeighted, bool kLogarithms, bool kSpanned>
void SumBound(const Job& job, int64_t block, const Segment& segment, const uint16_t* kmer_offset,
              const Chunk& chunk, BoundSums* sums) {
  using F = typename V::Part;
  const WindowsOfSegment windows =
      StoreOdds<V, kWeighted, kLogarithms, kSpanned>(job, block, segment, kmer_offset, chunk);
  ForEachSite(job, block, chunk, windows, [&](int site, int64_t row, int64_t at) {
    const float* factor = chunk.odds + at;
    sums->bound[site] = SumProducts<F>(chunk.rows + row, factor, windows.count);
    if (!kWeighted) return;
    sums->weighted[site] = SumProducts<F>(chunk.more_rows + row, factor, windows.count);
  });
}

// A sequence's first segment sets its outputs, the later ones add to them.
inline void WriteBound(const Job& job, int64_t block, const Segment& segment, const float* sites,
                       float* outputs) {
  const int64_t motif_count = job.scan.shape.motif_count;
  const int32_t* motif = job.scan.block_motif + block * kBlockMotifs;
  const int64_t left = motif_count - block * kBlockMotifs;
  const int64_t motifs = left < kBlockMotifs ? left : kBlockMotifs;
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
    BoundSums sums = {};
    if (segment.windows > 0) sum(job, block, segment, tile.kmer_offset, chunk, &sums);
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
