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

// A vector that stays in a register: GCC would load it again for each product, and loads that cross
// a line of the cache are what takes the time.
template <class F>
inline F LoadOnce(const float* from) {
  F loaded = F::Load(from);
#if defined(__AVX512F__)
  __asm__("" : "+v"(loaded.value));
#elif defined(__x86_64__)
  __asm__("" : "+x"(loaded.value));
#elif defined(__aarch64__)
  __asm__("" : "+w"(loaded.value));
#endif
  return loaded;
}

// Vectors of windows whose sums, one for each strand, are kept in registers with four effects.
template <class F>
constexpr int kMostVectors = (F::kSumsInFlight - 2) / 2;

// Taps whose sums, four for each, are kept in registers together.
template <class F>
constexpr int kMostTaps = F::kSumsInFlight / 4;

// Calls take(number of vectors, first window) until all windows up to `end`, a multiple of the
// lanes, are passed.
template <class F, int kVectors = kMostVectors<F>, class Take>
inline void ForEachVectors(int64_t window, int64_t end, const Take& take) {
  for (; window + kVectors * F::kLanes <= end; window += kVectors * F::kLanes) {
    take(std::integral_constant<int, kVectors>(), window);
  }
  if constexpr (kVectors > 1) {
    if (window < end) ForEachVectors<F, kVectors - 1>(window, end, take);
  }
}

// The taps of one pair: as many below 0 as above, so that one and the one as far from the end have
// opposite places.
struct PairTaps {
  const int32_t* place;
  int64_t count;
  const float* same;      // effects
  const float* opposite;  // effects
};

// The sites of one factor that do something to those of the other, which see them at
// window + sign * place.
struct Others {
  const float* forward;  // at window 0
  const float* reverse;
  int forward_sign;
  int reverse_sign;
  // Whether sites on the reverse strand see them as far on the other side.
  bool mirrored;
};

// What the others do to a site on either strand, in the windows from `window` on.
template <class F, int kVectors>
inline void SumTaps(const PairTaps& taps, const Others& others, int64_t window,
                    F (&forward)[kVectors], F (&reverse)[kVectors]) {
  for (F& each : forward) each = F::Broadcast(0.0f);
  for (F& each : reverse) each = F::Broadcast(0.0f);
  const float* const from_forward = others.forward + window;
  const float* const from_reverse = others.reverse + window;
  for (int64_t tap = 0; tap < taps.count; ++tap) {
    const int64_t place = taps.place[tap];
    const int64_t turned = others.mirrored ? taps.count - 1 - tap : tap;
    const float* const one = from_forward + others.forward_sign * place;
    const float* const other = from_reverse + others.reverse_sign * place;
    const F same = F::Broadcast(taps.same[tap]), opposite = F::Broadcast(taps.opposite[tap]);
    const F same_turned = F::Broadcast(taps.same[turned]);
    const F opposite_turned = F::Broadcast(taps.opposite[turned]);
#pragma GCC unroll 16
    for (int i = 0; i < kVectors; ++i) {
      const F a = LoadOnce<F>(one + i * F::kLanes), b = LoadOnce<F>(other + i * F::kLanes);
      forward[i] = MultiplyAdd(same, a, forward[i]);
      reverse[i] = MultiplyAdd(opposite_turned, a, reverse[i]);
      forward[i] = MultiplyAdd(opposite, b, forward[i]);
      reverse[i] = MultiplyAdd(same_turned, b, reverse[i]);
    }
  }
}

// Both factors of a pair: the sites of the first, and what they see at window + place.
struct Partners {
  const float* own_forward;
  const float* own_reverse;
  const float* forward;  // at window 0
  const float* reverse;
};

// Adds factor * own * other, summed over windows, to the gradients of the effects of kTaps taps
// from `first` on, a vector for each: of the same orientation [taps], then of the opposite one.
// Sites on the reverse strand see as the turned taps what those on the forward strand see as these.
template <class F, int kTaps>
inline void AddProducts(const PairTaps& taps, int64_t first, const Partners& partners, int64_t end,
                        F factor, float* sums) {
  F same[kTaps], opposite[kTaps], same_turned[kTaps], opposite_turned[kTaps];
  for (int i = 0; i < kTaps; ++i) {
    same[i] = opposite[i] = same_turned[i] = opposite_turned[i] = F::Broadcast(0.0f);
  }
  for (int64_t window = 0; window < end; window += F::kLanes) {
    const F own_forward = F::Load(partners.own_forward + window);
    const F own_reverse = F::Load(partners.own_reverse + window);
#pragma GCC unroll 8
    for (int i = 0; i < kTaps; ++i) {
      const int64_t at = window + taps.place[first + i];
      const F a = LoadOnce<F>(partners.forward + at), b = LoadOnce<F>(partners.reverse + at);
      same[i] = MultiplyAdd(own_forward, a, same[i]);
      opposite_turned[i] = MultiplyAdd(own_reverse, a, opposite_turned[i]);
      opposite[i] = MultiplyAdd(own_forward, b, opposite[i]);
      same_turned[i] = MultiplyAdd(own_reverse, b, same_turned[i]);
    }
  }
  const auto add = [&](F sum, int64_t place) {
    float* const to = sums + place * F::kLanes;
    MultiplyAdd(factor, sum, F::Load(to)).Store(to);
  };
  for (int i = 0; i < kTaps; ++i) {
    const int64_t tap = first + i, turned = taps.count - 1 - tap;
    add(same[i], tap);
    add(same_turned[i], turned);
    add(opposite[i], taps.count + tap);
    add(opposite_turned[i], taps.count + turned);
  }
}

// The same for all taps.
template <class F, int kTaps = kMostTaps<F>>
inline void AddAllProducts(const PairTaps& taps, int64_t first, const Partners& partners,
                           int64_t end, F factor, float* sums) {
  for (; first + kTaps <= taps.count; first += kTaps) {
    AddProducts<F, kTaps>(taps, first, partners, end, factor, sums);
  }
  if constexpr (kTaps > 1) {
    if (first < taps.count) AddAllProducts<F, kTaps - 1>(taps, first, partners, end, factor, sums);
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
