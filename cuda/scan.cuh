// The scan: log2 odds of the sites of a strip of windows and one tile of motifs.

#ifndef CISREG_CUDA_SCAN_CUH_
#define CISREG_CUDA_SCAN_CUH_

#include "one_hot.cuh"

namespace cisreg::gpu {

// Log2 odds of rows that are no windows: never bound.
inline constexpr float kNoSite = -1e30f;

// Bits [first, end) of the first `count`: the steps that have work.
__device__ __forceinline__ unsigned StepMask(int first, int end, int count) {
  first = max(first, 0);
  end = min(end, count);
  return end > first ? (1u << end) - (1u << first) : 0;
}

// One term of the steps of one chunk of columns whose bits are set. `energies` are those of the
// chunk's first step, at the lane's place.
template <int RowTiles, int Terms>
__device__ __forceinline__ void ScanTerm(float (&sums)[RowTiles][4],
                                         const OneHotStrip<RowTiles>& strip, const uint4* energies,
                                         int term, unsigned steps) {
  const uint4* const from = energies + term * kWarp;
  if ((steps & 1) != 0) strip.template Multiply<0>(sums, from[0]);
  if ((steps & 2) != 0) strip.template Multiply<1>(sums, from[Terms * kWarp]);
  if ((steps & 4) != 0) strip.template Multiply<2>(sums, from[2 * Terms * kWarp]);
  if ((steps & 8) != 0) strip.template Multiply<3>(sums, from[3 * Terms * kWarp]);
}

// Adds to the sums what steps of one chunk of columns contribute: lane (g, t) gets windows 8 i + g
// (numbers 0, 1) and 8 (i + RowTiles) + g (2, 3) of motifs 2t and 2t + 1. The low terms come first,
// while sums are small: tensor cores truncate.
template <int RowTiles, int Terms>
__device__ __forceinline__ void ScanSteps(float (&sums)[RowTiles][4],
                                          const OneHotStrip<RowTiles>& strip, const uint4* energies,
                                          unsigned steps) {
  if (Terms == 2) ScanTerm<RowTiles, Terms>(sums, strip, energies, 1, steps);
  ScanTerm<RowTiles, Terms>(sums, strip, energies, 0, steps);
}

template <int RowTiles>
__device__ __forceinline__ void ClearLogOdds(float (&sums)[RowTiles][4]) {
#pragma unroll
  for (int i = 0; i < RowTiles; ++i) {
    sums[i][0] = sums[i][1] = sums[i][2] = sums[i][3] = 0.0f;
  }
}

// Marks rows from `rows` on as no windows.
template <int RowTiles>
__device__ __forceinline__ void MaskRows(float (&log_odds)[RowTiles][4], int rows, int lane) {
#pragma unroll
  for (int k = 2 * RowTiles - 1; k >= 0; --k) {
    if (rows >= 8 * k + 8) break;
    if (8 * k + (lane >> 2) < rows) continue;
    log_odds[k % RowTiles][2 * (k / RowTiles)] = log_odds[k % RowTiles][2 * (k / RowTiles) + 1] =
        kNoSite;
  }
}

// Adds the concentration, and marks rows from `rows` on as no windows.
template <int RowTiles>
__device__ __forceinline__ void FinishLogOdds(float (&sums)[RowTiles][4], float2 offset, int rows,
                                              int lane) {
#pragma unroll
  for (int i = 0; i < RowTiles; ++i) {
    sums[i][0] += offset.x;
    sums[i][1] += offset.y;
    sums[i][2] += offset.x;
    sums[i][3] += offset.y;
  }
  MaskRows(sums, rows, lane);
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_SCAN_CUH_
