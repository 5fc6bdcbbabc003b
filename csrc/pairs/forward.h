// Forward: the sites of a chunk are scanned and kept; then come the sums over the pairs.

#ifndef CISREG_CSRC_PAIRS_FORWARD_H_
#define CISREG_CSRC_PAIRS_FORWARD_H_

#include "occupancy/counted.h"
#include "occupancy/passes.h"
#include "occupancy/scan.h"
#include "pairs/kernels.h"
#include "pairs/taps.h"
#include "simd/denormals.h"

namespace cisreg::pairs {
namespace {

// A chunk while it is worked on.
struct Chunk {
  TilePasses passes;
  // By row: occupancies p, and p (1 - p), their slopes by the log odds; zeros where no site counts
  // and behind the windows of each sequence.
  float* site;
  float* slope;   // or null
  float* source;  // [sources, source_stride], of one sequence
};

inline int64_t VectorEnd(const Job& job) {
  const int64_t windows = job.scan.shape.window_count;
  return (windows + kMostLanes - 1) / kMostLanes * kMostLanes;
}

// Its memory, for any chunk. `backward`: there are slopes, and rows of tiles are sorted by k-mer.
inline Chunk TakeChunk(const Job& job, bool backward, ScratchArena* arena) {
  const PairLayout& layout = *job.layout;
  Chunk chunk = {};
  chunk.passes = TakePasses(job.scan.plan, backward, arena);
  const int64_t floats = job.row_count() * job.chunks.row_stride;
  chunk.site = arena->Take<float>(floats);
  if (backward) chunk.slope = arena->Take<float>(floats);

  chunk.source =
      arena->Take<float>(static_cast<int64_t>(layout.sources.size()) * layout.source_stride);
  return chunk;
}

// Once, before the first chunk: what no scan writes.
inline void ClearChunk(const Job& job, const Chunk& chunk) {
  const PairLayout& layout = *job.layout;
  const int64_t windows = job.scan.shape.window_count;
  for (int64_t row = 0; row < job.row_count(); ++row) {
    const int64_t first = row * job.chunks.row_stride;
    std::memset(chunk.site + first, 0, job.chunks.lead * sizeof(float));
    for (int64_t i = 0; i < job.chunks.sequences; ++i) {
      const int64_t behind = first + job.chunks.lead + i * job.chunks.pitch + windows;
      const size_t bytes = (job.chunks.pitch - windows) * sizeof(float);
      std::memset(chunk.site + behind, 0, bytes);
      if (chunk.slope != nullptr) std::memset(chunk.slope + behind, 0, bytes);
    }
  }

  std::memset(chunk.source, 0, layout.sources.size() * layout.source_stride * sizeof(float));
}

// Where the windows of a segment begin in the first row of a block.
inline int64_t PlaceOf(const Job& job, const Chunk& chunk, int64_t block, const Segment& segment) {
  return block * kBlockSites * job.chunks.row_stride + job.chunks.lead +
         (segment.sequence - chunk.passes.first_sequence) * job.chunks.pitch + segment.first_window;
}

// Occupancies and slopes of part `i` of the windows in flight, of which `live` are used, from the
// products or sums of the scan.
template <int kSitesPerDivision, Windows kKind, class V, class F = typename V::Part>
inline void FindPart(const V (&scanned)[V::kWindowsInFlight], int i, int live,
                     const CountedSites<V>& counted, F (&site)[V::kWindowsInFlight],
                     F (&slope)[V::kWindowsInFlight]) {
  constexpr int kWindows = V::kWindowsInFlight;
  for (int first = 0; first < kWindows; first += kSitesPerDivision) {
    F odds[kSitesPerDivision], unbound[kSitesPerDivision];
    for (int k = 0; k < kSitesPerDivision; ++k) {
      odds[k] = Odds<kSitesPerDivision>(scanned[first + k].part[i]);
      if (kKind == Windows::kMasked) odds[k] = odds[k] * counted.Part(i).At(first + k);
      if (kKind != Windows::kAll && first + k >= live) odds[k] = F::Broadcast(0.0f);
    }
    Unbound<F, kSitesPerDivision>(odds, unbound);
    for (int k = 0; k < kSitesPerDivision; ++k) {
      site[first + k] = odds[k] * unbound[k];
      slope[first + k] = site[first + k] * unbound[k];
    }
  }
}

// Puts the sites of a segment in the rows of its block.
template <class V, bool kBackward, int kSitesPerDivision, bool kSpanned>
void StoreSites(const Job& job, int64_t block, const Segment& segment, const uint16_t* kmer_offset,
                const Chunk& chunk) {
  using F = typename V::Part;
  constexpr int kWindows = V::kWindowsInFlight;
  const OccupancyJob& scan = job.scan;
  const float* table = scan.table(block);
  const BlockColumns columns = scan.block_scanned[block];
  const CountedWindows counted = FindCountedWindows<kSpanned>(scan, block, segment);
  kmer_offset += segment.first_row + columns.first + counted.first;
  int64_t place = PlaceOf(job, chunk, block, segment) + counted.first;
  const int64_t stride = job.chunks.row_stride;
  const auto take = [&](auto kind, int live,
                        const CountedSites<V>& sites) __attribute__((always_inline)) {
    V scanned[kWindows];
    ScanWindows<V, kSitesPerDivision>(table, columns.group_count, kmer_offset, scanned);
#pragma GCC unroll 4
    for (int i = 0; i < V::kParts; ++i) {
      F site[kWindows], slope[kWindows];
      FindPart<kSitesPerDivision, kind.kKind>(scanned, i, live, sites, site, slope);
      StoreByLane(site, chunk.site + place + i * F::kLanes * stride, stride);
      if (kBackward) StoreByLane(slope, chunk.slope + place + i * F::kLanes * stride, stride);
    }
    kmer_offset += kWindows;
    place += kWindows;
  };
  ForEachWindows<V, kSpanned>(scan, block, segment, counted, take);
}

template <class V, bool kBackward>
void StoreSitesOfTile(const Job& job, int64_t block, const Tile& tile, const Chunk& chunk) {
  const bool spanned = job.scan.block_sites != nullptr;
  const auto store =
      job.scan.sites_per_division[block] == 2
          ? (spanned ? StoreSites<V, kBackward, 2, true> : StoreSites<V, kBackward, 2, false>)
          : (spanned ? StoreSites<V, kBackward, 1, true> : StoreSites<V, kBackward, 1, false>);
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    if (tile.segments[i].windows == 0) continue;
    store(job, block, tile.segments[i], tile.kmer_offset, chunk);
  }
}

// Scans the sequences of a chunk.
template <class V, bool kBackward>
void ScanChunk(const Job& job, int64_t index, Chunk* chunk) {
  const int64_t first = index * job.chunks.sequences;
  const int64_t behind = first + job.chunks.sequences;
  const int64_t all = job.scan.shape.sequence_count;
  BeginPasses(first, behind < all ? behind : all, &chunk->passes);
  if (job.scan.block_sites != nullptr) {
    // Each sequence has other windows that count.
    const int64_t floats = job.row_count() * job.chunks.row_stride;
    std::memset(chunk->site, 0, floats * sizeof(float));
    if (kBackward) std::memset(chunk->slope, 0, floats * sizeof(float));
  }
  ForEachTile(job.scan, &chunk->passes, [&](const Tile& tile) {
    for (int64_t block = 0; block < job.scan.plan.block_count; ++block) {
      StoreSitesOfTile<V, kBackward>(job, block, tile, *chunk);
    }
  });
}

// What the pairs of one sequence read.
struct Sequence {
  const PairLayout& layout;
  const float* site;  // its windows in the first row
  int64_t row_stride;
  const float* source;  // window 0 of the first source
  int64_t end;          // of its windows, a multiple of any vector

