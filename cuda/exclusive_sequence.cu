// Between the scans of sites that exclude each other: sums over all configurations of each
// sequence, by forward-backward over its places. A step of the recursion needs those before it, so
// a warp takes one sequence from one end, its lanes the numbers of bases that sites may cover; the
// other warp of the block comes from the other end.

#include "exclusive.cuh"
#include "exclusive_law.cuh"
#include "length.cuh"
#include "run.h"

namespace cisreg::gpu {
namespace {

constexpr int kThreads = 2 * kWarp;
// Of a multiprocessor at a time; the compiler would have it hold 32, with too few registers.
constexpr int kBlocks = 16;
constexpr int kCollectThreads = 128;
constexpr float kLog2E = 1.442695040888963407f;
// Sums above 2^200 are divided by it. Odds are at most 2^100 and sums at least 1: nothing
// overflows, and what underflows is nothing beside what it would be added to.
constexpr int kScalePower = 200;
constexpr double kMost = 0x1p200;
constexpr double kLess = 0x1p-200;

// Two to the power of kScalePower difference. Below -2 it is 0: what it scales is at most 2^400.
__device__ __forceinline__ double ScaleOf(int difference) {
  if (difference == 0) return 1.0;
  if (difference > 0) return kMost;
  return difference == -1 ? kLess : difference == -2 ? kLess * kLess : 0.0;
}

// The same sum in every lane.
__device__ __forceinline__ double SumOfWarp(double own) {
#pragma unroll
  for (int distance = 1; distance < kWarp; distance *= 2) {
    own += __shfl_xor_sync(0xffffffff, own, distance);
  }
  return own;
}

__device__ __forceinline__ float CompetitorOdds(const CompetitorInput& competitors, int q) {
  return ExclusiveOdds(kLog2E * competitors.log_odds[q]);
}

// Places that a competitor can begin at.
__device__ __forceinline__ int64_t CompetitorPlaces(const ExclusiveParams& params, int64_t n,
                                                    int q) {
  return max(OwnLength(params.shape, n) - params.competitors.width[q] + 1, int64_t{0});
}

// Places of a sequence: none if nothing can be bound to it.
__device__ __forceinline__ int64_t PlaceCount(const ExclusiveParams& params, int64_t n) {
  const int64_t windows = OwnWindows(params.shape, n);
  const bool is_empty =
      params.competitors.count == 0 ? windows <= 0 : OwnLength(params.shape, n) == 0;
  return is_empty ? 0 : windows - 1 + params.places.reach;
}

// One sequence's part of what a block works on.
struct Sequence {
  int64_t places;
  float* numbers;  // [widths, stride], or pairs
  ConfigurationSums before, behind;
};

__device__ __forceinline__ ConfigurationSums SumsOf(const ConfigurationSums& all, int64_t at) {
  return {all.sum + at, all.gain == nullptr ? nullptr : all.gain + at, all.power + at};
}

__device__ __forceinline__ Sequence SequenceAt(const ExclusiveParams& params, int64_t n) {
  const int64_t at = n * (params.places.stride + int64_t{1});
  return {PlaceCount(params, n), params.sums + n * params.SequenceFloats(),
          SumsOf(params.before, at), SumsOf(params.behind, at)};
}

// Sums over the configurations before each place, or behind it, and of their gains: by one warp.
template <bool Before, bool Gains>
__device__ __forceinline__ void SumUpTo(const PlaceLayout& layout, const Sequence& of,
                                        const ConfigurationSums& to, int lane) {
  constexpr int kStep = Before ? 1 : -1, kNumbers = Gains ? 2 : 1;
  const int64_t begin = Before ? 0 : of.places;
  double sum = 1.0, gain = 0.0;
  int power = 0;
  for (int64_t done = 0;; ++done) {
    const int64_t at = begin + kStep * done;
    if (lane == 0) {
      to.sum[at] = sum;
      if (Gains) to.gain[at] = gain;
      to.power[at] = power;
    }
    __syncwarp();
    if (done == of.places) return;
    const int64_t next = at + kStep;
    double terms = 0.0, gains = 0.0;
    for (int i = lane; i < layout.width_count; i += kWarp) {
      const int width = layout.width[i];
      if (width > done + 1) break;
      const int64_t from = next - kStep * width;
      const float* const numbers =
          of.numbers + (i * int64_t{layout.stride} + (Before ? from : next)) * kNumbers;
      const double scaled = ScaleOf(to.power[from] - power) * to.sum[from];
      terms += numbers[0] * scaled;
      if (!Gains) continue;
      gains += numbers[1] * scaled + numbers[0] * (ScaleOf(to.power[from] - power) * to.gain[from]);
    }
    sum += SumOfWarp(terms);
    if (Gains) gain += SumOfWarp(gains);
    if (sum > kMost) {
      sum *= kLess;
      gain *= kLess;
      ++power;
    }
  }
}

// From sums of gains to mean gains.
__device__ __forceinline__ void DivideGains(const Sequence& of) {
  for (int64_t at = threadIdx.x; at <= of.places; at += kThreads) {
    of.before.gain[at] /= of.before.sum[at];
    of.behind.gain[at] /= of.behind.sum[at];
  }
}

// Puts factors in the place of odds, and slopes in the place of gains. `upstream`: the gradient of
// the log partition function.
template <bool Gains>
__device__ __forceinline__ void StoreFactors(const PlaceLayout& layout, const Sequence& of,
                                             float upstream) {
  constexpr int kNumbers = Gains ? 2 : 1;
  const double inverse = 1.0 / of.before.sum[of.places];
  const int power = of.before.power[of.places];
  const double others = Gains ? of.before.gain[of.places] - upstream : 0.0;
  for (int i = 0; i < layout.width_count; ++i) {
    const int width = layout.width[i];
    float* const numbers = of.numbers + i * int64_t{layout.stride} * kNumbers;
    for (int64_t at = threadIdx.x; at + width <= of.places; at += kThreads) {
      const double scale = ScaleOf(of.before.power[at] + of.behind.power[at + width] - power);
      const auto factor =
          static_cast<float>(of.before.sum[at] * inverse * of.behind.sum[at + width] * scale);
      numbers[at * kNumbers] = factor;
      if (!Gains) continue;
      numbers[at * kNumbers + 1] =
          static_cast<float>(factor * (of.before.gain[at] + of.behind.gain[at + width] - others));
    }
  }
}

// The expected number of bound competitors, or the gradients with respect to their log odds: a warp
// has every other competitor.
template <bool Gains>
__device__ __forceinline__ void SumCompetitors(const ExclusiveParams& params, const Sequence& of,
                                               int64_t n, int lane) {
  constexpr int kNumbers = Gains ? 2 : 1;
  const CompetitorInput& competitors = params.competitors;
  for (int q = threadIdx.x / kWarp; q < competitors.count; q += kThreads / kWarp) {
    const int64_t row = n * competitors.count + q;
    const int64_t first =
        competitors.width_index[q] * int64_t{params.places.stride} + params.places.first_base;
    const double gain = Gains ? params.competitor_gradient[row] : 1.0;
    double sum = 0.0;
    for (int64_t i = lane; i < CompetitorPlaces(params, n, q); i += kWarp) {
      const float* const numbers = of.numbers + (first + i) * kNumbers;
      sum += numbers[0] * gain;
      if (Gains) sum += numbers[1];
    }
    sum = SumOfWarp(sum) * CompetitorOdds(competitors, q);
    if (lane == 0) params.competitor_sums[row] = static_cast<float>(sum);
  }
}

// What competitors of so many bases add to the odds of a place, and to odds times gains.
__device__ __forceinline__ float2 CompetitorsAt(const ExclusiveParams& params, int64_t n,
                                                int width_index, int64_t place) {
  float2 sum = make_float2(0.0f, 0.0f);
  const int64_t at = place - params.places.first_base;
  for (int q = 0; q < params.competitors.count; ++q) {
    if (params.competitors.width_index[q] != width_index || at < 0 ||
        at >= CompetitorPlaces(params, n, q)) {
      continue;
    }
    const float odds = CompetitorOdds(params.competitors, q);
    sum.x += odds;
    if (params.HasGains()) {
      sum.y += odds * params.competitor_gradient[n * params.competitors.count + q];
    }
  }
  return sum;
}

}  // namespace

// A thread has a width and a place of a sequence at a time.
template <bool Gains>
__global__ void CollectOddsKernel(const __grid_constant__ ExclusiveParams params) {
  constexpr int kNumbers = Gains ? 2 : 1;
  const int64_t all = params.shape.sequence_count * params.places.Numbers();
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; i < all;
       i += stride) {
    const int64_t row = i / params.places.stride, n = row / params.places.width_count;
    const auto width_index = static_cast<int>(row - n * params.places.width_count);
    float2 sum = CompetitorsAt(params, n, width_index, i - row * params.places.stride);
    for (int part = 0; part < params.parts; ++part) {
      const float* const own = params.sums + (part * all + i) * kNumbers;
      sum.x += own[0];
      if (Gains) sum.y += own[1];
    }
    params.sums[i * kNumbers] = sum.x;
    if (Gains) params.sums[i * kNumbers + 1] = sum.y;
  }
}

