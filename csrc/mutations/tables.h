// The tables of a block, one vector of all its sites after the other:
//   [pairs, 25]         by pair of columns and pair of bases: what they multiply the odds with; 1
//                       for unknown bases; the first pair has the concentration in it
//   [4, width, 3]       by base, column and other base: what the other one in its place multiplies
//                       the odds with; 0 in columns that a site does not have
//   [width]             0 in the columns that a site has, else 1
//   [L + width - 1]     where there are any, position weights by the position of the first column
// Blocks of logarithms hold the base-2 logarithms of the first two, which are added.
//
// Everything here has internal linkage, as in occupancy/tile.h.

#ifndef CISREG_CSRC_MUTATIONS_TABLES_H_
#define CISREG_CSRC_MUTATIONS_TABLES_H_

#include "mutations/kernels.h"
#include "occupancy/sites.h"
#include "simd/math.h"

namespace cisreg::mutations {
namespace {

constexpr float kLog2E = 1.44269504f;
// Larger energies mean the same occupancy and could overflow when they are summed.
constexpr float kMaxEnergy = 1e30f;
// A logarithm that nothing which is added makes larger than those of odds that are zero.
constexpr float kNever = -1e37f;
// The least power of two that tables hold.
constexpr float kWeakest = -123.0f;

struct Tables {
  Tables(float* floats, const Block& block)
      : factor(floats),
        ratio(factor + PairsOf(block.width) * kBasePairs * kBlockSites),
        foreign(ratio + int64_t{block.width} * kBases * kOtherBases * kBlockSites),
        weight(foreign + int64_t{block.width} * kBlockSites),
        width(block.width) {}

  // Those of a base, [width, 3].
  float* RatiosOf(int64_t base) const { return ratio + base * width * kOtherBases * kBlockSites; }

