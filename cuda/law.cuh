// The occupancy law of sites in registers: odds o = 2^x, p = o / (1 + o), and their sums.
//
// Special functions are the bottleneck. Each site needs one exponential, but four sites share one
// division and one logarithm, as long as products of four (1 + o) do not overflow.

#ifndef CISREG_CUDA_LAW_CUH_
#define CISREG_CUDA_LAW_CUH_

#include "ptx.cuh"

namespace cisreg::gpu {

inline constexpr float kLn2 = 0.693147180559945309f;

// log(1 + u) for u >= 0, with full relative accuracy at small u. The polynomial is a Chebyshev fit
// of (log(1 + u) - u) / u^2 on [0, 1/4], relative error 7e-8 in float32.
__device__ __forceinline__ float Log1p(float u) {
  float q = fmaf(0.0782136191f, u, -0.15080462f);
  q = fmaf(q, u, 0.198079934f);
  q = fmaf(q, u, -0.249891976f);
  q = fmaf(q, u, 0.33333108f);
  q = fmaf(q, u, -0.499999992f);
  return u < 0.25f ? fmaf(u * u, q, u) : kLn2 * ptx::Log2(1.0f + u);
}

// bound / divisor = sum of p, weighted / divisor = sum of weight * p over the sites joined so far;
// surplus = product of (1 + o) less 1, exact where o are small.
struct SitesJoined {
  float bound, weighted, divisor, surplus;
};

template <bool LogUnbound, bool Weighted>
__device__ __forceinline__ SitesJoined OneSite(float log2_odds, float weight) {
  const float odds = ptx::Exp2(log2_odds);
  return {odds, Weighted ? weight * odds : 0.0f, 1.0f + odds, odds};
}

template <bool LogUnbound, bool Weighted>
__device__ __forceinline__ SitesJoined Join(const SitesJoined& a, const SitesJoined& b) {
  SitesJoined joined = {};
  if (!LogUnbound) joined.bound = fmaf(a.bound, b.divisor, b.bound * a.divisor);
  if (Weighted) joined.weighted = fmaf(a.weighted, b.divisor, b.weighted * a.divisor);
  if (!LogUnbound || Weighted) joined.divisor = a.divisor * b.divisor;
  if (LogUnbound) joined.surplus = fmaf(a.surplus, b.surplus, a.surplus + b.surplus);
  return joined;
}

template <bool LogUnbound, bool Weighted>
__device__ __forceinline__ void AddJoined(const SitesJoined& sites, float& bound, float& weighted) {
  if (LogUnbound) bound -= Log1p(sites.surplus);
  if (LogUnbound && !Weighted) return;
  const float inverse = ptx::Reciprocal(sites.divisor);
  if (!LogUnbound) bound = fmaf(sites.bound, inverse, bound);
  if (Weighted) weighted = fmaf(sites.weighted, inverse, weighted);
}

// Adds two or four sites that are weak enough to share a division.
template <bool LogUnbound, bool Weighted>
__device__ __forceinline__ void AddShared(const float (&x)[4], const float (&weight)[4], int count,
                                          float& bound, float& weighted) {
  SitesJoined sites = Join<LogUnbound, Weighted>(OneSite<LogUnbound, Weighted>(x[0], weight[0]),
                                                 OneSite<LogUnbound, Weighted>(x[1], weight[1]));
  if (count == 4) {
    sites = Join<LogUnbound, Weighted>(
        sites, Join<LogUnbound, Weighted>(OneSite<LogUnbound, Weighted>(x[2], weight[2]),
                                          OneSite<LogUnbound, Weighted>(x[3], weight[3])));
  }
  AddJoined<LogUnbound, Weighted>(sites, bound, weighted);
}

// p and 1 - p of a site of any strength, without overflow.
struct Bound {
  float p, q, small_odds;
};

__device__ __forceinline__ Bound AnySite(float log2_odds) {
  const float odds = ptx::Exp2(-fabsf(log2_odds));
  const float larger = ptx::Reciprocal(1.0f + odds);
  const float smaller = odds * larger;
  return log2_odds > 0.0f ? Bound{larger, smaller, odds} : Bound{smaller, larger, odds};
}

// What a site of any strength adds to the sums of `bound`.
template <bool LogUnbound>
__device__ __forceinline__ float TermOf(const Bound& site, float log2_odds) {
  // Not max, which would turn NaN into 0 and hide a motif that is not finite.
  const float above = log2_odds < 0.0f ? 0.0f : log2_odds;
  return LogUnbound ? -(Log1p(site.small_odds) + kLn2 * above) : site.p;
}

// Adds up to four sites of any strength.
template <bool LogUnbound, bool Weighted>
__device__ __forceinline__ void AddAny(const float (&x)[4], const float (&weight)[4], int count,
                                       float& bound, float& weighted) {
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (k >= count) break;
    const Bound site = AnySite(x[k]);
    if (Weighted) weighted = fmaf(weight[k], site.p, weighted);
    bound += TermOf<LogUnbound>(site, x[k]);
  }
}

