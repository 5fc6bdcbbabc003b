// Backward: two scans of each chunk again, then the sums of the second one's gradients by k-mer.
//
// Upstream gradients give each site a gain, what its being bound adds to the loss. The first scan
// adds up odds, and odds times gains; the second gives each site's gradient with respect to its log
// odds, as recursion.h has it, which the occupancy's kernels fold into gradients of the motifs.

#ifndef CISREG_CSRC_EXCLUSIVE_BACKWARD_H_
#define CISREG_CSRC_EXCLUSIVE_BACKWARD_H_

#include "exclusive/forward.h"
#include "occupancy/backward.h"

namespace cisreg::exclusive {
namespace {

// Gradients by the outputs of one sequence, for the sites of a block.
template <class V>
struct SiteUpstream {
  V bound;
  V weighted;
};

template <class V>
SiteUpstream<V> LoadUpstream(const Job& job, int64_t block, int64_t sequence,
                             const Upstream& upstream) {
  const int64_t motifs = job.scan.shape.motif_count;
  const auto load = [&](const float* gradients) {
    const float* forward = gradients + sequence * kStrands * motifs;
    return GatherSites<V>(job.scan, block, forward, forward + motifs);
  };
  return {load(upstream.bound), job.weighted() ? load(upstream.weighted) : V::Broadcast(0.0f)};
}

// Adds the odds of a segment's sites, and odds times gains, to the sums of their places.
template <class V, bool kWeighted, bool kLogarithms, bool kSpanned>
void SumGains(const Job& job, int64_t block, const Segment& segment, const uint16_t* kmer_offset,
              const Chunk& chunk, const Upstream& all_upstream) {
  using F = typename V::Part;
  const SiteUpstream<V> upstream = LoadUpstream<V>(job, block, segment.sequence, all_upstream);
  float bound[kBlockSites], weighted[kBlockSites];
  upstream.bound.Store(bound);
  upstream.weighted.Store(weighted);
  const WindowsOfSegment windows =
      StoreOdds<V, kWeighted, kLogarithms, kSpanned>(job, block, segment, kmer_offset, chunk);
  for (const SiteGroup& group : GroupsOf<V>(job, block, 0, V::kParts)) {
    const int64_t to = group.width_index * chunk.stride + windows.place + group.offset;
    ForEachVectors<F>(windows.count, [&](auto vectors, int64_t at) {
      constexpr int kVectors = vectors.kVectors;
      F odds[kVectors], gain[kVectors];
      for (F& each : odds) each = F::Broadcast(0.0f);
      for (F& each : gain) each = F::Broadcast(0.0f);
      for (int i = 0; i < group.site_count; ++i) {
        const int site = group.sites[i];
        const int64_t row = site * chunk.row_stride + at;
        const F of_bound = F::Broadcast(bound[site]), of_weighted = F::Broadcast(weighted[site]);
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) {
          const F x = F::Load(chunk.rows + row + j * F::kLanes);
          odds[j] = odds[j] + x;
          gain[j] = MultiplyAdd(x, of_bound, gain[j]);
          if (!kWeighted) continue;
          gain[j] =
              MultiplyAdd(F::Load(chunk.more_rows + row + j * F::kLanes), of_weighted, gain[j]);
        }
      }
      AddTo(odds, chunk.odds + to + at);
      AddTo(gain, chunk.gain + to + at);
    });
  }
}

// For each window in flight, the factors of the places that a part's sites cover, where kFactors,
// and the gradients by their odds if `bound` is the gradient by each one's occupancy.
template <bool kFactors, class F>
__attribute__((always_inline)) inline void LoadSlopes(const Chunk& chunk, const GroupRange& groups,
                                                      int64_t place, F bound,
                                                      F (&factor)[F::kWindowsInFlight],
                                                      F (&slope)[F::kWindowsInFlight]) {
  for (F& each : factor) each = F::Broadcast(0.0f);
  for (F& each : slope) each = F::Broadcast(0.0f);
  for (const SiteGroup& group : groups) {
    const F live = F::Load(group.live);
    const F gain = live * bound;
    const int64_t at = group.width_index * chunk.stride + place + group.offset;
    for (int k = 0; k < F::kWindowsInFlight; ++k) {
      const F own = F::Broadcast(chunk.odds[at + k]);
      slope[k] = MultiplyAdd(gain, own, slope[k]);
      slope[k] = MultiplyAdd(live, F::Broadcast(chunk.gain[at + k]), slope[k]);
      if (kFactors) factor[k] = MultiplyAdd(live, own, factor[k]);
    }
  }
}

// Stores the gradients of a segment's sites with respect to their log odds, and returns their sum.
template <class V, class Rows, bool kWeighted, bool kLogarithms, bool kSpanned>
V StoreSlopes(const Job& job, int64_t block, const Segment& segment, const uint16_t* kmer_offset,
              const Chunk& chunk, const Upstream& all_upstream, const BlockGradients& gradients) {
  using F = typename V::Part;
  V total = V::Broadcast(0.0f);
  if (segment.windows == 0) return total;
  const OccupancyJob& scan = job.scan;
  const float* table = scan.table(block);
  const BlockColumns columns = scan.block_scanned[block];
  const SiteUpstream<V> upstream = LoadUpstream<V>(job, block, segment.sequence, all_upstream);
  const CountedWindows counted = FindCountedWindows<kSpanned>(scan, block, segment);
  const int64_t row = segment.first_row + counted.first;
  const int64_t window = segment.first_window + counted.first;
  kmer_offset += row + columns.first;
  int64_t place = chunk.place_of(segment) + counted.first;
  GradientCursor cursor(scan.plan, row + scan.block_trained[block].first);
  const float* weight = BlockWeight(job, block, window);
  float* weight_gradient = kWeighted ? gradients.position_weight + window * kBlockSites : nullptr;
  const auto take = [&](auto kind, int live,
                        const CountedSites<V>& sites) __attribute__((always_inline)) {
    constexpr int kWindows = V::kWindowsInFlight;
    V odds[kWindows];
    ScanOdds<V, kLogarithms>(table, columns.group_count, kmer_offset, odds);
    char* to[kWindows];
    for (char*& each : to) each = gradients.dlogit + size_t{cursor.Next()} * Rows::kBytes;
#pragma GCC unroll 4
    for (int i = 0; i < V::kParts; ++i) {
      F factor[kWindows], slope[kWindows];
      LoadSlopes<kWeighted>(chunk, GroupsOf<V>(job, block, i, 1), place, upstream.bound.part[i],
                            factor, slope);
      for (int k = 0; k < kWindows; ++k) {
        if (kind.kKind != Windows::kAll && k >= live) break;
        F x = odds[k].part[i];
        if (kind.kKind == Windows::kMasked) x = x * sites.Part(i).At(k);
        F of_odds = slope[k];
        if (kWeighted) {
          const int64_t site = k * kBlockSites + i * F::kLanes;
          const F p = x * factor[k], of_weighted = upstream.weighted.part[i];
          of_odds = MultiplyAdd(F::Load(weight + site) * of_weighted, factor[k], of_odds);
          MultiplyAdd(of_weighted, p, F::Load(weight_gradient + site))
              .Store(weight_gradient + site);
        }
        const F dlogit = x * of_odds;
        total.part[i] = total.part[i] + dlogit;
        Rows::StorePart(dlogit, i, to[k], gradients.strip_bytes);
      }
    }
    kmer_offset += kWindows;
    place += kWindows;
    if (!kWeighted) return;
    weight += kWindows * kBlockSites;
    weight_gradient += kWindows * kBlockSites;
  };
  ForEachWindows<V, kSpanned>(scan, block, segment, counted, take);
  return total;
}

template <class V, bool kWeighted, bool kLogarithms>
void SumGainsOfTile(const Job& job, int64_t block, const Tile& tile, const Chunk& chunk,
                    const Upstream& upstream) {
  const bool spanned = job.scan.block_sites != nullptr;
  const auto sum = spanned ? SumGains<V, kWeighted, kLogarithms, true>
                           : SumGains<V, kWeighted, kLogarithms, false>;
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    if (tile.segments[i].windows == 0) continue;
    sum(job, block, tile.segments[i], tile.kmer_offset, chunk, upstream);
  }
}

