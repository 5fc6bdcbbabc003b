// One number for each site of a block at a window, in as many vectors as the processor needs.
//
// Work that needs many registers is done for one part (one vector) at a time.

#ifndef CISREG_CSRC_OCCUPANCY_SITES_H_
#define CISREG_CSRC_OCCUPANCY_SITES_H_

#include "occupancy/plan.h"

namespace cisreg {
namespace {

template <class F>
struct Sites {
  static constexpr int kParts = kBlockSites / F::kLanes;
  static constexpr int kWindowsInFlight = F::kWindowsInFlight;
  static constexpr int kSumsInFlight = F::kSumsInFlight;
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
