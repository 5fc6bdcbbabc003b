// Backward: the sites of a chunk are scanned again; what each does to the loss is a sum of taps
// again, with the sites of the other factor of its pairs. Times the slope of its occupancy that is
// its gradient with respect to its log odds, which the occupancy's kernels fold into gradients of
// the motifs.

#ifndef CISREG_CSRC_PAIRS_BACKWARD_H_
#define CISREG_CSRC_PAIRS_BACKWARD_H_

#include "pairs/forward.h"

namespace cisreg::pairs {
namespace {

// A slice's scratch memory beside its chunk.
struct PairScratch {
  float* gain;    // [rows, end of the windows], of one sequence: what a site adds to its score
  float* effect;  // a vector for each number in PairLayout::effect, its gradient
};

template <class F>
PairScratch TakePairScratch(const Job& job, ScratchArena* arena) {
  PairScratch scratch;
  scratch.gain = arena->Take<float>(job.row_count() * VectorEnd(job));
  scratch.effect = arena->Take<float>(static_cast<int64_t>(job.layout->effect.size()) * F::kLanes);
  return scratch;
}

template <class V>
size_t ScratchBytes(const Job& job, bool backward) {
  ScratchArena arena = {nullptr, 0};
  TakeChunk(job, backward, &arena);
  if (backward) {
    TakePairScratch<typename V::Part>(job, &arena);
    TakeSliceScratch<FloatRows<V>>(job.scan, &arena);
  }
  return arena.used;
}

// Adds what the others of a pair do in each window to the gains of both strands.
template <class F>
void AddGains(const PairTaps& taps, const Others& others, int64_t end, float* of_forward,
              float* of_reverse) {
  ForEachVectors<F>(0, end, [&](auto vectors, int64_t window) {
    F forward[vectors.value], reverse[vectors.value];
    SumTaps(taps, others, window, forward, reverse);
    for (int i = 0; i < vectors.value; ++i) {
      const int64_t at = window + i * F::kLanes;
      (F::Load(of_forward + at) + forward[i]).Store(of_forward + at);
      (F::Load(of_reverse + at) + reverse[i]).Store(of_reverse + at);
    }
  });
}

// Turns the slopes of a sequence into gradients, and adds those of the effects.
template <class F>
void BackwardSequence(const Job& job, const Chunk& chunk, int64_t number, float upstream,
                      const PairScratch& scratch) {
  const Sequence sequence = BeginSequence<F>(job, chunk, number);
  const int64_t end = sequence.end;
  std::memset(scratch.gain, 0, job.row_count() * end * sizeof(float));
  for (const Pair& pair : sequence.layout.pairs) {
    const PairTaps taps = sequence.taps(pair);
    const auto gain = [&](int64_t row) { return scratch.gain + row * end; };
    AddGains<F>(taps, sequence.seconds(pair), end, gain(pair.first_row[0]),
                gain(pair.first_row[1]));
    AddGains<F>(taps, sequence.firsts(pair), end, gain(pair.second_row[0]),
                gain(pair.second_row[1]));
    const Partners partners = {sequence.row(pair.first_row[0]), sequence.row(pair.first_row[1]),
                               sequence.of(pair.second_source[0]),
                               sequence.of(pair.second_source[1])};
    AddAllProducts(taps, 0, partners, end, F::Broadcast(upstream),
                   scratch.effect + pair.effect_at * F::kLanes);
  }
  float* slope =
      chunk.slope + job.chunks.lead + (number - chunk.passes.first_sequence) * job.chunks.pitch;
  const float* gain = scratch.gain;
  for (int64_t row = 0; row < job.row_count(); ++row, slope += job.chunks.row_stride, gain += end) {
    for (int64_t i = 0; i < end; i += F::kLanes) {
      (F::Load(slope + i) * F::Load(gain + i) * F::Broadcast(upstream)).Store(slope + i);
    }
  }
}

// Copies the gradients of a segment from the rows of the sites of a block to those of the tile, and
// returns their sum.
template <class V, class Rows>
V CopySegment(const Job& job, int64_t block, const Segment& segment, const Chunk& chunk,
              const BlockGradients& gradients) {
  using F = typename V::Part;
  const OccupancyJob& scan = job.scan;
  V total = V::Broadcast(0.0f);
  if (segment.windows == 0) return total;
  const CountedWindows counted = scan.block_sites == nullptr
                                     ? FindCountedWindows<false>(scan, block, segment)
                                     : FindCountedWindows<true>(scan, block, segment);
  GradientCursor cursor(scan.plan,
                        segment.first_row + counted.first + scan.block_trained[block].first);
  const float* rows = chunk.slope + PlaceOf(job, chunk, block, segment);
  for (int64_t window = counted.first; window < counted.end; window += F::kLanes) {
    float by_window[F::kLanes * kBlockSites];
    for (int site = 0; site < kBlockSites; site += F::kWindowsInFlight) {
      F of[F::kWindowsInFlight];
      for (int i = 0; i < F::kWindowsInFlight; ++i) {
        of[i] = F::Load(rows + (site + i) * job.chunks.row_stride + window);
      }
      StoreByLane(of, by_window + site, kBlockSites);
    }
    const int64_t left = counted.end - window;
    for (int64_t i = 0; i < F::kLanes && i < left; ++i) {
      const V dlogit = V::Load(by_window + i * kBlockSites);
      total = total + dlogit;
      char* const to = gradients.dlogit + size_t{cursor.Next()} * Rows::kBytes;
      for (int part = 0; part < V::kParts; ++part) {
        Rows::StorePart(dlogit.part[part], part, to, gradients.strip_bytes);
      }
    }
  }
  return total;
}

template <class V, class Rows>
void BackwardTile(const Job& job, int64_t block, const Tile& tile, const Chunk& chunk,
                  const BlockGradients& gradients) {
  ClearPads<Rows>(job.scan, block, tile, gradients);
  V total = V::Load(gradients.log_concentration);
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    total = total + CopySegment<V, Rows>(job, block, tile.segments[i], chunk, gradients);
  }
  total.Store(gradients.log_concentration);
  SumTile<Rows>(job.scan.block_trained[block].group_count, tile, gradients);
}

// From the gradients by tap to those of the knots [Q, 2, K], which are zero before.
template <class F>
void FoldEffects(const Job& job, const float* by_tap, float* effect) {
  const PairLayout& layout = *job.layout;
  for (const Pair& pair : layout.pairs) {
    const float* from = by_tap + pair.effect_at * F::kLanes;
    for (int orientation = 0; orientation < kOrientations; ++orientation) {
      float* const knots = effect + (pair.number * kOrientations + orientation) * job.knot_count;
      for (const Tap& tap : layout.taps(pair)) {
        float sum = 0.0f;
        for (int i = 0; i < F::kLanes; ++i) sum += from[i];
        from += F::kLanes;
        if (pair.itself && tap.place == 0) continue;
        for (int i = 0; i < 2; ++i) knots[tap.knot[i]] += pair.weight * tap.share[i] * sum;
      }
    }
  }
}

template <class V>
void BackwardSlice(const Job& job, int64_t slice, char* memory, const float* upstream,
                   float* partials) {
  using Rows = FloatRows<V>;
  using F = typename V::Part;
  const simd::FlushDenormals flush;
  const int64_t blocks = job.scan.plan.block_count;
  const SlicePartials parts = FindPartials(job.scan.shape, blocks, job.effect_floats());
  ScratchArena arena = {memory, 0};
  Chunk chunk = TakeChunk(job, true, &arena);
  const PairScratch pair_scratch = TakePairScratch<F>(job, &arena);
  const SliceScratch scratch = TakeSliceScratch<Rows>(job.scan, &arena);
  ClearChunk(job, chunk);
  ClearSlice<Rows>(job.scan, scratch);
  std::memset(pair_scratch.effect, 0, job.layout->effect.size() * F::kLanes * sizeof(float));
  for (int64_t i = job.chunks.first_chunk(slice); i < job.chunks.first_chunk(slice + 1); ++i) {
    ScanChunk<V, true>(job, i, &chunk);
    for (int64_t n = chunk.passes.first_sequence; n < chunk.passes.end_sequence; ++n) {
      BackwardSequence<F>(job, chunk, n, upstream[n], pair_scratch);
    }
    ForEachTile(job.scan, &chunk.passes, [&](const Tile& tile) {
      for (int64_t block = 0; block < blocks; ++block) {
        const BlockGradients gradients = GradientsOf<Rows>(job.scan, scratch, block);
        BackwardTile<V, Rows>(job, block, tile, chunk, gradients);
      }
    });
  }
  float* const own = partials + slice * parts.total();
  std::memset(own, 0, parts.total() * sizeof(float));
  for (int64_t block = 0; block < blocks; ++block) {
    float* log_kd = own + block * parts.of_block();
    FoldSlice<Rows>(job.scan, GradientsOf<Rows>(job.scan, scratch, block), block, log_kd,
                    log_kd + parts.log_kd);
  }
  FoldEffects<F>(job, pair_scratch.effect, own + parts.of_blocks());
}

}  // namespace
}  // namespace cisreg::pairs

#endif  // CISREG_CSRC_PAIRS_BACKWARD_H_
