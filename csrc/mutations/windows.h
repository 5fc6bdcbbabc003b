// The windows of a piece, as the sequence is: the odds of every site, and what a mutation removes.
//
// Everything here has internal linkage, as in occupancy/tile.h.

#ifndef CISREG_CSRC_MUTATIONS_WINDOWS_H_
#define CISREG_CSRC_MUTATIONS_WINDOWS_H_

#include "mutations/tables.h"
#include "occupancy/windows.h"

namespace cisreg::mutations {
namespace {

// 1 / 2^125, as Exp2 gives it: taken off, so that the odds of what is not there are exactly zero.
template <class F>
inline F LeastOdds() {
  return simd::Exp2(F::Broadcast(-simd::kMaxExponent));
}

// Odds of a site once a factor is put in.
template <class F, bool kLogarithms>
inline F OddsWith(F odds, F factor) {
  if constexpr (!kLogarithms) return odds * factor;
  return simd::Exp2(simd::ClampExponent(odds + factor)) - LeastOdds<F>();
}

// log2(1 + odds) of a site once a factor is put in; also where the odds are beyond those of Exp2.
template <class F, bool kLogarithms>
inline F LogBoundWith(F odds, F factor) {
  const F bound = simd::Log2OnePlus(OddsWith<F, kLogarithms>(odds, factor));
  return kLogarithms ? Max(bound, odds + factor) : bound;
}

// Memory of one thread. Arrays begin at the first window that a position of the piece lies in.
struct Scratch {
  float* odds;    // [windows, kBlockSites], or their logarithms
  float* bound;   // the occupancy of each site, or log2(1 + odds)
  float* acting;  // position weight times occupancy
  float* sums;    // [2, positions, 3, kBlockSites], of all blocks
  // From the piece's begin - (most_width - 1) on; unknown beyond the sequence.
  uint8_t* codes;
  uint8_t* pairs;  // 5 times each code, plus the next one

