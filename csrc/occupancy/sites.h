// One number for each site of a block at a window, or of a strip of its sites, in as many vectors
// as the processor needs.
//
// Work that needs many registers is done for one part (one vector) at a time.

#ifndef CISREG_CSRC_OCCUPANCY_SITES_H_
#define CISREG_CSRC_OCCUPANCY_SITES_H_

#include "occupancy/plan.h"

namespace cisreg {
namespace {

// A vector of the numbers at(0), at(1), ... put together in registers: numbers that are first
// stored one by one are slow to load as a vector.
template <class F, class At>
inline F FromLanes(const At& at) {
  using Vector = decltype(F::value);
  if constexpr (F::kLanes == 4) {
    const Vector lanes = {at(0), at(1), at(2), at(3)};
    return {lanes};
  } else if constexpr (F::kLanes == 8) {
    const Vector lanes = {at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)};
    return {lanes};
  } else {
    static_assert(F::kLanes == 16);
    const Vector lanes = {at(0), at(1), at(2),  at(3),  at(4),  at(5),  at(6),  at(7),
                          at(8), at(9), at(10), at(11), at(12), at(13), at(14), at(15)};
    return {lanes};
  }
}

template <class F, int kSites = kBlockSites>
struct Sites {
  static constexpr int kParts = kSites / F::kLanes;
  static constexpr int kWindowsInFlight = F::kWindowsInFlight;
  using Part = F;

  F part[kParts];

  template <class PartOf>
  static inline Sites Each(PartOf part_of) {
    Sites sites;
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) sites.part[i] = part_of(i);
    return sites;
  }
  static inline Sites Load(const float* from) {
    return Each([=](int i) { return F::Load(from + i * F::kLanes); });
  }
  static inline Sites Broadcast(float x) {
    return Each([=](int) { return F::Broadcast(x); });
  }
  inline void Store(float* to) const {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) part[i].Store(to + i * F::kLanes);
  }

  friend inline Sites operator+(const Sites& a, const Sites& b) {
    return Each([&](int i) { return a.part[i] + b.part[i]; });
  }
  friend inline Sites operator-(const Sites& a, const Sites& b) {
    return Each([&](int i) { return a.part[i] - b.part[i]; });
  }
  friend inline Sites operator*(const Sites& a, const Sites& b) {
    return Each([&](int i) { return a.part[i] * b.part[i]; });
  }
  friend inline Sites MultiplyAdd(const Sites& a, const Sites& b, const Sites& c) {
    return Each([&](int i) { return MultiplyAdd(a.part[i], b.part[i], c.part[i]); });
  }
  friend inline Sites Min(const Sites& a, const Sites& b) {
    return Each([&](int i) { return Min(a.part[i], b.part[i]); });
  }
  friend inline Sites Max(const Sites& a, const Sites& b) {
    return Each([&](int i) { return Max(a.part[i], b.part[i]); });
  }
  friend inline Sites ScaleByPower(const Sites& value, const Sites& rounded) {
    return Each([&](int i) { return ScaleByPower(value.part[i], rounded.part[i]); });
  }
};

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_SITES_H_
