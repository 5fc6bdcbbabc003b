// The scan: odds of the sites of a block, window by window, and the occupancies that follow.

#ifndef CISREG_CSRC_OCCUPANCY_SCAN_H_
#define CISREG_CSRC_OCCUPANCY_SCAN_H_

#include "occupancy/table.h"

namespace cisreg {
namespace {

inline const float* TableRow(const float* table, uint16_t byte_offset) {
  return reinterpret_cast<const float*>(reinterpret_cast<const char*>(table) + byte_offset);
}

// Products of the rows of kWindows windows in a row; their sums where a division is not shared,
// since the rows are logarithms there.
template <class V, int kSitesPerDivision, int kWindows>
inline void ScanWindows(const float* table, int64_t group_count, const uint16_t* kmer_offset,
                        V (&site)[kWindows]) {
  for (int k = 0; k < kWindows; ++k) site[k] = V::Load(TableRow(table, kmer_offset[k]));
  for (int64_t group = 1; group < group_count; ++group) {
    table += kGroupFloats;
    kmer_offset += kGroupBases;
    for (int k = 0; k < kWindows; ++k) {
      const V row = V::Load(TableRow(table, kmer_offset[k]));
      site[k] = kSitesPerDivision == 1 ? site[k] + row : site[k] * row;
    }
  }
}

// Odds from the products or sums of the scan.
template <int kSitesPerDivision, class V>
inline V Odds(V site) {
  return kSitesPerDivision == 1 ? simd::Exp2(simd::ClampExponent(site)) : site;
}

// 1 / value for each value, with one division for all.
template <class V>
inline void InvertEach(const V (&value)[1], V* inverse) {
  inverse[0] = V::Broadcast(1.0f) / value[0];
}

template <class V>
inline void InvertEach(const V (&value)[2], V* inverse) {
  const V both = V::Broadcast(1.0f) / (value[0] * value[1]);
  inverse[0] = both * value[1];
  inverse[1] = both * value[0];
}

// 1 - p of the sites that share a division.
template <class V, int kSitesPerDivision>
inline void Unbound(const V* odds, V* unbound) {
  V sum[kSitesPerDivision];
  for (int k = 0; k < kSitesPerDivision; ++k) sum[k] = odds[k] + V::Broadcast(1.0f);
  InvertEach(sum, unbound);
}

template <class V>
struct Fraction {
  V numerator;
  V denominator;

  friend Fraction operator+(Fraction a, Fraction b) {
    return {MultiplyAdd(a.numerator, b.denominator, b.numerator * a.denominator),
            a.denominator * b.denominator};
  }
};

// Sum of p over the sites that share a division.
template <class V, int kSitesPerDivision>
inline V SumOccupancy(const V* odds) {
  Fraction<V> sum = {odds[0], odds[0] + V::Broadcast(1.0f)};
  for (int k = 1; k < kSitesPerDivision; ++k) {
    sum = sum + Fraction<V>{odds[k], odds[k] + V::Broadcast(1.0f)};
  }
  return sum.numerator / sum.denominator;
}

// Sum of -log2(1 - p) = log2(1 + odds) over the sites that share a division, as the log2 of the
// product of all (1 + odds). The product is kept minus 1, so that weak sites keep their precision.
template <class V, int kSitesPerDivision>
inline V SumLogBound(const V* odds, const V* site) {
  if constexpr (kSitesPerDivision == 1) {
    // Beyond the odds that a float holds, the logarithm is linear.
    const V beyond = site[0] - V::Broadcast(simd::kMaxExponent);
    return simd::Log2OnePlus(odds[0]) + Max(beyond, V::Broadcast(0.0f));
  } else {
    V product = odds[0];
    for (int k = 1; k < kSitesPerDivision; ++k) {
      product = MultiplyAdd(product, odds[k], product + odds[k]);
    }
    return simd::Log2OnePlus(product);
  }
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_SCAN_H_
