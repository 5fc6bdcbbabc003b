// Sums over the windows near each window: a few taps, each a number times a window further on.
//
// Everything here has internal linkage, as in occupancy/tile.h.

#ifndef CISREG_CSRC_PAIRS_TAPS_H_
#define CISREG_CSRC_PAIRS_TAPS_H_

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "pairs/layout.h"

namespace cisreg::pairs {
namespace {

// Vectors of windows, or taps, whose sums are kept in registers together.
constexpr int kMostTogether = 8;

// Calls take(number of vectors, first window) until all windows up to `end`, a multiple of the
// lanes, are passed.
template <class F, int kVectors = kMostTogether, class Take>
inline void ForEachVectors(int64_t window, int64_t end, const Take& take) {
  for (; window + kVectors * F::kLanes <= end; window += kVectors * F::kLanes) {
    take(std::integral_constant<int, kVectors>(), window);
  }
  if constexpr (kVectors > 1) {
    if (window < end) ForEachVectors<F, kVectors - 1>(window, end, take);
  }
}

// The effect of the sites of one source: those at window + sign * place, by tap.
struct Term {
  const float* source;  // at window 0
  const float* effect;
  int sign;
};

// Sums of both terms for the windows from `window` on.
template <class F, int kVectors>
inline void SumTaps(const std::vector<int32_t>& places, const Term& one, const Term& other,
                    int64_t window, F (&sum)[kVectors]) {
  for (F& each : sum) each = F::Broadcast(0.0f);
  const int32_t* const place = places.data();
  const int64_t taps = static_cast<int64_t>(places.size());
  const float* const from_one = one.source + window;
  const float* const from_other = other.source + window;
  for (int64_t tap = 0; tap < taps; ++tap) {
    const int64_t windows = place[tap];
    const float* near = from_one + one.sign * windows;
    const float* far = from_other + other.sign * windows;
    const F a = F::Broadcast(one.effect[tap]), b = F::Broadcast(other.effect[tap]);
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) {
      sum[i] = MultiplyAdd(a, F::Load(near + i * F::kLanes), sum[i]);
      sum[i] = MultiplyAdd(b, F::Load(far + i * F::kLanes), sum[i]);
    }
  }
}

// Two sites of which one does something to the other: own[window] * source[window + sign * place].
struct Product {
  const float* own;
  const float* source;  // at window 0
  int sign;
};

// Adds factor * both products, summed over windows, to one vector for each of some taps.
template <class F, int kTaps>
inline void AddProducts(const int32_t* place, const Product& one, const Product& other, int64_t end,
                        F factor, float* sums) {
  F sum[kTaps];
  for (F& each : sum) each = F::Broadcast(0.0f);
  for (int64_t window = 0; window < end; window += F::kLanes) {
    const F a = F::Load(one.own + window), b = F::Load(other.own + window);
#pragma GCC unroll 8
    for (int i = 0; i < kTaps; ++i) {
      const int64_t windows = place[i];
      sum[i] = MultiplyAdd(a, F::Load(one.source + window + one.sign * windows), sum[i]);
      sum[i] = MultiplyAdd(b, F::Load(other.source + window + other.sign * windows), sum[i]);
    }
  }
  for (int i = 0; i < kTaps; ++i, sums += F::kLanes) {
    MultiplyAdd(factor, sum[i], F::Load(sums)).Store(sums);
  }
}

// The same for all taps.
template <class F, int kTaps = kMostTogether>
inline void AddAllProducts(const int32_t* place, int64_t taps, const Product& one,
                           const Product& other, int64_t end, F factor, float* sums) {
  for (; taps >= kTaps; taps -= kTaps, place += kTaps, sums += kTaps * F::kLanes) {
    AddProducts<F, kTaps>(place, one, other, end, factor, sums);
  }
  if constexpr (kTaps > 1) {
    if (taps > 0) AddAllProducts<F, kTaps - 1>(place, taps, one, other, end, factor, sums);
  }
}

// Spreads occupancies over the windows less than `spacing` away, less the further away these are.
// `site` has zeros around it, as far as the widened row reaches. `share`: by how far away.
template <class F>
inline void Widen(const float* site, int64_t windows, const std::vector<float>& share,
                  float* wide) {
  const int64_t spacing = static_cast<int64_t>(share.size());
  for (int64_t window = 1 - spacing; window < windows + spacing - 1; window += F::kLanes) {
    F sum = F::Load(site + window);
    for (int64_t away = 1; away < spacing; ++away) {
      const F both = F::Load(site + window - away) + F::Load(site + window + away);
      sum = MultiplyAdd(F::Broadcast(share[away]), both, sum);
    }
    sum.Store(wide + window);
  }
}

}  // namespace
}  // namespace cisreg::pairs

#endif  // CISREG_CSRC_PAIRS_TAPS_H_
