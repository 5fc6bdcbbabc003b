// A chunk while it is worked on: its tiles, and the sums of its places.
//
// Everything here has internal linkage, as in tile.h.

#ifndef CISREG_CSRC_EXCLUSIVE_CHUNK_H_
#define CISREG_CSRC_EXCLUSIVE_CHUNK_H_

#include <algorithm>
#include <vector>

#include "exclusive/kernels.h"
#include "exclusive/recursion.h"
#include "occupancy/items.h"
#include "occupancy/passes.h"
#include "occupancy/scan.h"

namespace cisreg::exclusive {
namespace {

// Zeros before the sums of the first width and behind those of each: vectors, and windows in
// flight, may reach there.
constexpr int64_t kPlacesBeyond = kMostLanes;

struct Chunk {
  TilePasses passes;
  int64_t* first_place;  // of each sequence, and the end of the last one
  int64_t stride;        // floats from the sums of one width to those of the next
  float* odds;           // [widths, stride], see recursion.h
  float* gain;           // the same, or null
  // A row for each site of a block, [kBlockSites, row_stride]: its odds at the windows of a
  // segment, and odds times something.
  float* rows;
  float* more_rows;
  int64_t row_stride;
  RecursionScratch recursion;

  int64_t place_of(const Segment& segment) const {
    return first_place[segment.sequence - passes.first_sequence] + segment.first_window;
  }
};

// Its memory, for any chunk. `backward`: there are gains, and rows are sorted by k-mer.
inline Chunk TakeChunk(const Job& job, bool backward, ScratchArena* arena) {
  const ChunkPlan& plan = *job.chunks;
  Chunk chunk = {};
  chunk.first_place = arena->Take<int64_t>(plan.most_sequences + 1);
  chunk.stride = plan.most_places + kPlacesBeyond;
  const auto take_sums = [&] {
    float* const sums = arena->Take<float>(kPlacesBeyond + job.width_count * chunk.stride);
    return sums == nullptr ? nullptr : sums + kPlacesBeyond;
  };
  chunk.odds = take_sums();
  if (backward) chunk.gain = take_sums();
  chunk.row_stride = job.scan.plan.segment_windows + kMostLanes;
  chunk.rows = arena->Take<float>(kBlockSites * chunk.row_stride);
  chunk.more_rows = arena->Take<float>(kBlockSites * chunk.row_stride);
  chunk.recursion = TakeRecursionScratch(plan.most_places_of_one, backward, arena);
  chunk.passes = TakePasses(job.scan.plan, backward, arena);
  return chunk;
}

// Calls take(sequence, competitor, place of its first place, how many places it can begin at).
template <class Take>
inline void ForEachCompetitor(const Job& job, const Chunk& chunk, const Take& take) {
  const std::vector<Competitor>& competitors = job.footprints->competitors;
  const int64_t first_sequence = chunk.passes.first_sequence;
  for (int64_t i = first_sequence; i < chunk.passes.end_sequence; ++i) {
    const int64_t bases = SequenceLength(job.scan.shape, job.scan.inputs, i);
    const int64_t first = chunk.first_place[i - first_sequence] + job.footprints->first_base;
    for (size_t q = 0; q < competitors.size(); ++q) {
      const Competitor& each = competitors[q];
      const int64_t count = std::max<int64_t>(0, bases - each.width + 1);
      take(i, q, each.width_index * chunk.stride + first, count);
    }
  }
}

// `upstream`: gradients of the bound competitors [N, Q], or null.
inline void AddCompetitors(const Job& job, const float* upstream, const Chunk& chunk) {
  ForEachCompetitor(job, chunk, [&](int64_t sequence, size_t q, int64_t at, int64_t count) {
    const float odds = job.footprints->competitors[q].odds;
    for (int64_t i = 0; i < count; ++i) chunk.odds[at + i] += odds;
    if (upstream == nullptr) return;
    const float gain = odds * upstream[sequence * job.competitor_count() + q];
    for (int64_t i = 0; i < count; ++i) chunk.gain[at + i] += gain;
  });
}

// The expected numbers of bound competitors [N, Q], of factors.
inline void SumCompetitors(const Job& job, const Chunk& chunk, const Outputs& outputs) {
  ForEachCompetitor(job, chunk, [&](int64_t sequence, size_t q, int64_t at, int64_t count) {
    const int64_t row = sequence * job.competitor_count() + q;
    const float odds = job.footprints->competitors[q].odds;
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) sum += chunk.odds[at + i];
    outputs.competitors[row] = static_cast<float>(sum * odds);
    if (outputs.competitor_sites == nullptr) return;
    const int64_t length = job.scan.shape.length;
    float* const sites = outputs.competitor_sites + row * length;
    for (int64_t i = 0; i < length; ++i) sites[i] = i < count ? odds * chunk.odds[at + i] : 0.0f;
  });
}

// Adds the gradients with respect to their log odds [Q], of factors and slopes.
inline void AddCompetitorGradients(const Job& job, const Chunk& chunk, const float* upstream,
                                   float* gradient) {
  ForEachCompetitor(job, chunk, [&](int64_t sequence, size_t q, int64_t at, int64_t count) {
    const double gain = upstream[sequence * job.competitor_count() + q];
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) sum += chunk.odds[at + i] * gain + chunk.gain[at + i];
    gradient[q] += static_cast<float>(sum * job.footprints->competitors[q].odds);
  });
}

