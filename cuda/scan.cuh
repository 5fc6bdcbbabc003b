// The scan: log2 odds of the sites of a strip of windows and one tile of motifs.

#ifndef CISREG_CUDA_SCAN_CUH_
#define CISREG_CUDA_SCAN_CUH_

#include "one_hot.cuh"

namespace cisreg::gpu {

// Log2 odds of rows that are no windows: never bound.
inline constexpr float kNoSite = -1e30f;

// Bits [first, end) of the first `count`: which steps there is something to do in.
__device__ __forceinline__ unsigned StepMask(int first, int end, int count) {
  first = max(first, 0);
  end = min(end, count);
  return end > first ? (1u << end) - (1u << first) : 0;
}

// One term of the steps of one chunk of columns. `energies` are the tile's, at the chunk's first
// step; other steps than `steps` are all zero.
template <int Tall, int Terms>
__device__ __forceinline__ void ScanTerm(float (&sums)[Tall][4], const OneHotStrip<Tall>& strip,
                                         const uint4* energies, int term, unsigned steps,
                                         int lane) {
  const uint4* const from = energies + term * kWarp + lane;
  if ((steps & 1) != 0) strip.template Multiply<0>(sums, from[0]);
  if ((steps & 2) != 0) strip.template Multiply<1>(sums, from[Terms * kWarp]);
  if ((steps & 4) != 0) strip.template Multiply<2>(sums, from[2 * Terms * kWarp]);
  if ((steps & 8) != 0) strip.template Multiply<3>(sums, from[3 * Terms * kWarp]);
}

// Sums of energies for all windows of the strip: lane (g, t) gets windows 16 i + g (numbers 0, 1)
// and 16 i + g + 8 (2, 3) of motifs 2t and 2t + 1. The low terms come first, while sums are small:
// tensor cores truncate.
template <int Tall, int Terms>
__device__ __forceinline__ void ScanTile(float (&sums)[Tall][4], OneHotStrip<Tall>& strip,
                                         const uint32_t* first_words, const uint32_t* second_words,
                                         const uint4* energies, const TileColumns& columns,
                                         int step_count, int lane) {
#pragma unroll
  for (int i = 0; i < Tall; ++i) {
    sums[i][0] = sums[i][1] = sums[i][2] = sums[i][3] = 0.0f;
  }
  for (int step = 0; step < step_count; step += kChunkSteps) {
    // A single chunk of columns stays in registers for all tiles.
    if (step_count > kChunkSteps) {
      strip.Load(first_words + step * kStepColumns, second_words + step * kStepColumns, lane);
    }
    const uint4* const chunk = energies + step * Terms * kWarp;
    const unsigned steps =
        StepMask(columns.scan_first - step, columns.scan_end - step, kChunkSteps);
    if (Terms == 2) ScanTerm<Tall, Terms>(sums, strip, chunk, 1, steps, lane);
    ScanTerm<Tall, Terms>(sums, strip, chunk, 0, steps, lane);
  }
}

// Adds the concentration, and marks rows from `rows` on as no windows.
template <int Tall>
__device__ __forceinline__ void FinishLogOdds(float (&sums)[Tall][4], float2 offset, int rows,
                                              int lane) {
#pragma unroll
  for (int i = 0; i < Tall; ++i) {
    sums[i][0] += offset.x;
    sums[i][1] += offset.y;
    sums[i][2] += offset.x;
    sums[i][3] += offset.y;
    if (rows < (i + 1) * kTileWindows) {
      const int row = i * kTileWindows + (lane >> 2);
      if (row >= rows) sums[i][0] = sums[i][1] = kNoSite;
      if (row + 8 >= rows) sums[i][2] = sums[i][3] = kNoSite;
    }
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_SCAN_CUH_
