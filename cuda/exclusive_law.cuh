// Odds of sites that exclude each other, and strips of their scans.

#ifndef CISREG_CUDA_EXCLUSIVE_LAW_CUH_
#define CISREG_CUDA_EXCLUSIVE_LAW_CUH_

#include "exclusive/problem.h"
#include "ptx.cuh"
#include "tiles.h"

namespace cisreg::gpu {

// From log2 odds. Not min, which would turn NaN into the most and hide a motif that is not finite.
__device__ __forceinline__ float ExclusiveOdds(float log2_odds) {
  return ptx::Exp2(log2_odds > exclusive::kStrongestPower ? exclusive::kStrongestPower : log2_odds);
}

// At least one, so that every sequence has sums.
__host__ __device__ constexpr int64_t ExclusiveStripCount(int64_t windows) {
  constexpr int64_t kRows = kExclusiveRowTiles * kTileWindows;
  return windows > kRows ? (windows + kRows - 1) / kRows : 1;
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_EXCLUSIVE_LAW_CUH_
