// Forward: the sums of a strip and tile for each condition of a sequence and set of weights.

#ifndef CISREG_CUDA_FORWARD_CONDITIONS_CUH_
#define CISREG_CUDA_FORWARD_CONDITIONS_CUH_

#include "forward_block.cuh"
#include "strip_sums.cuh"

namespace cisreg::gpu {

// The concentrations of the lane's two motifs under condition c of sequence n, as parts of the
// largest ones, or the log2 of these: see PreparedMotifs. Values are not checked on a device:
// nothing is known of a sequence whose condition does not exist.
__device__ __forceinline__ void FindRelative(const ForwardParams& params, int n, int c, int tile,
                                             bool shares_division, float (&relative)[2]) {
  const ConditionInput& conditions = params.shape.conditions;
  relative[0] = relative[1] = shares_division ? 1.0f : 0.0f;
  if (params.motifs.relative == nullptr) return;
  const int condition = conditions.own == nullptr ? c : conditions.own[n];
  if (condition < 0 || condition >= conditions.count) {
    relative[0] = relative[1] = NAN;
    return;
  }
  const int64_t row = static_cast<int64_t>(condition) * params.motifs.tile_count + tile;
  const auto* const from = reinterpret_cast<const float2*>(params.motifs.relative);
  const float2 own = from[row * (kTileMotifs / 2) + (ptx::RecomputeThreadIndex() & 3)];
  relative[0] = own.x;
  relative[1] = own.y;
}

// Writes row `row` of some sums of tile `i` of the slice, from those of the lanes' own rows.
__device__ __forceinline__ void WriteSums(const ForwardParams& params, const ForwardShared& shared,
                                          int i, float* sums, int64_t row, const float (&own)[2]) {
  const int lane = ptx::RecomputeThreadIndex() % kWarp;
  const float sum = SumLanes(own, lane);
  const int32_t at = lane < kTileMotifs ? shared.place[i * kTileMotifs + lane] : -1;
  if (at >= 0) sums[row * kStrands * params.motifs.motif_count + at] = sum;
}

// The lane's weights of a strip, tile `i` of the slice and set.
__device__ __forceinline__ const float2* WeightsOfSet(const ForwardParams& params,
                                                      const ForwardShared& shared, int i, int set) {
  const int lane = ptx::RecomputeThreadIndex() % kWarp, first = shared.strip->first + (lane >> 2);
  const int row = i * params.weight_rows + set * params.set_rows + first;
  return reinterpret_cast<const float2*>(shared.weight) + row * (kTileMotifs / 2) + (lane & 3);
}

// Writes the sums of `weighted` under condition c, and those of p to `bound` unless this is null.
template <int RowTiles>
__device__ __forceinline__ void SumSets(const ForwardParams& params, const ForwardShared& shared,
                                        int i, int c, bool shares_division,
                                        const float (&relative)[2],
                                        const float (&sites)[RowTiles][4], float* bound) {
  const volatile StripPlace& strip = *shared.strip;
  const int conditions = params.shape.conditions.Each(), sets = params.motifs.weight_sets;
#pragma unroll 1
  for (int set = 0; set < sets; set += kSetsAtOnce) {
    float expected[2] = {}, weighted[kSetsAtOnce][2] = {};
    const bool two = set + 1 < sets;
    const float2* const weights = WeightsOfSet(params, shared, i, set);
    // The second of a pair that is not there has the first one's weights.
    const int stride = two ? params.set_rows * (kTileMotifs / 2) : 0;
    if (!shares_division) {
      SumWeighted<RowTiles, kSetsAtOnce, false>(sites, weights, stride, relative, expected,
                                                weighted);
    } else if (two) {
      SumWeighted<RowTiles, kSetsAtOnce, true>(sites, weights, stride, relative, expected,
                                               weighted);
    } else {
      SumWeighted<RowTiles, 1, true>(sites, weights, stride, relative, expected, weighted);
    }
    const int64_t row = int64_t{strip.row} * conditions + c;
    if (bound != nullptr && set == 0) WriteSums(params, shared, i, bound, row, expected);
    WriteSums(params, shared, i, params.weighted, row * sets + set, weighted[0]);
    if (two) WriteSums(params, shared, i, params.weighted, row * sets + set + 1, weighted[1]);
  }
}

// Writes the sums of a strip and tile `i` of the slice, for each condition of the sequence and each
// set of weights. Where the strip is, is read from shared memory when it is needed: registers hold
// its one-hot windows and its sites.
template <int RowTiles, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void SumConditions(const ForwardParams& params,
                                              const ForwardShared& shared, int i,
                                              bool shares_division, float (&sites)[RowTiles][4]) {
  const volatile StripPlace& strip = *shared.strip;
  const int conditions = params.shape.conditions.Each();
  if (shares_division) TakeOdds(sites);
#pragma unroll 1
  for (int c = 0; c < conditions; ++c) {
    float relative[2];
    FindRelative(params, strip.sequence, c, strip.slice + i * params.split.slice_count,
                 shares_division, relative);
    if (LogUnbound || !Weighted) {
      float bound[2] = {};
      if (shares_division) {
        SumBound<RowTiles, LogUnbound, true>(sites, relative, bound);
      } else {
        SumBound<RowTiles, LogUnbound, false>(sites, relative, bound);
      }
      WriteSums(params, shared, i, params.bound, int64_t{strip.row} * conditions + c, bound);
    }
    if constexpr (Weighted) {
      SumSets(params, shared, i, c, shares_division, relative, sites,
              LogUnbound ? nullptr : params.bound);
    }
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_FORWARD_CONDITIONS_CUH_
