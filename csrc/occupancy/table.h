// K-mer tables of a block's motifs.
//
// Row k of group g holds, for every site of the block, what the motif columns 3g, 3g+1, 3g+2 on the
// three bases of k-mer k contribute to the odds p / (1 - p) = concentration / Kd that the site is
// bound. The odds of a site are the product of its rows: no exponential is left to the scan, and
// rounding errors are relative to the odds, not to their logarithm.
//
// To avoid overflow and underflow, powers of two are moved between the groups. If the odds of the
// strongest site are above 1, all of its partial products equal these odds; otherwise they fall to
// them in equal steps. The partial products of any other site are smaller, but never smaller than
// its own odds. So none overflows, and one underflows only where the odds of its site do. A row is
// at least 2^kWeakestRow. If the strongest site may be bound more strongly than products of floats
// allow, the rows of the whole block hold base-2 logarithms instead, which are added.

#ifndef CISREG_CSRC_OCCUPANCY_TABLE_H_
#define CISREG_CSRC_OCCUPANCY_TABLE_H_

#include "occupancy/kernels.h"
#include "occupancy/sites.h"
#include "occupancy/tile.h"
#include "simd/math.h"

namespace cisreg {
namespace {

constexpr float kLog2E = 1.44269504f;
constexpr float kLn2 = 0.693147181f;
// Larger energies mean the same occupancy and could overflow when they are summed.
constexpr float kMaxEnergy = 1e30f;
// The largest argument of Exp() with full precision, in nats.
constexpr float kMaxFactor = 1e4f;

// Two sites share a division, 1 / (a b). The product of two 1 + odds has to stay finite, which
// limits the odds of a block's strongest site to this power of two. Blocks with stronger sites do
// not share, and hold logarithms.
constexpr float kStrongestShared = 60.0f;
// With several conditions, four sites share it where a block's strongest site is below this power
// of two and no factor of a condition is below the other. So the product of four 1 + odds and its
// derivative stay below 2^123, and squares of their inverses times a factor above 2^-91.
constexpr float kStrongestOfFour = 30.0f;
constexpr float kWeakestFactorOfFour = -21.0f;  // in nats
// A row's significand is the product of four numbers between the square roots of 1/2 and 2, give or
// take rounding: with this power of two it is still a normal float.
constexpr float kWeakestRow = -123.0f;
// Log of the smallest factor of a condition, in nats, with which products lose no site that counts.
constexpr float kWeakestFactor = -55.0f;

// Whether the motif at a place of a block has no concentration, so that it binds nowhere.
//
// Such a motif is scanned with its block, as one of no energy and concentration 1, so that it has
// no effect on the others. Its sums are then set to zero, and its upstream gradients are taken as
// zero.
inline bool IsAbsent(const OccupancyJob& job, int64_t block, int place) {
  return job.block_absent != nullptr && job.block_absent[block * kBlockMotifs + place] != 0;
}

inline void ClearAbsent(const OccupancyJob& job, int64_t block, float (&sites)[kBlockSites]) {
  if (job.block_absent == nullptr) return;
  for (int i = 0; i < kBlockMotifs; ++i) {
    if (IsAbsent(job, block, i)) sites[i] = sites[kBlockMotifs + i] = 0.0f;
  }
}

// Rows of M numbers, one per strand, for the sites of a block; zero for absent motifs.
template <class V>
inline V GatherSites(const OccupancyJob& job, int64_t block, const float* forward,
                     const float* reverse) {
  using F = typename V::Part;
  const int32_t* motif = job.block_motif + block * kBlockMotifs;
  const auto at = [=](int site) {
    return site < kBlockMotifs ? forward[motif[site]] : reverse[motif[site - kBlockMotifs]];
  };
  if (job.block_absent == nullptr) {
    return V::Each(
        [&](int i) { return FromLanes<F>([&](int lane) { return at(i * F::kLanes + lane); }); });
  }
  float sites[kBlockSites];
  for (int site = 0; site < kBlockSites; ++site) sites[site] = at(site);
  ClearAbsent(job, block, sites);
  return V::Load(sites);
}

template <class V>
V ClampEnergy(V energy) {
  return Max(Min(energy, V::Broadcast(kMaxEnergy)), V::Broadcast(-kMaxEnergy));
}

template <class V>
float LargestLane(V value) {
  float lanes[kBlockSites];
  value.Store(lanes);
  float largest = lanes[0];
  for (float lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

// Log odds in nats that the bases of a window's column add, or zero outside the motifs and for
// absent ones.
template <class V>
void GatherColumn(const OccupancyJob& job, int64_t block, int64_t column, V (&base)[kBases + 1]) {
  const OccupancyShape& shape = job.shape;
  const int32_t* motif = job.block_motif + block * kBlockMotifs;
  const int64_t mirror = shape.width - 1 - column;
  float sites[kBases][kBlockSites] = {};
  for (int i = 0; i < kBlockMotifs; ++i) {
    if (IsAbsent(job, block, i)) continue;
    const ColumnRange& columns = job.motif_columns[motif[i]];
    const float* log_kd = job.inputs.log_kd + motif[i];
    for (int b = 0; b < kBases; ++b) {
      if (column >= columns.first && column < columns.end) {
        sites[b][i] = -log_kd[(column * kBases + b) * shape.motif_count];
      }
      if (mirror >= columns.first && mirror < columns.end) {
        sites[b][kBlockMotifs + i] =
            -log_kd[(mirror * kBases + kBases - 1 - b) * shape.motif_count];
      }
    }
  }
  for (int b = 0; b < kBases; ++b) base[b] = ClampEnergy(V::Load(sites[b]));
  base[kUnknownBase] = V::Broadcast(0.0f);
}

// Stores combine(combine(a, b), c) for every triplet of the bases of three columns whose row is
// used.
template <class V, class Term, class Combine, class Finish>
void FillRows(const uint8_t* used_rows, const Term (&column)[kGroupBases][kBases + 1],
              Combine combine, Finish finish, float* rows) {
  const uint8_t* next = kTriplets.row;
  for (const Term& a : column[0]) {
    for (const Term& b : column[1]) {
      const Term both = combine(a, b);
      for (const Term& c : column[2]) {
        const int row = *next++;
        if (used_rows[row] == 0) continue;
        finish(combine(both, c)).Store(rows + row * kBlockSites);
      }
    }
  }
}

template <class V>
void FillLogarithms(const uint8_t* used_rows, const V (&column)[kGroupBases][kBases + 1], V first,
                    float* rows) {
  const V scale = V::Broadcast(kLog2E);
  V scaled[kGroupBases][kBases + 1];
  for (int j = 0; j < kGroupBases; ++j) {
    for (int b = 0; b <= kBases; ++b) scaled[j][b] = column[j][b] * scale;
  }
  for (V& base : scaled[0]) base = base + first * scale;
  FillRows<V>(used_rows, scaled, [](V a, V b) { return a + b; }, [](V sum) { return sum; }, rows);
}

template <class V>
void FillProducts(const uint8_t* used_rows, const V (&column)[kGroupBases][kBases + 1],
                  const simd::SplitFloat<V>& first, float* rows) {
  using Factor = simd::SplitFloat<V>;
  const auto multiply = [](const Factor& a, const Factor& b) {
    return Factor{a.significand * b.significand, a.power + b.power};
  };
  const auto join = [](const Factor& factor) {
    const V power = Max(factor.power, V::Broadcast(kWeakestRow));
    return ScaleByPower(factor.significand, power + V::Broadcast(simd::kRoundingMagic));
  };
  Factor factors[kGroupBases][kBases + 1];
  for (int j = 0; j < kGroupBases; ++j) {
    for (int b = 0; b <= kBases; ++b) factors[j][b] = simd::Exp(column[j][b]);
  }
  for (Factor& base : factors[0]) base = multiply(base, first);
  FillRows<V>(used_rows, factors, multiply, join, rows);
}

// Log odds of the strongest base of each column, together.
template <class V>
V StrongestTriplet(const V (&column)[kGroupBases][kBases + 1]) {
  V strongest = V::Broadcast(0.0f);
  for (const auto& base : column) {
    V best = base[kUnknownBase];
    for (int b = 0; b < kBases; ++b) best = Max(best, base[b]);
    strongest = strongest + best;
  }
  return strongest;
}

template <class V>
using GroupEnergies = V[kGroupBases][kBases + 1];

// The energies of a group are first stored at the start of the rows that they will fill.
template <class V>
void LoadEnergies(const float* rows, GroupEnergies<V>& column) {
  for (auto& base : column) {
    for (V& energy : base) {
      energy = V::Load(rows);
      rows += kBlockSites;
    }
  }
}

// How strong a block's sites can be.
template <class V>
struct BlockStrength {
  V strongest;    // log odds of the strongest site, nats
  float largest;  // largest absolute value of any number in them, nats
};

template <class V>
BlockStrength<V> GatherEnergies(const OccupancyJob& job, int64_t block, V concentration,
                                float* rows) {
  const V zero = V::Broadcast(0.0f);
  const BlockColumns columns = job.block_scanned[block];
  V strongest = zero;
  V largest = Max(concentration, zero - concentration);
  for (int64_t group = 0; group < columns.group_count; ++group) {
    GroupEnergies<V> column;
    for (int j = 0; j < kGroupBases; ++j) {
      GatherColumn(job, block, columns.first + group * kGroupBases + j, column[j]);
    }
    float* to = rows + group * kGroupFloats;
    for (const auto& base : column) {
      for (const V& energy : base) {
        energy.Store(to);
        to += kBlockSites;
        largest = Max(largest, Max(energy, zero - energy));
      }
    }
    strongest = strongest + StrongestTriplet(column);
  }
  largest = Max(largest, strongest);
  return {strongest + concentration, LargestLane(largest)};
}

inline int32_t ChooseSitesPerDivision(bool several, float strongest_power, float largest,
                                      float weakest_factor) {
  const bool strong = largest > kMaxFactor || strongest_power > kStrongestShared;
  if (strong || weakest_factor < kWeakestFactor) return 1;
  const bool four = strongest_power <= kStrongestOfFour && weakest_factor >= kWeakestFactorOfFour;
  return several && four ? 4 : 2;
}

template <class V>
void FillProductTable(const uint8_t* used_rows, V concentration, V strongest, int64_t group_count,
                      float* rows) {
  const simd::SplitFloat<V> odds = simd::Exp(concentration);
  // The power of two that has been taken out of all groups so far. After the last group it is minus
  // that of the concentration, which is put in this way.
  V taken = V::Broadcast(0.0f);
  V passed = V::Broadcast(0.0f);
  for (int64_t group = 0; group < group_count; ++group, rows += kGroupFloats) {
    GroupEnergies<V> column;
    LoadEnergies(rows, column);
    passed = passed + StrongestTriplet(column);
    const V share = Max(strongest, strongest * V::Broadcast((group + 1.0f) / group_count));
    const bool last = group + 1 == group_count;
    const V take = last ? V::Broadcast(0.0f) - odds.power
                        : simd::Round((passed - share) * V::Broadcast(kLog2E));
    const V significand = group == 0 ? odds.significand : V::Broadcast(1.0f);
    FillProducts(used_rows, column, {significand, taken - take}, rows);
    taken = take;
  }
}

template <class V>
void FillLogarithmTable(const uint8_t* used_rows, V concentration, int64_t group_count,
                        float* rows) {
  for (int64_t group = 0; group < group_count; ++group, rows += kGroupFloats) {
    GroupEnergies<V> column;
    LoadEnergies(rows, column);
    FillLogarithms(used_rows, column, group == 0 ? concentration : V::Broadcast(0.0f), rows);
  }
}

inline float ClampConcentration(float log_concentration) {
  const float most = log_concentration < kMaxEnergy ? log_concentration : kMaxEnergy;
  return most > -kMaxEnergy ? most : -kMaxEnergy;
}

// Calls take(log, base, factor) for each place of a block in each condition: the log concentration
// there and the base concentration, both in nats and clamped, and where the factor of the forward
// site is. `log` is minus infinity where the motif is absent.
template <class Take>
void ForEachFactor(const OccupancyJob& job, int64_t block, const Take& take) {
  const int32_t* motif = job.block_motif + block * kBlockMotifs;
  float* factor = job.factors + block * job.inputs.condition_count * kBlockSites;
  for (int64_t condition = 0; condition < job.inputs.condition_count; ++condition) {
    const float* own = job.inputs.log_concentration + condition * job.shape.motif_count;
    for (int i = 0; i < kBlockMotifs; ++i) {
      const float log = own[motif[i]];
      const float base = ClampConcentration(job.base_concentration[motif[i]]);
      take(log == -__builtin_inff() ? log : ClampConcentration(log), base, factor + i);
    }
    factor += kBlockSites;
  }
}

// The least factor of a motif that is there, in nats.
inline float FindWeakestFactor(const OccupancyJob& job, int64_t block) {
  float least = 0.0f;
  ForEachFactor(job, block, [&](float log, float base, float*) {
    if (log != -__builtin_inff() && log - base < least) least = log - base;
  });
  return least;
}

// What the table's rows are multiplied with in each condition; 0 where a motif is absent. Where
// rows are logarithms they hold no concentration, and this is it, as a base-2 logarithm.
template <class V>
void FillFactors(const OccupancyJob& job, int64_t block, bool logarithms) {
  ForEachFactor(job, block, [=](float log, float base, float* factor) {
    const bool absent = log == -__builtin_inff();
    factor[0] = logarithms ? log * kLog2E : absent ? log : log - base;
    factor[kBlockMotifs] = factor[0];
  });
  if (logarithms) return;
  float* factor = job.factors + block * job.inputs.condition_count * kBlockSites;
  for (int64_t i = 0; i < job.inputs.condition_count; ++i, factor += kBlockSites) {
    const V log = V::Load(factor), least = V::Broadcast(kWeakestFactor), one = V::Broadcast(1.0f);
    // 1 where the motif is there: its log is not below the least.
    const V present = Max(Min(log - least + one, one), V::Broadcast(0.0f));
    const simd::SplitFloat<V> exponential = simd::Exp(Max(log, least));
    const V power = exponential.power + V::Broadcast(simd::kRoundingMagic);
    (ScaleByPower(exponential.significand, power) * present).Store(factor);
  }
}

template <class V>
void BuildTable(const OccupancyJob& job, int64_t block) {
  float* const table = job.table(block);
  const int64_t group_count = job.block_scanned[block].group_count;
  const float* base = job.base_concentration;
  const V concentration = ClampEnergy(GatherSites<V>(job, block, base, base));
  const auto [strongest, largest] = GatherEnergies(job, block, concentration, table);
  const bool several = job.inputs.several();
  const float weakest_factor = several ? FindWeakestFactor(job, block) : 0.0f;
  const int32_t sites =
      ChooseSitesPerDivision(several, LargestLane(strongest) * kLog2E, largest, weakest_factor);
  job.sites_per_division[block] = sites;
  if (several) FillFactors<V>(job, block, sites == 1);
  if (sites == 1) {
    const V own = several ? V::Broadcast(0.0f) : concentration;
    FillLogarithmTable(job.used_rows, own, group_count, table);
  } else {
    FillProductTable(job.used_rows, concentration, strongest, group_count, table);
  }
  if (!job.inputs.weighted()) return;
  const int64_t windows = job.shape.window_count;
  const int64_t motifs = job.shape.motif_count;
  const int64_t sets = job.inputs.weight_sets;
  float* to = job.block_weight + block * windows * sets * kBlockSites;
  for (int64_t window = 0; window < windows; ++window) {
    for (int64_t set = 0; set < sets; ++set, to += kBlockSites) {
      const float* forward =
          job.inputs.position_weight + (set * kStrands * windows + window) * motifs;
      GatherSites<V>(job, block, forward, forward + windows * motifs).Store(to);
    }
  }
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_TABLE_H_
