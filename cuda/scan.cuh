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

// Adds to the sums what the columns of one chunk contribute: lane (g, t) gets windows 8 i + g
// (numbers 0, 1) and 8 (i + Tall) + g (2, 3) of motifs 2t and 2t + 1. `energies` are the tile's, at
// the chunk's first step. The low terms come first, while sums are small: tensor cores truncate.
template <int Tall, int Terms>
__device__ __forceinline__ void ScanChunk(float (&sums)[Tall][4], const OneHotStrip<Tall>& strip,
                                          const uint4* energies, const TileColumns& columns,
                                          int first_step, int lane) {
  const unsigned steps =
      StepMask(columns.scan_first - first_step, columns.scan_end - first_step, kChunkSteps);
  if (Terms == 2) ScanTerm<Tall, Terms>(sums, strip, energies, 1, steps, lane);
  ScanTerm<Tall, Terms>(sums, strip, energies, 0, steps, lane);
}

// One step of a chunk, with both terms. Loads the operand that is needed from this step on.
template <int Tall, int Terms, int Step>
__device__ __forceinline__ void ScanStep(float (&sums)[Tall][4], OneHotStrip<Tall>& strip,
                                         const uint32_t* first_words, const uint32_t* second_words,
                                         const uint4* energies, unsigned steps, int lane) {
  strip.template Load<Step == 0 ? 0 : Step + Tall - 1, Step + Tall>(first_words, second_words,
                                                                    lane);
  if ((steps & 1u << Step) == 0) return;
  const uint4* const from = energies + Step * Terms * kWarp + lane;
  if (Terms == 2) strip.template Multiply<Step>(sums, from[kWarp]);
  strip.template Multiply<Step>(sums, from[0]);
}

// As ScanChunk, but loads operands when they are needed and does not keep them, which takes fewer
// registers. The terms of a step come together, so that a low term meets larger sums; that is exact
// enough for a gradient.
template <int Tall, int Terms>
__device__ __forceinline__ void ScanChunkBriefly(float (&sums)[Tall][4],
                                                 const uint32_t* first_words,
                                                 const uint32_t* second_words,
                                                 const uint4* energies, const TileColumns& columns,
                                                 int first_step, int lane) {
  const unsigned steps =
      StepMask(columns.scan_first - first_step, columns.scan_end - first_step, kChunkSteps);
  OneHotStrip<Tall> strip;
  ScanStep<Tall, Terms, 0>(sums, strip, first_words, second_words, energies, steps, lane);
  ScanStep<Tall, Terms, 1>(sums, strip, first_words, second_words, energies, steps, lane);
  ScanStep<Tall, Terms, 2>(sums, strip, first_words, second_words, energies, steps, lane);
  ScanStep<Tall, Terms, 3>(sums, strip, first_words, second_words, energies, steps, lane);
}

template <int Tall>
__device__ __forceinline__ void ClearLogOdds(float (&sums)[Tall][4]) {
#pragma unroll
  for (int i = 0; i < Tall; ++i) {
    sums[i][0] = sums[i][1] = sums[i][2] = sums[i][3] = 0.0f;
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
  }
#pragma unroll
  for (int k = 2 * Tall - 1; k >= 0; --k) {
    if (rows >= 8 * k + 8) break;
    if (8 * k + (lane >> 2) < rows) continue;
    sums[k % Tall][2 * (k / Tall)] = sums[k % Tall][2 * (k / Tall) + 1] = kNoSite;
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_SCAN_CUH_