  static int64_t Windows(const Layout& layout) {
    return layout.piece_positions + layout.most_width - 1;
  }
  // One more than lie below the windows, since pairs of columns may reach behind the last.
  static int64_t Positions(const Layout& layout) {
    return layout.piece_positions + 2 * layout.most_width - 1;
  }
};

inline int64_t ScratchFloats(const Layout& layout) {
  const int64_t sums = 2 * layout.piece_positions * kOtherBases;
  return (3 * Scratch::Windows(layout) + sums) * kBlockSites + Scratch::Positions(layout) / 2 + 1;
}

inline Scratch TakeScratch(const Layout& layout, float* floats) {
  const int64_t each = Scratch::Windows(layout) * kBlockSites;
  Scratch scratch;
  scratch.odds = floats;
  scratch.bound = scratch.odds + each;
  scratch.acting = scratch.bound + each;
  scratch.sums = scratch.acting + each;
  scratch.codes = reinterpret_cast<uint8_t*>(scratch.sums + 2 * layout.piece_positions *
                                                                kOtherBases * kBlockSites);
  scratch.pairs = scratch.codes + Scratch::Positions(layout);
  return scratch;
}

inline void ReadCodes(const Job& job, const Piece& piece, const Scratch& scratch) {
  const int64_t length = job.problem->shape.length;
  const uint8_t* sequence = job.problem->inputs.sequence + piece.sequence * length;
  const int64_t first = piece.begin - (job.layout->most_width - 1);
  const int64_t positions = piece.end + job.layout->most_width - first;
  for (int64_t i = 0; i < positions; ++i) {
    const int64_t at = first + i;
    scratch.codes[i] = at >= 0 && at < length ? sequence[at] : kUnknownBase;
  }
  for (int64_t i = 0; i + 1 < positions; ++i) {
    scratch.pairs[i] = static_cast<uint8_t>(kBaseCodes * scratch.codes[i] + scratch.codes[i + 1]);
  }
}

// For each site, windows [first, end) count, numbered from the first of the piece.
struct CountedWindows {
  float first[kBlockSites];
  float end[kBlockSites];
};

inline int64_t Clamp(int64_t x, int64_t least, int64_t most) {
  return x < least ? least : (x > most ? most : x);
}

inline CountedWindows FindCounted(const Problem& problem, const Block& block, const Piece& piece,
                                  int64_t windows) {
  const OccupancyShape& shape = problem.shape;
  const int64_t first_position = piece.begin - (block.width - 1);
  Span span = {};
  if (problem.inputs.span != nullptr) span = FindSpan(shape, problem.inputs, piece.sequence);
  CountedWindows counted;
  for (int i = 0; i < kBlockSites; ++i) {
    const Site& site = block.site[i];
    // Where the first base of the whole window lies, from the first position on.
    int64_t first = shape.first_start;
    int64_t end = shape.first_start + shape.window_count;
    if (problem.inputs.span != nullptr) {
      const bool none = site.counted_first >= site.counted_end || span.begin >= span.end;
      const int64_t span_first = span.begin - site.counted_end + 1;
      const int64_t span_end = span.end - site.counted_first;
      if (span_first > first) first = span_first;
      if (span_end < end) end = span_end;
      if (none) end = first;
    }
    const int64_t shift = site.first_column - first_position;
    counted.first[i] = static_cast<float>(Clamp(first + shift, 0, windows));
    counted.end[i] = site.motif < 0 ? 0.0f : static_cast<float>(Clamp(end + shift, 0, windows));
  }
  return counted;
}

// 1 where window number `at` counts, else 0.
template <class F>
inline F Counts(const CountedWindows& counted, int sites, float at) {
  const F one = F::Broadcast(1.0f);
  const F window = F::Broadcast(at);
  const F behind = window - F::Load(counted.first + sites) + one;
  const F before = F::Load(counted.end + sites) - window;
  return Max(Min(Min(behind, before), one), F::Broadcast(0.0f));
}

// The odds of one window, or their logarithms, from the pairs of codes below it.
template <class F, bool kLogarithms>
inline F ScanWindow(const Tables& tables, const uint8_t* pairs, int sites) {
  const float* rows = tables.factor + sites;
  F odds = F::Load(rows + pairs[0] * kBlockSites);
  for (int64_t column = 2; column < tables.width; column += 2) {
    rows += kBasePairs * kBlockSites;
    const F factor = F::Load(rows + pairs[column] * kBlockSites);
    odds = kLogarithms ? odds + factor : odds * factor;
  }
  return odds;
}

template <class F, Reduction kReduction, bool kWeighted, bool kLogarithms>
void ScanWindows(const Job& job, const Block& block, const Piece& piece, const Scratch& scratch) {
  const Tables tables(job.tables + block.tables, block);
  const int64_t windows = piece.end - piece.begin + block.width - 1;
  const CountedWindows counted = FindCounted(*job.problem, block, piece, windows);
  const uint8_t* pairs = scratch.pairs + job.layout->most_width - block.width;
  const float* weight = kWeighted ? tables.weight + piece.begin * kBlockSites : nullptr;
  const F zero = F::Broadcast(0.0f), one = F::Broadcast(1.0f);
  for (int64_t window = 0; window < windows; ++window) {
    for (int sites = 0; sites < kBlockSites; sites += F::kLanes) {
      const int64_t place = window * kBlockSites + sites;
      const F counts = Counts<F>(counted, sites, static_cast<float>(window));
      F kept = ScanWindow<F, kLogarithms>(tables, pairs + window, sites);
      kept = kLogarithms ? MultiplyAdd(one - counts, F::Broadcast(kNever), kept) : kept * counts;
      kept.Store(scratch.odds + place);
      const F factor = kLogarithms ? zero : one;
      const F odds = OddsWith<F, kLogarithms>(kept, factor);
      const F occupancy = odds / (odds + one);
      const F bound = kReduction == Reduction::kExpected
                          ? occupancy
                          : LogBoundWith<F, kLogarithms>(kept, factor);
      bound.Store(scratch.bound + place);
      if (kWeighted) (occupancy * F::Load(weight + place)).Store(scratch.acting + place);
    }
  }
}

}  // namespace
}  // namespace cisreg::mutations

#endif  // CISREG_CSRC_MUTATIONS_WINDOWS_H_