// q = 1 / d of two or four sites, by one division.
__device__ __forceinline__ void DivideShared(const float (&d)[4], int count, float (&q)[4]) {
  const float d01 = d[0] * d[1];
  if (count == 2) {
    const float inverse = ptx::Reciprocal(d01);
    q[0] = inverse * d[1];
    q[1] = inverse * d[0];
    return;
  }
  const float d23 = d[2] * d[3];
  const float inverse = ptx::Reciprocal(d01 * d23);
  const float r01 = inverse * d23, r23 = inverse * d01;
  q[0] = r01 * d[1];
  q[1] = r01 * d[0];
  q[2] = r23 * d[3];
  q[3] = r23 * d[2];
}

// p and 1 - p of an even number of sites that share divisions.
template <int Sites>
__device__ __forceinline__ void BoundShared(float (&p)[Sites], float (&q)[Sites]) {
#pragma unroll
  for (int k = 0; k < Sites; k += 4) {
    const int count = k + 4 <= Sites ? 4 : 2;
    float d[4] = {}, own[4] = {};
#pragma unroll
    for (int j = 0; j < count; ++j) d[j] = 1.0f + p[k + j];
    DivideShared(d, count, own);
#pragma unroll
    for (int j = 0; j < count; ++j) q[k + j] = own[j];
  }
#pragma unroll
  for (int k = 0; k < Sites; ++k) p[k] *= q[k];
}

// Adds two or four sites whose odds are `factor` times those given. The sum of p lacks the factor.
template <bool LogUnbound>
__device__ __forceinline__ void AddScaled(const float (&odds)[4], float factor, int count,
                                          float& bound) {
  SitesJoined site[4] = {};
#pragma unroll
  for (int k = 0; k < count; ++k) {
    site[k] = {odds[k], 0.0f, fmaf(factor, odds[k], 1.0f), factor * odds[k]};
  }
  SitesJoined sites = Join<LogUnbound, false>(site[0], site[1]);
  if (count == 4) {
    sites = Join<LogUnbound, false>(sites, Join<LogUnbound, false>(site[2], site[3]));
  }
  float unused = 0.0f;
  AddJoined<LogUnbound, false>(sites, bound, unused);
}

// p of two or four such sites, without the factor.
__device__ __forceinline__ void BoundScaled(const float (&odds)[4], float factor, int count,
                                            float (&p)[4]) {
  float d[4] = {};
#pragma unroll
  for (int k = 0; k < count; ++k) d[k] = fmaf(factor, odds[k], 1.0f);
  DivideShared(d, count, p);
#pragma unroll
  for (int k = 0; k < count; ++k) p[k] *= odds[k];
}

// From log2 odds x to p and q = 1 - p.
template <int Sites>
__device__ __forceinline__ void BoundOfSites(bool shares_division, const float (&x)[Sites],
                                             float (&p)[Sites], float (&q)[Sites]) {
  if (shares_division) {
#pragma unroll
    for (int k = 0; k < Sites; ++k) p[k] = ptx::Exp2(x[k]);
    BoundShared(p, q);
  } else {
#pragma unroll
    for (int k = 0; k < Sites; ++k) {
      const Bound site = AnySite(x[k]);
      p[k] = site.p;
      q[k] = site.q;
    }
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_LAW_CUH_
