// Slopes of the sites of a group of windows and one tile of motifs: dloss/dlogit, from upstream
// gradients; and what the gradients of position weights gain.

#ifndef CISREG_CUDA_SLOPES_CUH_
#define CISREG_CUDA_SLOPES_CUH_

#include "gradient_block.cuh"
#include "strip_sums.cuh"

namespace cisreg::gpu {

// What a group of windows is scanned for: the item, its first row, and the lane's place.
struct GroupPlace {
  int index, row0, thread;

  __device__ __forceinline__ int lane() const { return thread % kWarp; }
  // The lane's first motif among those of the block, in its tile u.
  __device__ __forceinline__ int Motif(int u) const {
    return (OwnTile(thread) + u) * kTileMotifs + 2 * (thread & 3);
  }
};

// Upstream gradients of the lane's motifs of one tile.
struct Upstream {
  float bound[2];
  float weighted[2];
};

template <bool Weighted>
__device__ __forceinline__ Upstream UpstreamOf(const BlockState& state, const GroupPlace& place,
                                               int u) {
  const auto& kept = state.upstream[place.index & 1];
  const float2 bound = *reinterpret_cast<const float2*>(kept[0] + place.Motif(u));
  Upstream upstream = {{bound.x, bound.y}, {}};
  if (Weighted) {
    const float2 weighted = *reinterpret_cast<const float2*>(kept[1] + place.Motif(u));
    upstream.weighted[0] = weighted.x;
    upstream.weighted[1] = weighted.y;
  }
  return upstream;
}

// Slopes of the sites of one motif, from p and q = 1 - p, in place of p.
template <bool LogUnbound, int Sites>
__device__ __forceinline__ void FindSlopes(float g, const float (&q)[Sites], float (&p)[Sites]) {
#pragma unroll
  for (int k = 0; k < Sites; ++k) p[k] *= LogUnbound ? -g : g * q[k];
}

// The same with position weights; also adds to the gradients of these. `weight` are those of the
// lane's first row and motif, and their gradients lie `gradients_at` behind them.
template <bool LogUnbound, int Sites>
__device__ __forceinline__ void FindWeightedSlopes(const Upstream& upstream,
                                                   const float (&scale)[2], float* weight,
                                                   int gradients_at, const float (&q)[2][Sites],
                                                   float (&p)[2][Sites]) {
#pragma unroll
  for (int k = 0; k < Sites; ++k) {
    float2* const at = reinterpret_cast<float2*>(weight + 8 * k * kTileMotifs);
    float2& gradient = *reinterpret_cast<float2*>(weight + gradients_at + 8 * k * kTileMotifs);
    gradient = make_float2(fmaf(upstream.weighted[0], p[0][k], gradient.x),
                           fmaf(upstream.weighted[1], p[1][k], gradient.y));
    const float2 weights = *at;
    const float own[2] = {weights.x, weights.y};
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float g = scale[h] * upstream.bound[h], gw = scale[h] * upstream.weighted[h];
      // Of p + w p q: q (g + gw w), or of -log(1 - p): gw w q - g.
      const float slope =
          LogUnbound ? fmaf(gw * q[h][k], own[h], -g) : q[h][k] * fmaf(gw, own[h], g);
      p[h][k] *= slope;
    }
  }
}

// Position weights of a lane's rows of up to four sites, for its two motifs, and what their
// gradients gain.
struct SetOfWeights {
  float2 weight[4], gained[4];
};

// Two motifs' numbers in a row of an item's upstream gradients.
__device__ __forceinline__ float2 PairAt(const float* rows, int row, int columns) {
  return *reinterpret_cast<const float2*>(rows + row * columns);
}

// Adds what up to four sites of motif h contribute under one condition: to their slopes, to the sum
// of these, and to the gradients of up to kSetsAtOnce sets of weights, whose upstream gradients are
// `of_set`. `x` are odds where sites share divisions, else log2 odds.
template <bool LogUnbound, int Sets>
__device__ __forceinline__ void AddSlopes(bool shares_division, const float (&x)[4], int count,
                                          float relative, float of_bound,
                                          const float (&of_set)[kSetsAtOnce], float scale, int h,
                                          SetOfWeights (&sets)[kSetsAtOnce], float (&slope)[4],
                                          float& total) {
  float p[4] = {}, q[4] = {};
  if (shares_division) {
    float d[4] = {};
#pragma unroll
    for (int j = 0; j < count; ++j) d[j] = fmaf(relative, x[j], 1.0f);
    DivideShared(d, count, q);
#pragma unroll
    for (int j = 0; j < count; ++j) p[j] = relative * x[j] * q[j];
  } else {
#pragma unroll
    for (int j = 0; j < count; ++j) {
      const Bound site = AnySite(x[j] + relative);
      p[j] = site.p;
      q[j] = site.q;
    }
  }
#pragma unroll
  for (int j = 0; j < count; ++j) {
    // Of p + w p q: q (g + gw w), or of -log(1 - p): gw w q - g.
    float weighted = LogUnbound ? 0.0f : of_bound;
#pragma unroll
    for (int s = 0; s < Sets; ++s) {
      float2& gained = sets[s].gained[j];
      const float2 weight = sets[s].weight[j];
      weighted = fmaf(of_set[s], h == 0 ? weight.x : weight.y, weighted);
      float& own = h == 0 ? gained.x : gained.y;
      own = fmaf(of_set[s], p[j], own);
    }
    const float g = LogUnbound ? fmaf(weighted, q[j], -of_bound) : weighted * q[j];
    const float added = scale * g * p[j];
    slope[j] += added;
    total += added;
  }
}