template <class V, class Rows, bool kWeighted, bool kLogarithms>
void StoreTile(const Job& job, int64_t block, const Tile& tile, const Chunk& chunk,
               const Upstream& upstream, const BlockGradients& gradients) {
  const bool spanned = job.scan.block_sites != nullptr;
  const auto store = spanned ? StoreSlopes<V, Rows, kWeighted, kLogarithms, true>
                             : StoreSlopes<V, Rows, kWeighted, kLogarithms, false>;
  V total = V::Load(gradients.log_concentration);
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    total =
        total + store(job, block, tile.segments[i], tile.kmer_offset, chunk, upstream, gradients);
  }
  total.Store(gradients.log_concentration);
}

template <class V>
size_t ScratchBytes(const Job& job, bool backward) {
  ScratchArena arena = {nullptr, 0};
  TakeChunk(job, backward, &arena);
  if (backward) TakeSliceScratch<FloatRows<V>>(job.scan, &arena);
  return arena.used;
}

template <class V, class Rows>
void BackwardTile(const Job& job, int64_t block, const Tile& tile, const Chunk& chunk,
                  const Upstream& upstream, const BlockGradients& gradients) {
  ClearPads<Rows>(job.scan, block, tile, gradients);
  const bool logarithms = HasLogarithms(job, block);
  const auto store =
      job.weighted()
          ? (logarithms ? StoreTile<V, Rows, true, true> : StoreTile<V, Rows, true, false>)
          : (logarithms ? StoreTile<V, Rows, false, true> : StoreTile<V, Rows, false, false>);
  store(job, block, tile, chunk, upstream, gradients);
  SumTile<Rows>(job.scan.block_trained[block].group_count, tile, gradients);
}