// `upstream`: as for AddCompetitors.
inline void BeginChunk(const Job& job, int64_t index, const float* upstream, Chunk* chunk) {
  const int64_t first_sequence = job.chunks->first_sequence[index];
  const int64_t end_sequence = job.chunks->first_sequence[index + 1];
  BeginPasses(first_sequence, end_sequence, &chunk->passes);
  int64_t places = 0;
  int64_t* next = chunk->first_place;
  for (int64_t i = first_sequence; i < end_sequence; ++i) {
    *next++ = places;
    places += PlaceCount(job.scan.shape, job.scan.inputs, *job.footprints, i);
  }
  *next = places;
  for (float* sums : {chunk->odds, chunk->gain}) {
    if (sums == nullptr) continue;
    std::memset(sums - kPlacesBeyond, 0,
                (kPlacesBeyond + job.width_count * chunk->stride) * sizeof(float));
  }
  AddCompetitors(job, upstream, *chunk);
}

// The recursion of each sequence. `upstream`: gradients of the log partition functions, or null;
// `log_partition` is where these go, or null.
inline void SumSequences(const Job& job, const Chunk& chunk, const float* upstream,
                         float* log_partition) {
  const int64_t first_sequence = chunk.passes.first_sequence;
  for (int64_t i = first_sequence; i < chunk.passes.end_sequence; ++i) {
    const int64_t* const place = chunk.first_place + (i - first_sequence);
    const PlaceSums sums = {chunk.odds + place[0],
                            chunk.gain == nullptr ? nullptr : chunk.gain + place[0], chunk.stride};
    const Recursion of = {job.widths, job.width_count, place[1] - place[0], sums};
    const double sum = sums.gain == nullptr
                           ? SumConfigurations<false>(of, 0.0f, chunk.recursion)
                           : SumConfigurations<true>(of, upstream[i], chunk.recursion);
    if (log_partition != nullptr) log_partition[i] = static_cast<float>(sum);
  }
}

// Odds from the products or sums of the scan.
template <bool kLogarithms, class F>
inline F OddsOf(F site) {
  if (!kLogarithms) return site;
  const F most = F::Broadcast(kStrongestPower), least = F::Broadcast(-simd::kMaxExponent);
  return simd::Exp2(Max(Min(site, most), least));
}

// The rows of windows in flight that ScanWindows puts together.
template <class V, bool kLogarithms>
inline void ScanOdds(const float* table, int64_t group_count, const uint16_t* kmer_offset,
                     V (&odds)[V::kWindowsInFlight]) {
  ScanWindows<V, kLogarithms ? 1 : 2>(table, group_count, kmer_offset, odds);
  if (!kLogarithms) return;
  for (V& each : odds) {
#pragma GCC unroll 4
    for (auto& part : each.part) part = OddsOf<true>(part);
  }
}

// Position weights of a block from one window on, or null.
inline const float* BlockWeight(const Job& job, int64_t block, int64_t window) {
  if (!job.weighted()) return nullptr;
  return job.block_weight + (block * job.scan.shape.window_count + window) * kBlockSites;
}

template <class V>
void BuildWeights(const Job& job, int64_t block) {
  if (!job.weighted()) return;
  const int64_t windows = job.scan.shape.window_count, motifs = job.scan.shape.motif_count;
  for (int64_t window = 0; window < windows; ++window) {
    const float* forward = job.position_weight + window * motifs;
    GatherSites<V>(job.scan, block, forward, forward + windows * motifs)
        .Store(job.block_weight + (block * windows + window) * kBlockSites);
  }
}

}  // namespace
}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_CHUNK_H_
