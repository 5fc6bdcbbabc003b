// The mutations of a piece: for each position and each other base, all sites that lie on it.
//
// The occupancies of up to four mutated sites share one division. No exponential is left to do,
// except in blocks of logarithms.
//
// Everything here has internal linkage, as in occupancy/tile.h.

#ifndef CISREG_CSRC_MUTATIONS_PIECE_H_
#define CISREG_CSRC_MUTATIONS_PIECE_H_

#include "mutations/windows.h"

namespace cisreg::mutations {
namespace {

constexpr float kLn2 = 0.693147181f;

constexpr int SitesPerDivision(Strength strength) {
  return strength == Strength::kFourPerDivision ? 4
                                                : (strength == Strength::kTwoPerDivision ? 2 : 1);
}

// Occupancies of a few sites, added up: bound / (1 + odds). 1 + odds is the product of those of the
// sites; it is kept minus 1, so that weak sites keep their precision.
template <class F>
struct Bound {
  F odds;
  F bound;   // unused where log2(1 + odds) is asked for
  F acting;  // the same weighted; unused without weights
};

template <class F, Reduction kReduction, bool kWeighted>
inline Bound<F> Join(const Bound<F>& a, const Bound<F>& b) {
  const F one = F::Broadcast(1.0f);
  const F a1 = a.odds + one, b1 = b.odds + one;
  Bound<F> both;
  both.odds = MultiplyAdd(a.odds, b1, b.odds);
  if (kReduction == Reduction::kExpected) both.bound = MultiplyAdd(a.bound, b1, b.bound * a1);
  if (kWeighted) both.acting = MultiplyAdd(a.acting, b1, b.acting * a1);
  return both;
}

// Two sites: bound / (1 + odds) with fewer multiplications.
template <class F, Reduction kReduction, bool kWeighted>
inline Bound<F> Pair(F a, F b, F a_weight, F b_weight) {
  const F product = a * b;
  const F sum = a + b;
  Bound<F> both;
  both.odds = sum + product;
  if (kReduction == Reduction::kExpected) both.bound = both.odds + product;
  if (kWeighted) both.acting = MultiplyAdd(a + product, a_weight, (b + product) * b_weight);
  return both;
}

template <class F, Reduction kReduction, bool kWeighted, int kSites>
inline Bound<F> JoinAll(const F (&odds)[kSites], const F (&weight)[kSites]) {
  using Parts = Bound<F>;
  const auto pair = [&](int i) {
    return Pair<F, kReduction, kWeighted>(odds[i], odds[i + 1], weight[i], weight[i + 1]);
  };
  const auto single = [&](int i) {
    return Parts{odds[i], odds[i], kWeighted ? odds[i] * weight[i] : odds[i]};
  };
  if constexpr (kSites == 1) return single(0);
  if constexpr (kSites == 2) return pair(0);
  if constexpr (kSites == 3) return Join<F, kReduction, kWeighted>(pair(0), single(2));
  if constexpr (kSites == 4) return Join<F, kReduction, kWeighted>(pair(0), pair(2));
}

// The change of the sites that lie on a position, once it is another base.
template <class F>
struct Change {
  F bound;
  F acting;
};

template <int kNumber>
struct Count {
  static constexpr int value = kNumber;
};

// Where the sites of a position are: window of column 0, others before it.
struct Place {
  const float* odds;
  const float* bound;
  const float* acting;
  const float* weight;
  const float* ratio;    // [width, 3]
  const float* foreign;  // [width]
};

// Sums of the values of some windows, the first one's at `from`, others before it.
template <class F, int kSites>
inline F SumWindows(const float* from) {
  if constexpr (kSites == 1) return F::Load(from);
  if constexpr (kSites == 2) return F::Load(from) + F::Load(from - kBlockSites);
  if constexpr (kSites > 2) {
    return SumWindows<F, 2>(from) + SumWindows<F, kSites - 2>(from - 2 * kBlockSites);
  }
}

// Adds kSites columns from `column` on: to `before`, what the sites are as the sequence is, and to
// `after`, with each other base.
template <class F, Reduction kReduction, bool kWeighted, bool kLogarithms, int kSites>
__attribute__((always_inline)) inline void AddColumns(const Place& place, int64_t column,
                                                      Change<F>* before,
                                                      Change<F> (&after)[kOtherBases]) {
  const int64_t first = column * kBlockSites;
  before->bound = before->bound + SumWindows<F, kSites>(place.bound - first);
  if (kWeighted) before->acting = before->acting + SumWindows<F, kSites>(place.acting - first);
  F kept[kSites], weight[kSites];
  for (int k = 0; k < kSites; ++k) {
    const int64_t window = (column + k) * kBlockSites;
    kept[k] = F::Load(place.odds - window);
    if (kWeighted) weight[k] = F::Load(place.weight - window);
  }
  for (int other = 0; other < kOtherBases; ++other) {
    F odds[kSites];
    for (int k = 0; k < kSites; ++k) {
      const int64_t row = (column + k) * kOtherBases + other;
      odds[k] = OddsWith<F, kLogarithms>(kept[k], F::Load(place.ratio + row * kBlockSites));
    }
    const Bound<F> all = JoinAll<F, kReduction, kWeighted, kSites>(odds, weight);
    Change<F>& to = after[other];
    if (kReduction == Reduction::kLogUnbound) {
      if constexpr (kLogarithms) {
        const F ratio = F::Load(place.ratio + (column * kOtherBases + other) * kBlockSites);
        to.bound = to.bound + LogBoundWith<F, true>(kept[0], ratio);
      } else {
        to.bound = to.bound + simd::Log2OnePlus(all.odds);
      }
      if (kWeighted) to.acting = to.acting + all.acting / (all.odds + F::Broadcast(1.0f));
    } else if (!kWeighted) {
      to.bound = to.bound + all.bound / (all.odds + F::Broadcast(1.0f));
    } else {
      const F inverse = F::Broadcast(1.0f) / (all.odds + F::Broadcast(1.0f));
      to.bound = MultiplyAdd(all.bound, inverse, to.bound);
      to.acting = MultiplyAdd(all.acting, inverse, to.acting);
    }
  }
}

// The changes of one vector of sites by each other base. Inlined, so that sums stay in registers.
template <class F, Reduction kReduction, bool kWeighted, Strength kStrength>
__attribute__((always_inline)) inline void FindChanges(const Place& place, const Block& block,
                                                       Change<F> (&change)[kOtherBases]) {
  constexpr int kSites = SitesPerDivision(kStrength);
  constexpr bool kLogarithms = kStrength == Strength::kLogarithms;
  const F zero = F::Broadcast(0.0f);
  const int64_t width = block.width;
  Change<F> before = {zero, zero};
  // Columns that some sites do not have are added with those of all others, and taken off here.
  for (int64_t column = block.least_width; column < width; ++column) {
    const int64_t window = column * kBlockSites;
    const F foreign = F::Load(place.foreign + window);
    before.bound = before.bound - foreign * F::Load(place.bound - window);
    if (kWeighted) before.acting = before.acting - foreign * F::Load(place.acting - window);
  }
  for (Change<F>& each : change) each = {zero, zero};
  const auto add = [&](auto sites, int64_t column) __attribute__((always_inline)) {
    AddColumns<F, kReduction, kWeighted, kLogarithms, decltype(sites)::value>(place, column,
                                                                              &before, change);
  };
  int64_t column = 0;
  for (; column + kSites <= width; column += kSites) add(Count<kSites>(), column);
  if constexpr (kSites == 4) {
    if (width - column == 3) add(Count<3>(), column);
    if (width - column == 2) add(Count<2>(), column);
  }
  if constexpr (kSites >= 2) {
    if (width - column == 1) add(Count<1>(), column);
  }
  for (Change<F>& each : change) {
    each.bound = each.bound - before.bound;
    if (kWeighted) each.acting = each.acting - before.acting;
  }
}

// Adds up the changes of all blocks, each multiplied with its site's factors.
template <class F, bool kWeighted>
struct SumTaker {
  SumTaker(const Job& job, const Block& block, const Piece& piece, const Scratch& scratch)
      : sums(scratch.sums), stride((piece.end - piece.begin) * kOtherBases * kBlockSites) {
    const int64_t motifs = job.problem->shape.motif_count;
    const float scale = job.problem->reduction == Reduction::kExpected ? 1.0f : -kLn2;
    for (int i = 0; i < kBlockSites; ++i) {
      const Site& site = block.site[i];
      const int64_t at = site.strand * motifs + site.motif;
      bound_factor[i] = site.motif < 0 ? 0.0f : scale * job.factors.bound[at];
      acting_factor[i] = site.motif < 0 ? 0.0f : job.factors.acting[at];
      if (!kWeighted) acting_factor[i] *= scale;
    }
  }