// Adds the gradients of one chunk to those of its slice; `gradients` are those of each block.
template <class V, class Rows, class GradientsOf>
void BackwardChunk(const Job& job, Chunk* chunk, const Upstream& upstream,
                   const GradientsOf& gradients_of, float* competitors) {
  const int64_t blocks = job.scan.plan.block_count;
  ForEachTile(job.scan, &chunk->passes, [&](const Tile& tile) {
    for (int64_t block = 0; block < blocks; ++block) {
      const bool logarithms = HasLogarithms(job, block);
      const auto sum =
          job.weighted()
              ? (logarithms ? SumGainsOfTile<V, true, true> : SumGainsOfTile<V, true, false>)
              : (logarithms ? SumGainsOfTile<V, false, true> : SumGainsOfTile<V, false, false>);
      sum(job, block, tile, *chunk, upstream);
    }
  });
  SumSequences(job, *chunk, upstream.log_partition, nullptr);
  AddCompetitorGradients(job, *chunk, upstream.competitors, competitors);
  ForEachTile(job.scan, &chunk->passes, [&](const Tile& tile) {
    for (int64_t block = 0; block < blocks; ++block) {
      BackwardTile<V, Rows>(job, block, tile, *chunk, upstream, gradients_of(block));
    }
  });
}

template <class V>
void BackwardSlice(const Job& job, int64_t slice, char* memory, const Upstream& upstream,
                   float* partials) {
  using Rows = FloatRows<V>;
  const simd::FlushDenormals flush;
  const OccupancyPlan& plan = job.scan.plan;
  const SlicePartials layout = FindPartials(job.scan.shape, job.weighted());
  float* const slice_partials = partials + slice * plan.block_count * layout.total();
  ScratchArena arena = {memory, 0};
  Chunk chunk = TakeChunk(job, true, &arena);
  const SliceScratch scratch = TakeSliceScratch<Rows>(job.scan, &arena);
  ClearSlice<Rows>(job.scan, scratch);
  std::memset(slice_partials, 0, plan.block_count * layout.total() * sizeof(float));
  const auto gradients_of = [&](int64_t block) {
    BlockGradients gradients = GradientsOf<Rows>(job.scan, scratch, block);
    gradients.position_weight =
        slice_partials + block * layout.total() + layout.log_kd + layout.log_concentration;
    return gradients;
  };
  float* const competitors = partials +
                             job.chunks->slice_count() * plan.block_count * layout.total() +
                             slice * job.competitor_count();
  std::memset(competitors, 0, job.competitor_count() * sizeof(float));
  for (int64_t i = job.chunks->first_chunk[slice]; i < job.chunks->first_chunk[slice + 1]; ++i) {
    BeginChunk(job, i, upstream.competitors, &chunk);
    BackwardChunk<V, Rows>(job, &chunk, upstream, gradients_of, competitors);
  }
  for (int64_t block = 0; block < plan.block_count; ++block) {
    float* log_kd = slice_partials + block * layout.total();
    FoldSlice<Rows>(job.scan, gradients_of(block), block, log_kd, log_kd + layout.log_kd);
  }
}

}  // namespace
}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_BACKWARD_H_
