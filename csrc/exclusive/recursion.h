// Sums over all configurations of a sequence, by forward-backward over its places.
//
// With E(b, w) the odds of all sites that cover the w places from b on, the sum over the
// configurations of the places before b is
//   before(b) = before(b - 1) + sum over w of before(b - w) E(b - w, w)
// and likewise behind(b) from the other end; Z = before(end). A site with these places and odds x
// is bound with probability x factor, factor(b, w) = before(b) behind(b + w) / Z.
//
// With a gain for each bound site, the mean gain of the configurations of the places before b
// follows as its derivative does: in dual numbers. The gradient of the mean gain of all with
// respect to a site's log odds is
//   x (factor gain + slope),   slope = factor (gain_before(b) + gain_behind(b + w) - mean gain).
//
// The terms of widths of at least kTogether are added up for kTogether places at a time, since none
// of these places is a term of another.
//
// Everything here has internal linkage, as in tile.h.

#ifndef CISREG_CSRC_EXCLUSIVE_RECURSION_H_
#define CISREG_CSRC_EXCLUSIVE_RECURSION_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "occupancy/tile.h"

namespace cisreg::exclusive {
namespace {

// Sums above 2^200 are divided by it, together with those that they follow from. Odds are at most
// 2^100 and sums at least 1: nothing overflows, and what underflows is nothing beside what it would
// be added to.
constexpr int kPower = 200;
constexpr double kMost = 0x1p200;
constexpr double kLess = 0x1p-200;
constexpr int kTogether = 4;

// A sequence's sums, in float32; replaced by what the second scan reads. Up to kTogether numbers
// before and behind those of each width are read, too, but not used; they are finite.
struct PlaceSums {
  float* odds;     // [widths, stride]: E(b, w), then the factors
  float* gain;     // the same of odds times gain, then the slopes; null without gains
  int64_t stride;  // floats from one width to the next
};

// Sums up to each place, times two to the power of -kPower power.
struct SumsByPlace {
  double* sum;
  double* gain;  // or null
  int32_t* power;
};

// Scratch memory of one worker.
struct RecursionScratch {
  SumsByPlace before, behind;  // [places + 1]
  // The same on the scale of the newest, [kTogether + places + 1 + kTogether]: zero outside.
  double* sum;
  double* gain;
};

inline RecursionScratch TakeRecursionScratch(int64_t most_places, bool gains, ScratchArena* arena) {
  RecursionScratch scratch = {};
  const auto take = [&](int64_t count) { return arena->Take<double>(count); };
  for (SumsByPlace* sums : {&scratch.before, &scratch.behind}) {
    sums->sum = take(most_places + 1);
    if (gains) sums->gain = take(most_places + 1);
    sums->power = arena->Take<int32_t>(most_places + 1);
  }
  scratch.sum = take(most_places + 1 + 2 * kTogether);
  if (gains) scratch.gain = take(most_places + 1 + 2 * kTogether);
  return scratch;
}

struct Recursion {
  const int32_t* widths;  // ascending
  int64_t width_count;
  int64_t places;
  PlaceSums sums;
};

// A number for each of a few neighbouring places; any processor's vectors.
typedef float FloatPlaces __attribute__((vector_size(kTogether * sizeof(float))));
typedef double DoublePlaces __attribute__((vector_size(kTogether * sizeof(double))));

__attribute__((always_inline)) inline void AddProducts(const float* a, const double* b,
                                                       DoublePlaces* sum) {
  FloatPlaces floats;
  DoublePlaces doubles;
  std::memcpy(&floats, a, sizeof(floats));
  std::memcpy(&doubles, b, sizeof(doubles));
  *sum += __builtin_convertvector(floats, DoublePlaces) * doubles;
}

// The terms of a few neighbouring places.
struct Terms {
  double sum[kTogether];
  double gain[kTogether];
};

// Those of wide sites, which end before the places from `first` on, or begin there. The narrowest
// sites come last: they wait for the newest sums.
template <bool kBefore, bool kGains>
inline Terms AddWide(const Recursion& of, int64_t narrow, int64_t first, const double* sum,
                     const double* gain) {
  DoublePlaces sums = {}, gains = {};
  for (int64_t i = of.width_count - 1; i >= narrow; --i) {
    const int64_t width = of.widths[i];
    if (kBefore ? first + kTogether <= width : first + width > of.places) continue;
    const int64_t site = i * of.sums.stride + first - (kBefore ? width : 0);
    const int64_t from = first + (kBefore ? -width : width);
    AddProducts(of.sums.odds + site, sum + from, &sums);
    if (!kGains) continue;
    AddProducts(of.sums.odds + site, gain + from, &gains);
    AddProducts(of.sums.gain + site, sum + from, &gains);
  }
  Terms terms;
  std::memcpy(terms.sum, &sums, sizeof(sums));
  std::memcpy(terms.gain, &gains, sizeof(gains));
  return terms;
}

inline void Rescale(double* first, int64_t count) {
  for (int64_t i = 0; i < count; ++i) first[i] *= kLess;
}

// Sums over the configurations before each place, or behind it, and of their gains where kGains.
template <bool kBefore, bool kGains>
inline void SumUpTo(const Recursion& of, const RecursionScratch& scratch, const SumsByPlace& to) {
  constexpr int64_t kStep = kBefore ? 1 : -1;
  const int64_t all = of.places + 1 + 2 * kTogether, widest = of.widths[of.width_count - 1];
  std::fill_n(scratch.sum, all, 0.0);
  if (kGains) std::fill_n(scratch.gain, all, 0.0);
  double* const sum = scratch.sum + kTogether;
  double* const gain = kGains ? scratch.gain + kTogether : nullptr;
  const int64_t narrow =
      std::lower_bound(of.widths, of.widths + of.width_count, kTogether) - of.widths;
  const int64_t begin = kBefore ? 0 : of.places, end = of.places - begin;
  int32_t power = 0;
  const auto store = [&](int64_t at) {
    to.sum[at] = sum[at];
    if (kGains) to.gain[at] = gain[at];
    to.power[at] = power;
  };
  sum[begin] = 1.0;
  store(begin);
  for (int64_t next = begin + kStep; (end - next) * kStep >= 0; next += kStep * kTogether) {
    const int64_t first = kBefore ? next : next - (kTogether - 1);
    Terms terms = AddWide<kBefore, kGains>(of, narrow, first, sum, gain);
    const int64_t count = std::min<int64_t>(kTogether, (end - next) * kStep + 1);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = next + i * kStep;
      double total = sum[at - kStep] + terms.sum[at - first];
      double total_gain = kGains ? gain[at - kStep] + terms.gain[at - first] : 0.0;
      for (int64_t j = 0; j < narrow; ++j) {
        const int64_t from = at - kStep * of.widths[j];
        const int64_t site = j * of.sums.stride + (kBefore ? from : at);
        total += of.sums.odds[site] * sum[from];
        if (kGains) total_gain += of.sums.odds[site] * gain[from] + of.sums.gain[site] * sum[from];
      }
      sum[at] = total;
      if (kGains) gain[at] = total_gain;
      if (total > kMost) {
        const int64_t last = std::clamp<int64_t>(at - kStep * widest, 0, of.places);
        Rescale(sum + std::min(at, last), std::abs(at - last) + 1);
        Rescale(terms.sum, kTogether);
        if (kGains) Rescale(gain + std::min(at, last), std::abs(at - last) + 1);
        if (kGains) Rescale(terms.gain, kTogether);
        ++power;
      }
      store(at);
    }
  }
}

// Puts factors in the place of odds.
inline void StoreFactors(const Recursion& of, const RecursionScratch& scratch) {
  const SumsByPlace &before = scratch.before, &behind = scratch.behind;
  const double inverse = 1.0 / before.sum[of.places];
  const int32_t power = before.power[of.places];
  const bool scaled = power != 0 || behind.power[0] != 0;
  for (int64_t i = 0; i < of.width_count; ++i) {
    const int64_t width = of.widths[i];
    float* factor = of.sums.odds + i * of.sums.stride;
    for (int64_t at = 0; at + width <= of.places; ++at) {
      factor[at] = static_cast<float>(before.sum[at] * inverse * behind.sum[at + width]);
    }
    for (int64_t at = 0; scaled && at + width <= of.places; ++at) {
      const int32_t more = before.power[at] + behind.power[at + width] - power;
      factor[at] = static_cast<float>(
          std::ldexp(before.sum[at] * inverse * behind.sum[at + width], kPower * more));
    }
  }
}

// Puts slopes in the place of gains; factors have been stored.
inline void StoreSlopes(const Recursion& of, float upstream, const RecursionScratch& scratch) {
  for (const SumsByPlace& each : {scratch.before, scratch.behind}) {
    for (int64_t at = 0; at <= of.places; ++at) each.gain[at] /= each.sum[at];
  }
  const double* before = scratch.before.gain;
  const double others = before[of.places] - upstream;
  for (int64_t i = 0; i < of.width_count; ++i) {
    const int64_t width = of.widths[i];
    const double* behind = scratch.behind.gain + width;
    const float* factor = of.sums.odds + i * of.sums.stride;
    float* slope = of.sums.gain + i * of.sums.stride;
    for (int64_t at = 0; at + width <= of.places; ++at) {
      slope[at] = static_cast<float>(factor[at] * (before[at] + behind[at] - others));
    }
  }
}

// `upstream`: a gradient of the log partition function, added to the slopes. Returns the log
// partition function.
template <bool kGains>
double SumConfigurations(const Recursion& of, float upstream, const RecursionScratch& scratch) {
  SumUpTo<true, kGains>(of, scratch, scratch.before);
  SumUpTo<false, kGains>(of, scratch, scratch.behind);
  StoreFactors(of, scratch);
  if (kGains) StoreSlopes(of, upstream, scratch);
  const SumsByPlace& before = scratch.before;
  return std::log(before.sum[of.places]) + before.power[of.places] * (kPower * std::log(2.0));
}

}  // namespace
}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_RECURSION_H_