  void Take(int64_t position, int, int sites, const Change<F> (&change)[kOtherBases]) const {
    const F bound = F::Load(bound_factor + sites), acting = F::Load(acting_factor + sites);
    float* to = sums + position * kOtherBases * kBlockSites + sites;
    for (const Change<F>& each : change) {
      MultiplyAdd(each.bound, bound, F::Load(to)).Store(to);
      float* const second = to + stride;
      const F acts = kWeighted ? each.acting : each.bound;
      MultiplyAdd(acts, acting, F::Load(second)).Store(second);
      to += kBlockSites;
    }
  }

  float* sums;
  int64_t stride;
  float bound_factor[kBlockSites];
  float acting_factor[kBlockSites];
};

// Writes the changes of each site to its place.
template <class F, bool kWeighted>
struct ChangeTaker {
  ChangeTaker(const Job& job, const Block& block, const Piece& piece, const Scratch&)
      : block(block),
        changes(job.changes),
        motifs(job.problem->shape.motif_count),
        first(piece.sequence * job.problem->shape.length + piece.begin),
        scale(job.problem->reduction == Reduction::kExpected ? 1.0f : -kLn2) {}

  void Write(F values, float factor, int sites, int64_t row, float* to) const {
    float lanes[F::kLanes];
    (values * F::Broadcast(factor)).Store(lanes);
    for (int lane = 0; lane < F::kLanes; ++lane) {
      const Site& site = block.site[sites + lane];
      if (site.motif >= 0) to[(row * kStrands + site.strand) * motifs + site.motif] = lanes[lane];
    }
  }