  float* factor;
  float* ratio;
  float* foreign;
  float* weight;
  int64_t width;
};

// The other base number `other`, of 0 to 2, of a base.
constexpr int OtherBase(int base, int other) { return other < base ? other : other + 1; }

// What the base adds to the log odds of a site, in nats.
inline float LogOdds(const Problem& problem, const Site& site, int64_t column, int base) {
  const OccupancyShape& shape = problem.shape;
  const int64_t in_window = site.first_column + column;
  const int64_t row = site.strand == 0 ? in_window * kBases + base
                                       : (shape.width - 1 - in_window) * kBases + kBases - 1 - base;
  const float log_odds = -problem.inputs.log_kd[row * shape.motif_count + site.motif];
  return log_odds > kMaxEnergy ? kMaxEnergy : (log_odds < -kMaxEnergy ? -kMaxEnergy : log_odds);
}

// e^x, or the base-2 logarithm of it.
template <class F>
void StoreExp(Strength strength, const float (&nats)[kBlockSites], float* to) {
  for (int i = 0; i < kBlockSites; i += F::kLanes) {
    const F x = F::Load(nats + i);
    if (strength == Strength::kLogarithms) {
      (x * F::Broadcast(kLog2E)).Store(to + i);
      continue;
    }
    const simd::SplitFloat<F> e = simd::Exp(Max(x, F::Broadcast(-1e4f)));
    const F power = Max(e.power, F::Broadcast(kWeakest));
    ScaleByPower(e.significand, power + F::Broadcast(simd::kRoundingMagic)).Store(to + i);
  }
}

// Nats that the bases of a column add, by base code.
using ColumnNats = float[kBaseCodes][kBlockSites];

inline void GatherColumn(const Problem& problem, const Block& block, int64_t column,
                         ColumnNats& nats) {
  for (int i = 0; i < kBlockSites; ++i) {
    const bool own = column < block.site[i].width;
    for (int base = 0; base < kBases; ++base) {
      nats[base][i] = own ? LogOdds(problem, block.site[i], column, base) : 0.0f;
    }
    nats[kUnknownBase][i] = 0.0f;
  }
}

template <class F>
void BuildRatios(const Block& block, const Tables& tables, int64_t column, const ColumnNats& nats) {
  const float none = block.strength == Strength::kLogarithms ? kNever : 0.0f;
  for (int base = 0; base < kBases; ++base) {
    for (int other = 0; other < kOtherBases; ++other) {
      float change[kBlockSites];
      float* const to = tables.RatiosOf(base) + (column * kOtherBases + other) * kBlockSites;
      for (int i = 0; i < kBlockSites; ++i) {
        change[i] = nats[OtherBase(base, other)][i] - nats[base][i];
      }
      StoreExp<F>(block.strength, change, to);
      for (int i = 0; i < kBlockSites; ++i) {
        if (column >= block.site[i].width) to[i] = none;
      }
    }
  }
  for (int i = 0; i < kBlockSites; ++i) {
    tables.foreign[column * kBlockSites + i] = column < block.site[i].width ? 0.0f : 1.0f;
  }
}

// The factors of a pair of columns, times `first`.
template <class F>
void BuildPair(Strength strength, const ColumnNats (&nats)[2], const float* first, float* to) {
  ColumnNats factor[2];
  for (int k = 0; k < 2; ++k) {
    for (int base = 0; base < kBaseCodes; ++base) {
      StoreExp<F>(strength, nats[k][base], factor[k][base]);
    }
  }
  for (int base = 0; base < kBasePairs; ++base, to += kBlockSites) {
    for (int i = 0; i < kBlockSites; i += F::kLanes) {
      const F a = F::Load(factor[0][base / kBaseCodes] + i);
      const F b = F::Load(factor[1][base % kBaseCodes] + i);
      const F c = F::Load(first + i);
      (strength == Strength::kLogarithms ? c + a + b : c * a * b).Store(to + i);
    }
  }
}

// Window of a site whose first column is at `position`.
inline int64_t WindowAt(const OccupancyShape& shape, const Site& site, int64_t position) {
  return position - site.first_column - shape.first_start;
}

inline void BuildWeights(const Problem& problem, const Block& block, float* to) {
  const OccupancyShape& shape = problem.shape;
  for (int64_t position = 1 - block.width; position < shape.length; ++position) {
    for (const Site& site : block.site) {
      const int64_t window = WindowAt(shape, site, position);
      const bool exists = site.motif >= 0 && window >= 0 && window < shape.window_count;
      const int64_t row = site.strand * shape.window_count + window;
      *to++ = exists ? problem.inputs.position_weight[row * shape.motif_count + site.motif] : 0.0f;
    }
  }
}

template <class F>
void BuildTables(const Job& job, const Block& block) {
  const Problem& problem = *job.problem;
  const Tables tables(job.tables + block.tables, block);
  float nats[kBlockSites] = {}, first[kBlockSites];
  for (int i = 0; i < kBlockSites; ++i) {
    const int32_t motif = block.site[i].motif;
    if (motif >= 0) nats[i] = problem.inputs.log_concentration[motif];
  }
  StoreExp<F>(block.strength, nats, first);
  for (int64_t pair = 0; pair < PairsOf(block.width); ++pair) {
    ColumnNats columns[2];
    for (int k = 0; k < 2; ++k) {
      GatherColumn(problem, block, 2 * pair + k, columns[k]);
      if (2 * pair + k < block.width) BuildRatios<F>(block, tables, 2 * pair + k, columns[k]);
    }
    BuildPair<F>(block.strength, columns, first, tables.factor + pair * kBasePairs * kBlockSites);
    const float one = block.strength == Strength::kLogarithms ? 0.0f : 1.0f;
    for (float& each : first) each = one;
  }
  if (problem.inputs.weighted()) BuildWeights(problem, block, tables.weight);
}

}  // namespace
}  // namespace cisreg::mutations

#endif  // CISREG_CSRC_MUTATIONS_TABLES_H_
