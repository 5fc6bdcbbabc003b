// Sums over the sites of a strip of windows and one tile of motifs, whose log2 odds lie in
// registers.
//
// With several sets of position weights, or under several conditions, the sites stay in registers
// and are passed once for each condition and kSetsAtOnce sets. Sites that share divisions take one
// exponential for all conditions: their odds are those of the largest concentration, times a
// factor.

#ifndef CISREG_CUDA_STRIP_SUMS_CUH_
#define CISREG_CUDA_STRIP_SUMS_CUH_

#include "law.cuh"
#include "tiles.h"

namespace cisreg::gpu {

// Sets of position weights that one pass over the sites serves.
inline constexpr int kSetsAtOnce = 2;

// Position weights of the lane's rows of a strip, for its two motifs of a tile, in one load each.
struct RowWeights {
  const float2* in_shared;  // memory, where rows behind the last window are 0
  const float2* in_global;
  bool are_shared;
  int row, rows;

  __device__ __forceinline__ void Load(int k, int count, float2 (&weight)[4]) const {
    if (are_shared) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j < count) weight[j] = in_shared[8 * (k + j) * (kTileMotifs / 2)];
      }
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j < count && row + 8 * (k + j) < rows) {
          weight[j] = in_global[8 * (k + j) * (kTileMotifs / 2)];
        }
      }
    }
  }
};

// Sums over the strip's windows, of the lane's own rows: motifs 2t and 2t + 1 of the tile.
template <int RowTiles, bool LogUnbound, bool Weighted, bool SharesDivision>
__device__ __forceinline__ void SumOwnRows(const float (&log_odds)[RowTiles][4],
                                           const RowWeights& weights, float (&bound)[2],
                                           float (&weighted)[2]) {
#pragma unroll
  for (int k = 0; k < 2 * RowTiles; k += 4) {
    const int count = k + 4 <= 2 * RowTiles ? 4 : 2;
    float2 weight[4] = {};
    if (Weighted) weights.Load(k, count, weight);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float x[4] = {}, own[4] = {};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j >= count) break;
        x[j] = log_odds[(k + j) % RowTiles][2 * ((k + j) / RowTiles) + h];
        own[j] = h == 0 ? weight[j].x : weight[j].y;
      }
      if (SharesDivision) {
        AddShared<LogUnbound, Weighted>(x, own, count, bound[h], weighted[h]);
      } else {
        AddAny<LogUnbound, Weighted>(x, own, count, bound[h], weighted[h]);
      }
    }
  }
}

template <int RowTiles, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void SumSites(const float (&log_odds)[RowTiles][4],
                                         const RowWeights& weights, bool shares_division,
                                         float (&bound)[2], float (&weighted)[2]) {
  if (shares_division) {
    SumOwnRows<RowTiles, LogUnbound, Weighted, true>(log_odds, weights, bound, weighted);
  } else {
    SumOwnRows<RowTiles, LogUnbound, Weighted, false>(log_odds, weights, bound, weighted);
  }
}

// Adds up the rows of all lanes; lanes 0 to 7 end up with the sum of motif 2 t + g of the tile.
__device__ __forceinline__ float SumLanes(const float (&sum)[2], int lane) {
  const bool odd = (lane & 4) != 0;
  float own = odd ? sum[1] : sum[0];
  own += __shfl_xor_sync(0xffffffff, odd ? sum[0] : sum[1], 4);
  own += __shfl_xor_sync(0xffffffff, own, 8);
  own += __shfl_xor_sync(0xffffffff, own, 16);
  return own;
}

// ------------------------------------------------------- several sets of weights or conditions

// Two or four of a strip's sites of the lane's motif h, from its row k on.
template <int RowTiles>
__device__ __forceinline__ void TakeSites(const float (&sites)[RowTiles][4], int k, int count,
                                          int h, float (&own)[4]) {
#pragma unroll
  for (int j = 0; j < count; ++j) {
    own[j] = sites[(k + j) % RowTiles][2 * ((k + j) / RowTiles) + h];
  }
}

// Sums of `bound` under one condition over the strip's windows, of the lane's own rows. `sites` are
// odds where sites share divisions, else log2 odds; `relative` is as in PreparedMotifs.
template <int RowTiles, bool LogUnbound, bool SharesDivision>
__device__ __forceinline__ void SumBound(const float (&sites)[RowTiles][4],
                                         const float (&relative)[2], float (&bound)[2]) {
#pragma unroll
  for (int h = 0; h < 2; ++h) {
#pragma unroll
    for (int k = 0; k < 2 * RowTiles; k += 4) {
      const int count = k + 4 <= 2 * RowTiles ? 4 : 2;
      float x[4] = {};
      TakeSites(sites, k, count, h, x);
      if (SharesDivision) {
        AddScaled<LogUnbound>(x, relative[h], count, bound[h]);
      } else {
#pragma unroll
        for (int j = 0; j < count; ++j) {
          x[j] += relative[h];
          bound[h] += TermOf<LogUnbound>(AnySite(x[j]), x[j]);
        }
      }
    }
    if (SharesDivision && !LogUnbound) bound[h] *= relative[h];
  }
}

// The same for `weighted` and up to kSetsAtOnce sets of weights, and for the sum of p. `weights`
// are those of the lane's first row and motifs in the first set.
template <int RowTiles, int Sets, bool SharesDivision>
__device__ __forceinline__ void SumWeighted(const float (&sites)[RowTiles][4],
                                            const float2* weights, int set_stride,
                                            const float (&relative)[2], float (&expected)[2],
                                            float (&weighted)[kSetsAtOnce][2]) {
#pragma unroll
  for (int k = 0; k < 2 * RowTiles; k += 4) {
    const int count = k + 4 <= 2 * RowTiles ? 4 : 2;
    float p[2][4] = {};
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float x[4] = {};
      TakeSites(sites, k, count, h, x);
      if (SharesDivision) {
        BoundScaled(x, relative[h], count, p[h]);
      } else {
#pragma unroll
        for (int j = 0; j < count; ++j) p[h][j] = AnySite(x[j] + relative[h]).p;
      }
#pragma unroll
      for (int j = 0; j < count; ++j) expected[h] += p[h][j];
    }
#pragma unroll
    for (int s = 0; s < Sets; ++s) {
#pragma unroll
      for (int j = 0; j < count; ++j) {
        const float2 weight = weights[s * set_stride + 8 * (k + j) * (kTileMotifs / 2)];
        weighted[s][0] = fmaf(weight.x, p[0][j], weighted[s][0]);
        weighted[s][1] = fmaf(weight.y, p[1][j], weighted[s][1]);
      }
    }
  }
  if (SharesDivision) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      expected[h] *= relative[h];
#pragma unroll
      for (int s = 0; s < Sets; ++s) weighted[s][h] *= relative[h];
    }
  }
}

// From log2 odds to odds.
template <int RowTiles>
__device__ __forceinline__ void TakeOdds(float (&sites)[RowTiles][4]) {
#pragma unroll
  for (int i = 0; i < RowTiles; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) sites[i][j] = ptx::Exp2(sites[i][j]);
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_STRIP_SUMS_CUH_