// A block has a sequence.
template <bool Gains>
__global__ void __launch_bounds__(kThreads, kBlocks)
    SumSequencesKernel(const __grid_constant__ ExclusiveParams params) {
  const int64_t n = blockIdx.x;
  const Sequence own = SequenceAt(params, n);
  const int lane = threadIdx.x % kWarp;
  if (threadIdx.x < kWarp) {
    SumUpTo<true, Gains>(params.places, own, own.before, lane);
  } else {
    SumUpTo<false, Gains>(params.places, own, own.behind, lane);
  }
  __syncthreads();
  if (Gains) {
    DivideGains(own);
    __syncthreads();
  }
  StoreFactors<Gains>(params.places, own, Gains ? params.log_partition_gradient[n] : 0.0f);
  __syncthreads();
  SumCompetitors<Gains>(params, own, n, lane);
  if (Gains || threadIdx.x != 0) return;
  constexpr double kLogOfScale = kScalePower * 0.693147180559945309417;
  params.log_partition[n] = static_cast<float>(log(own.before.sum[own.places]) +
                                               own.before.power[own.places] * kLogOfScale);
}

cudaError_t CollectOdds(const ExclusiveParams& params, cudaStream_t stream) {
  if (params.parts == 1 && params.competitors.count == 0) return cudaSuccess;
  constexpr int64_t kMostBlocks = 65536;
  const int64_t all = params.shape.sequence_count * params.places.Numbers();
  const int64_t most = kMostBlocks * kCollectThreads;
  return Run(params.HasGains() ? CollectOddsKernel<true> : CollectOddsKernel<false>,
             BlocksFor(all < most ? all : most, kCollectThreads), kCollectThreads, 0, stream,
             params);
}

cudaError_t SumSequences(const ExclusiveParams& params, cudaStream_t stream) {
  return Run(params.HasGains() ? SumSequencesKernel<true> : SumSequencesKernel<false>,
             static_cast<unsigned>(params.shape.sequence_count), kThreads, 0, stream, params);
}

}  // namespace cisreg::gpu