  void Take(int64_t position, int base, int sites, const Change<F> (&change)[kOtherBases]) const {
    for (int other = 0; other < kOtherBases; ++other) {
      const int64_t row = (first + position) * kBases + OtherBase(base, other);
      Write(change[other].bound, scale, sites, row, changes.bound);
      if (kWeighted) Write(change[other].acting, 1.0f, sites, row, changes.weighted);
    }
  }

  const Block& block;
  const Changes& changes;
  int64_t motifs;
  int64_t first;
  float scale;
};

template <class F, Reduction kReduction, bool kWeighted, Strength kStrength, class Taker>
void MutateBlock(const Job& job, const Block& block, const Piece& piece, const Scratch& scratch) {
  ScanWindows<F, kReduction, kWeighted, kStrength == Strength::kLogarithms>(job, block, piece,
                                                                            scratch);
  const Tables tables(job.tables + block.tables, block);
  const Taker taker(job, block, piece, scratch);
  const uint8_t* codes = scratch.codes + job.layout->most_width - 1;
  for (int64_t position = 0; position < piece.end - piece.begin; ++position) {
    const int base = codes[position];
    if (base == kUnknownBase) continue;
    for (int sites = 0; sites < kBlockSites; sites += F::kLanes) {
      const int64_t at = (position + block.width - 1) * kBlockSites + sites;
      const float* const weight =
          kWeighted ? tables.weight + piece.begin * kBlockSites + at : nullptr;
      const Place place = {scratch.odds + at,
                           scratch.bound + at,
                           scratch.acting + at,
                           weight,
                           tables.RatiosOf(base) + sites,
                           tables.foreign + sites};
      Change<F> change[kOtherBases];
      FindChanges<F, kReduction, kWeighted, kStrength>(place, block, change);
      taker.Take(position, base, sites, change);
    }
  }
}

template <class F, Reduction kReduction, bool kWeighted, class Taker>
void MutateBlocks(const Job& job, const Piece& piece, const Scratch& scratch) {
  for (const Block& block : job.layout->blocks) {
    switch (block.strength) {
      case Strength::kFourPerDivision:
        MutateBlock<F, kReduction, kWeighted, Strength::kFourPerDivision, Taker>(job, block, piece,
                                                                                 scratch);
        break;
      case Strength::kTwoPerDivision:
        MutateBlock<F, kReduction, kWeighted, Strength::kTwoPerDivision, Taker>(job, block, piece,
                                                                                scratch);
        break;
      case Strength::kLogarithms:
        MutateBlock<F, kReduction, kWeighted, Strength::kLogarithms, Taker>(job, block, piece,
                                                                            scratch);
        break;
    }
  }
}

inline void WriteSums(const Job& job, const Piece& piece, const Scratch& scratch) {
  const int64_t positions = piece.end - piece.begin;
  const uint8_t* codes = scratch.codes + job.layout->most_width - 1;
  const float* from = scratch.sums;
  for (double* to : {job.sums.bound, job.sums.acting}) {
    to += (piece.sequence * job.problem->shape.length + piece.begin) * kBases;
    for (int64_t position = 0; position < positions; ++position, to += kBases) {
      for (int other = 0; other < kOtherBases; ++other, from += kBlockSites) {
        if (codes[position] == kUnknownBase) continue;
        double sum = 0;
        for (int i = 0; i < kBlockSites; ++i) sum += from[i];
        to[OtherBase(codes[position], other)] = sum;
      }
    }
  }
}

template <class F, Reduction kReduction, bool kWeighted>
void MutateSites(const Job& job, const Piece& piece, const Scratch& scratch) {
  if (job.sums.bound == nullptr) {
    return MutateBlocks<F, kReduction, kWeighted, ChangeTaker<F, kWeighted>>(job, piece, scratch);
  }
  const int64_t sums = 2 * (piece.end - piece.begin) * kOtherBases * kBlockSites;
  for (int64_t i = 0; i < sums; ++i) scratch.sums[i] = 0.0f;
  MutateBlocks<F, kReduction, kWeighted, SumTaker<F, kWeighted>>(job, piece, scratch);
  WriteSums(job, piece, scratch);
}

template <class F>
void MutatePiece(const Job& job, const Piece& piece, float* floats) {
  const Scratch scratch = TakeScratch(*job.layout, floats);
  ReadCodes(job, piece, scratch);
  const bool weighted = job.problem->inputs.weighted();
  const bool expected = job.problem->reduction == Reduction::kExpected;
  const auto mutate = expected ? (weighted ? MutateSites<F, Reduction::kExpected, true>
                                           : MutateSites<F, Reduction::kExpected, false>)
                               : (weighted ? MutateSites<F, Reduction::kLogUnbound, true>
                                           : MutateSites<F, Reduction::kLogUnbound, false>);
  mutate(job, piece, scratch);
}

}  // namespace
}  // namespace cisreg::mutations

#endif  // CISREG_CSRC_MUTATIONS_PIECE_H_
