// What the sites near a window do to a site there: a sum over taps, one for each distance, of an
// effect times the occupancies at the window so far away, on both strands.

#ifndef CISREG_CUDA_PAIR_TAPS_CUH_
#define CISREG_CUDA_PAIR_TAPS_CUH_

#include "pairs.cuh"

namespace cisreg::gpu {

// Sites of both strands of windows in a row.
struct PairSites {
  const float* forward;
  const float* reverse;
  int64_t windows;

  __device__ __forceinline__ float2 At(int64_t window) const {
    if (window < 0 || window >= windows) return {0.0f, 0.0f};
    return {forward[window], reverse[window]};
  }
};

// Of the motif in place 0 or 1 of a pair. Values are not checked on a device; a pair of motifs that
// are none has effects that are not a number.
__device__ __forceinline__ int MotifOf(const PairParams& params, int64_t pair, int place) {
  return min(max(params.pair[2 * pair + place], 0), params.motif_count - 1);
}

// Sites of a motif on a sequence whose sites are in memory, by its number there.
__device__ __forceinline__ PairSites SitesOf(const PairParams& params, int64_t sequence,
                                             int motif) {
  const int64_t windows = params.shape.window_count;
  const float* const site =
      params.site + (sequence * params.motif_count + motif) * kStrands * windows;
  return {site, site + windows, windows};
}

// Whether the taps from `first_tap` on see a window from the strip's windows.
__device__ __forceinline__ bool SeesWindows(const PairParams& params, int64_t first_window,
                                            int64_t first_tap) {
  const int64_t first = first_window + first_tap - params.tap_count / 2;
  return first < params.shape.window_count && first + kPairStrip + kPairTaps - 1 > 0;
}

// What a strip's windows see with kPairTaps taps.
struct TapMemory {
  // By tap: on a site of the forward strand what one on it does, and one on the reverse strand;
  // then both on a site of the reverse strand.
  float4 effect[kPairTaps];
  float2 other[kPairStrip + kPairTaps];
};

// `sees_first`: the second sites of the pair see the first ones, which read the distance.
__device__ __forceinline__ void FillTaps(const PairParams& params, int64_t pair, bool sees_first,
                                         int64_t first_tap, TapMemory& memory) {
  const int64_t taps = params.tap_count;
  const float* const same = params.effect + pair * pairs::kOrientations * taps;
  const float* const opposite = same + taps;
  for (int i = threadIdx.x; i < kPairTaps; i += kPairThreads) {
    const int64_t tap = first_tap + i, turned = taps - 1 - tap;
    float4 effect = {0.0f, 0.0f, 0.0f, 0.0f};
    if (tap < taps) {
      const int64_t onward = sees_first ? turned : tap, back = sees_first ? tap : turned;
      effect = {same[onward], opposite[tap], opposite[turned], same[back]};
    }
    memory.effect[i] = effect;
  }
}

// Adds what other sites do to those of the thread's windows of the strip, by strand.
__device__ __forceinline__ void AddTaps(const PairParams& params, int64_t pair, bool sees_first,
                                        const PairSites& others, int64_t first_window,
                                        TapMemory& memory, float2 (&sums)[kPairThreadWindows]) {
  for (int64_t first_tap = 0; first_tap < params.tap_count; first_tap += kPairTaps) {
    if (!SeesWindows(params, first_window, first_tap)) continue;
    __syncthreads();
    FillTaps(params, pair, sees_first, first_tap, memory);
    const int64_t first = first_window + first_tap - params.tap_count / 2;
    for (int i = threadIdx.x; i < kPairStrip + kPairTaps; i += kPairThreads) {
      memory.other[i] = others.At(first + i);
    }
    __syncthreads();
#pragma unroll 8
    for (int tap = 0; tap < kPairTaps; ++tap) {
      const float4 effect = memory.effect[tap];
#pragma unroll
      for (int k = 0; k < kPairThreadWindows; ++k) {
        const float2 other = memory.other[threadIdx.x + k * kPairThreads + tap];
        sums[k].x = fmaf(effect.x, other.x, sums[k].x);
        sums[k].y = fmaf(effect.z, other.x, sums[k].y);
        sums[k].x = fmaf(effect.y, other.y, sums[k].x);
        sums[k].y = fmaf(effect.w, other.y, sums[k].y);
      }
    }
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_PAIR_TAPS_CUH_
