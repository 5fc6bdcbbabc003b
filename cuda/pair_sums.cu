// The scores of pairs, and what their sites do to each other's slopes.

#include "pair_taps.cuh"
#include "run.h"
#include "sum_rows.cuh"

namespace cisreg::gpu {
namespace {

constexpr int kTotalWarps = 4;

__device__ __forceinline__ float SumWarp(float x) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffff, x, step);
  return x;
}

}  // namespace

// A block for each sequence, pair and strip of the first factor's windows.
__global__ void __launch_bounds__(kPairThreads)
    PairScoresKernel(const __grid_constant__ PairParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  TapMemory& memory = *reinterpret_cast<TapMemory*>(shared_memory);
  const int64_t strip = blockIdx.x % params.strip_count;
  const int64_t row = blockIdx.x / params.strip_count;
  const int64_t pair = row % params.pair_count, sequence = row / params.pair_count;
  const PairSites own = SitesOf(params, sequence, MotifOf(params, pair, 0));
  const PairSites others = SitesOf(params, sequence, MotifOf(params, pair, 1));
  float2 sums[kPairThreadWindows] = {};
  AddTaps(params, pair, false, others, strip * kPairStrip, memory, sums);
  float total = 0.0f;
#pragma unroll
  for (int k = 0; k < kPairThreadWindows; ++k) {
    const float2 site = own.At(strip * kPairStrip + k * kPairThreads + threadIdx.x);
    total = fmaf(site.x, sums[k].x, fmaf(site.y, sums[k].y, total));
  }
  total = SumWarp(total);
  __syncthreads();
  float* const by_warp = reinterpret_cast<float*>(shared_memory);
  if (threadIdx.x % kWarp == 0) by_warp[threadIdx.x / kWarp] = total;
  __syncthreads();
  if (threadIdx.x != 0) return;
  total = by_warp[0];
#pragma unroll
  for (int warp = 1; warp < kPairThreads / kWarp; ++warp) total += by_warp[warp];
  params.part[blockIdx.x] = total;
}

// A warp for each sequence adds what its pairs and strips have come to.
__global__ void __launch_bounds__(kTotalWarps* kWarp)
    PairTotalsKernel(const __grid_constant__ PairParams params) {
  const int64_t sequence = blockIdx.x * static_cast<int64_t>(kTotalWarps) + threadIdx.x / kWarp;
  if (sequence >= params.Sequences()) return;
  const int64_t parts = params.pair_count * params.strip_count;
  Compensated total;
  for (int64_t i = threadIdx.x % kWarp; i < parts; i += kWarp) {
    total.Add(params.part[sequence * parts + i]);
  }
  const float sum = SumWarp(total.Total());
  if (threadIdx.x % kWarp == 0) params.score[params.first_sequence + sequence] = sum;
}

// A block for each sequence, motif and strip: the motif's sites see those of the other factor of
// every pair that it is in, in the order of the pairs.
__global__ void __launch_bounds__(kPairThreads)
    PairGainsKernel(const __grid_constant__ PairParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  TapMemory& memory = *reinterpret_cast<TapMemory*>(shared_memory);
  const int64_t strip = blockIdx.x % params.strip_count;
  const int64_t row = blockIdx.x / params.strip_count;
  const int motif = static_cast<int>(row % params.motif_count);
  const int64_t sequence = row / params.motif_count, windows = params.shape.window_count;
  float2 gains[kPairThreadWindows] = {};
  for (int64_t pair = 0; pair < params.pair_count; ++pair) {
    for (int place = 0; place < 2; ++place) {
      if (params.pair[2 * pair + place] != motif) continue;
      const PairSites others = SitesOf(params, sequence, MotifOf(params, pair, 1 - place));
      AddTaps(params, pair, place == 1, others, strip * kPairStrip, memory, gains);
    }
  }
  const float upstream = params.upstream[params.first_sequence + sequence];
  float* const slope = params.slope + row * kStrands * windows;
#pragma unroll
  for (int k = 0; k < kPairThreadWindows; ++k) {
    const int64_t window = strip * kPairStrip + k * kPairThreads + threadIdx.x;
    if (window >= windows) continue;
    slope[window] *= gains[k].x * upstream;
    slope[windows + window] *= gains[k].y * upstream;
  }
}

cudaError_t SumPairs(const PairParams& params, cudaStream_t stream) {
  const int64_t blocks = params.Sequences() * params.pair_count * params.strip_count;
  if (blocks > 0) {
    const cudaError_t status = Run(PairScoresKernel, static_cast<unsigned>(blocks), kPairThreads,
                                   sizeof(TapMemory), stream, params);
    if (status != cudaSuccess) return status;
  }
  return Run(PairTotalsKernel, BlocksFor(params.Sequences(), kTotalWarps), kTotalWarps * kWarp, 0,
             stream, params);
}

cudaError_t TakePairGains(const PairParams& params, cudaStream_t stream) {
  const int64_t blocks = params.Sequences() * params.motif_count * params.strip_count;
  if (blocks == 0) return cudaSuccess;
  return Run(PairGainsKernel, static_cast<unsigned>(blocks), kPairThreads, sizeof(TapMemory),
             stream, params);
}

}  // namespace cisreg::gpu
