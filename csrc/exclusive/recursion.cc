#include "exclusive/recursion.h"

#include <algorithm>
#include <cmath>

namespace cisreg::exclusive {
namespace {

// Sums above 2^200 are divided by it, together with those that they have been added to so far. Odds
// are at most 2^100 and sums at least 1: nothing overflows, and what underflows is nothing beside
// what it would be added to.
constexpr int kPower = 200;
const double kMost = std::ldexp(1.0, kPower);
const double kLess = std::ldexp(1.0, -kPower);

struct Recursion {
  const int32_t* widths;
  int64_t width_count;
  int64_t places;
  PlaceSums sums;

  int64_t widest() const { return widths[width_count - 1]; }
};

void Rescale(double* first, int64_t count) {
  for (int64_t i = 0; i < count; ++i) first[i] *= kLess;
}

// Sums over the configurations before each place, and of their gains where kGains.
template <bool kGains>
void SumBefore(const Recursion& of, double* sum, double* gain, int32_t* power) {
  const int64_t ahead = of.widest() + 1;
  std::fill_n(sum, of.places + ahead, 0.0);
  if (kGains) std::fill_n(gain, of.places + ahead, 0.0);
  sum[0] = 1.0;
  int32_t scale = 0;
  for (int64_t at = 0; at <= of.places; ++at) {
    if (at > 0) sum[at] += sum[at - 1];
    if (at > 0 && kGains) gain[at] += gain[at - 1];
    if (sum[at] > kMost) {
      Rescale(sum + at, ahead);
      if (kGains) Rescale(gain + at, ahead);
      ++scale;
    }
    power[at] = scale;
    if (at == of.places) return;
    const double own = sum[at], own_gain = kGains ? gain[at] : 0.0;
    for (int64_t i = 0; i < of.width_count; ++i) {
      const int64_t to = at + of.widths[i], from = i * of.sums.stride + at;
      const double odds = of.sums.odds[from];
      sum[to] += odds * own;
      if (kGains) gain[to] += odds * own_gain + of.sums.gain[from] * own;
    }
  }
}

// The same from the other end.
template <bool kGains>
void SumBehind(const Recursion& of, double* sum, double* gain, int32_t* power) {
  std::fill_n(sum, of.places + 1, 0.0);
  if (kGains) std::fill_n(gain, of.places + 1, 0.0);
  sum[of.places] = 1.0;
  int32_t scale = 0;
  for (int64_t at = of.places; at >= 0; --at) {
    if (at < of.places) sum[at] += sum[at + 1];
    if (at < of.places && kGains) gain[at] += gain[at + 1];
    if (sum[at] > kMost) {
      const int64_t first = std::max<int64_t>(0, at - of.widest());
      Rescale(sum + first, at + 1 - first);
      if (kGains) Rescale(gain + first, at + 1 - first);
      ++scale;
    }
    power[at] = scale;
    const double own = sum[at], own_gain = kGains ? gain[at] : 0.0;
    for (int64_t i = 0; i < of.width_count && of.widths[i] <= at; ++i) {
      const int64_t to = at - of.widths[i], from = i * of.sums.stride + to;
      const double odds = of.sums.odds[from];
      sum[to] += odds * own;
      if (kGains) gain[to] += odds * own_gain + of.sums.gain[from] * own;
    }
  }
}

// Puts factors in the place of odds.
void StoreFactors(const Recursion& of, const RecursionScratch& scratch) {
  const double* before = scratch.before;
  const double inverse = 1.0 / before[of.places];
  const int32_t power = scratch.power_before[of.places];
  const bool scaled = power != 0 || scratch.power_behind[0] != 0;
  for (int64_t i = 0; i < of.width_count; ++i) {
    const int64_t width = of.widths[i];
    const double* behind = scratch.behind + width;
    float* factor = of.sums.odds + i * of.sums.stride;
    for (int64_t at = 0; at + width <= of.places; ++at) {
      factor[at] = static_cast<float>(before[at] * inverse * behind[at]);
    }
    for (int64_t at = 0; scaled && at + width <= of.places; ++at) {
      const int32_t more = scratch.power_before[at] + scratch.power_behind[at + width] - power;
      factor[at] = static_cast<float>(std::ldexp(before[at] * inverse * behind[at], kPower * more));
    }
  }
}

// Puts slopes in the place of gains; factors have been stored.
void StoreSlopes(const Recursion& of, float upstream, const RecursionScratch& scratch) {
  for (int64_t at = 0; at <= of.places; ++at) {
    scratch.gain_before[at] /= scratch.before[at];
    scratch.gain_behind[at] /= scratch.behind[at];
  }
  const double* before = scratch.gain_before;
  const double others = before[of.places] - upstream;
  for (int64_t i = 0; i < of.width_count; ++i) {
    const int64_t width = of.widths[i];
    const double* behind = scratch.gain_behind + width;
    const float* factor = of.sums.odds + i * of.sums.stride;
    float* slope = of.sums.gain + i * of.sums.stride;
    for (int64_t at = 0; at + width <= of.places; ++at) {
      slope[at] = static_cast<float>(factor[at] * (before[at] + behind[at] - others));
    }
  }
}

}  // namespace

double SumConfigurations(const int32_t* widths, int64_t width_count, int64_t places, float upstream,
                         const RecursionScratch& scratch, const PlaceSums& sums) {
  const Recursion of = {widths, width_count, places, sums};
  if (sums.gain == nullptr) {
    SumBefore<false>(of, scratch.before, nullptr, scratch.power_before);
    SumBehind<false>(of, scratch.behind, nullptr, scratch.power_behind);
  } else {
    SumBefore<true>(of, scratch.before, scratch.gain_before, scratch.power_before);
    SumBehind<true>(of, scratch.behind, scratch.gain_behind, scratch.power_behind);
  }
  StoreFactors(of, scratch);
  if (sums.gain != nullptr) StoreSlopes(of, upstream, scratch);
  return std::log(scratch.before[places]) + scratch.power_before[places] * (kPower * std::log(2.0));
}

}  // namespace cisreg::exclusive
