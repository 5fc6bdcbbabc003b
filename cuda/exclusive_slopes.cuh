// Slopes of sites that exclude each other, from what the recursion has left of their places.

#ifndef CISREG_CUDA_EXCLUSIVE_SLOPES_CUH_
#define CISREG_CUDA_EXCLUSIVE_SLOPES_CUH_

#include "exclusive_law.cuh"
#include "slopes.cuh"

namespace cisreg::gpu {

// Slopes of a group of windows and a tile of motifs, from log2 odds; and what the gradients of
// position weights gain.
template <int RowTiles, bool Weighted>
__device__ __forceinline__ void FindExclusiveSlopes(const BackwardParams& params, char* memory,
                                                    const GroupPlace& place, int u,
                                                    const float (&log_odds)[RowTiles][4],
                                                    float (&slope)[2][2 * RowTiles]) {
  const BlockState& state = StateOf(memory);
  const Item& item = ItemAt(memory, place.index);
  const Upstream upstream = UpstreamOf<Weighted>(state, place, u);
  const int row = place.row0 + (place.lane() >> 2);
  const float2* const numbers = params.exclusive.numbers +
                                item.sequence * params.exclusive.sequence_numbers +
                                item.strip * params.split.strip_windows() + row;
  const int2 site = *reinterpret_cast<const int2*>(params.exclusive.site +
                                                   state.first_tile * kTileMotifs + place.Motif(u));
  float* weight = nullptr;
  if (Weighted) {
    weight = WarpWeights(params, memory, place.thread) +
             (u * params.shared.weight_rows + row) * kTileMotifs + 2 * (place.thread & 3);
  }
#pragma unroll
  for (int k = 0; k < 2 * RowTiles; ++k) {
    float gain[2] = {upstream.bound[0], upstream.bound[1]}, gained[2] = {};
    float2 weights = {};
    if (Weighted) weights = *reinterpret_cast<const float2*>(weight + 8 * k * kTileMotifs);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float odds = ExclusiveOdds(log_odds[k % RowTiles][2 * (k / RowTiles) + h]);
      // Nothing is read of windows that do not exist.
      const float2 own =
          odds == 0.0f ? make_float2(0.0f, 0.0f) : numbers[(h == 0 ? site.x : site.y) + 8 * k];
      if (Weighted) {
        gain[h] = fmaf(upstream.weighted[h], h == 0 ? weights.x : weights.y, gain[h]);
        gained[h] = upstream.weighted[h] * (odds * own.x);
      }
      slope[h][k] = odds * fmaf(own.x, gain[h], own.y);
    }
    if (Weighted) {
      float2& gradient =
          *reinterpret_cast<float2*>(weight + WeightGradientsAt(params) + 8 * k * kTileMotifs);
      gradient = make_float2(gradient.x + gained[0], gradient.y + gained[1]);
    }
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_EXCLUSIVE_SLOPES_CUH_