  const float* row(int64_t number) const { return site + number * row_stride; }
  const float* of(int64_t number) const { return source + number * layout.source_stride; }
  PairTaps taps(const Pair& pair) const {
    const std::vector<int32_t>& places = layout.places(pair);
    const int64_t count = static_cast<int64_t>(places.size());
    const float* const same = layout.effect.data() + pair.effect_at;
    return {places.data(), count, same, same + count};
  }
  // The second sites of a pair, as the first ones see them. These read their strand: on the reverse
  // one, what is downstream lies before it.
  Others seconds(const Pair& pair) const {
    return {of(pair.second_source[0]), of(pair.second_source[1]), 1, 1, true};
  }
  // The first sites, which see the second ones by how they read themselves.
  Others firsts(const Pair& pair) const {
    return {of(pair.first_source[0]), of(pair.first_source[1]), -1, 1, false};
  }
};

// Works out the sources of a sequence of the chunk.
template <class F>
Sequence BeginSequence(const Job& job, const Chunk& chunk, int64_t number) {
  const PairLayout& layout = *job.layout;
  const int64_t windows = job.scan.shape.window_count;
  const int64_t at = job.chunks.lead + (number - chunk.passes.first_sequence) * job.chunks.pitch;
  const Sequence sequence = {layout, chunk.site + at, job.chunks.row_stride,
                             chunk.source + layout.margin, VectorEnd(job)};
  for (size_t i = 0; i < layout.sources.size(); ++i) {
    const Source& source = layout.sources[i];
    const float* site = sequence.row(source.row);
    float* const to = chunk.source + i * layout.source_stride + layout.margin;
    if (source.is_wide) {
      Widen<F>(site, windows, layout.share, to);
    } else {
      std::memcpy(to, site, windows * sizeof(float));
    }
  }
  return sequence;
}

// What all pairs of a sequence do.
template <class F>
float SumPairs(const Sequence& sequence) {
  F total = F::Broadcast(0.0f);
  for (const Pair& pair : sequence.layout.pairs) {
    const PairTaps taps = sequence.taps(pair);
    const Others seconds = sequence.seconds(pair);
    const float* own_forward = sequence.row(pair.first_row[0]);
    const float* own_reverse = sequence.row(pair.first_row[1]);
    ForEachVectors<F>(0, sequence.end, [&](auto vectors, int64_t window) {
      F forward[vectors.value], reverse[vectors.value];
      SumTaps(taps, seconds, window, forward, reverse);
      for (int i = 0; i < vectors.value; ++i) {
        const int64_t at = window + i * F::kLanes;
        total = MultiplyAdd(F::Load(own_forward + at), forward[i], total);
        total = MultiplyAdd(F::Load(own_reverse + at), reverse[i], total);
      }
    });
  }
  float lanes[F::kLanes];
  total.Store(lanes);
  float sum = 0.0f;
  for (const float lane : lanes) sum += lane;
  return sum;
}

template <class V>
void ForwardChunk(const Job& job, int64_t index, char* scratch, float* score) {
  using F = typename V::Part;
  const simd::FlushDenormals flush;
  ScratchArena arena = {scratch, 0};
  Chunk chunk = TakeChunk(job, false, &arena);
  ClearChunk(job, chunk);
  ScanChunk<V, false>(job, index, &chunk);
  for (int64_t i = chunk.passes.first_sequence; i < chunk.passes.end_sequence; ++i) {
    score[i] = SumPairs<F>(BeginSequence<F>(job, chunk, i));
  }
}

}  // namespace
}  // namespace cisreg::pairs

#endif  // CISREG_CSRC_PAIRS_FORWARD_H_