// Slopes of a group of windows and a tile of motifs, summed over conditions and sets of weights.
// Also adds to the sums of each condition's slopes, and to the gradients of the weights.
template <int RowTiles, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void FindSeveralSlopes(const BackwardParams& params, char* memory,
                                                  const GroupPlace& place, int u,
                                                  bool shares_division, const float (&scale)[2],
                                                  const float (&log_odds)[RowTiles][4],
                                                  float (&slope)[2][2 * RowTiles]) {
  constexpr int kSites = 2 * RowTiles, kSets = Weighted ? kSetsAtOnce : 0;
  const int conditions = params.shape.conditions.Each(), set_count = params.motifs.weight_sets;
  const int columns = params.split.block_tiles() * kTileMotifs;
  const int kinds = kUpstreamKinds + (Weighted ? set_count : 0);
  float sites[2][kSites];
#pragma unroll
  for (int h = 0; h < 2; ++h) {
#pragma unroll
    for (int k = 0; k < kSites; ++k) {
      const float x = log_odds[k % RowTiles][2 * (k / RowTiles) + h];
      sites[h][k] = shares_division ? ptx::Exp2(x) : x;
      slope[h][k] = 0.0f;
    }
  }
#pragma unroll 1
  for (int set = 0; set == 0 || (Weighted && set < set_count); set += kSetsAtOnce) {
    // The second of a pair that is not there has the first one's weights, without a gradient.
    const bool two = Weighted && set + 1 < set_count;
    const int other = two ? 1 : 0;
#pragma unroll
    for (int k = 0; k < kSites; k += 4) {
      const int count = k + 4 <= kSites ? 4 : 2;
      SetOfWeights sets[kSetsAtOnce] = {};
      float* weights = nullptr;
      if constexpr (Weighted) {
        const int row = place.row0 + (place.lane() >> 2) + 8 * k;
        weights =
            WarpWeights(params, memory, place.thread) +
            (u * params.shared.weight_rows + set * params.shared.set_rows + row) * kTileMotifs +
            2 * (place.thread & 3);
#pragma unroll
        for (int s = 0; s < kSetsAtOnce; ++s) {
          const float* const from = weights + s * other * params.shared.set_rows * kTileMotifs;
#pragma unroll
          for (int j = 0; j < count; ++j) {
            sets[s].weight[j] = *reinterpret_cast<const float2*>(from + 8 * j * kTileMotifs);
          }
        }
      }
#pragma unroll 1
      for (int c = 0; c < conditions; ++c) {
        const float* const rows =
            UpstreamRows(params, memory, place.index) + c * kinds * columns + place.Motif(u);
        const float2 relative = PairAt(rows, 0, columns);
        const float2 bound = set == 0 ? PairAt(rows, 1, columns) : make_float2(0.0f, 0.0f);
        float2 of_set[kSetsAtOnce] = {};
        if constexpr (Weighted) {
          of_set[0] = PairAt(rows, kUpstreamKinds + set, columns);
          if (two) of_set[1] = PairAt(rows, kUpstreamKinds + set + 1, columns);
        }
        float* const totals = TotalsOf(params, memory, c, u, place.thread);
        const int stride = TotalStride(params);
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          float x[4] = {}, own[4] = {};
#pragma unroll
          for (int j = 0; j < count; ++j) x[j] = sites[h][k + j], own[j] = slope[h][k + j];
          const float g[kSetsAtOnce] = {h == 0 ? of_set[0].x : of_set[0].y,
                                        h == 0 ? of_set[1].x : of_set[1].y};
          float total = totals[h * stride];
          AddSlopes<LogUnbound, kSets>(shares_division, x, count, h == 0 ? relative.x : relative.y,
                                       h == 0 ? bound.x : bound.y, g, scale[h], h, sets, own,
                                       total);
          totals[h * stride] = total;
#pragma unroll
          for (int j = 0; j < count; ++j) slope[h][k + j] = own[j];
        }
      }
      if constexpr (Weighted) {
#pragma unroll
        for (int s = 0; s < kSetsAtOnce; ++s) {
          if (s > other) break;
          float* const to =
              weights + s * params.shared.set_rows * kTileMotifs + WeightGradientsAt(params);
#pragma unroll
          for (int j = 0; j < count; ++j) {
            float2& gradient = *reinterpret_cast<float2*>(to + 8 * j * kTileMotifs);
            gradient =
                make_float2(gradient.x + sets[s].gained[j].x, gradient.y + sets[s].gained[j].y);
          }
        }
      }
    }
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_SLOPES_CUH_
