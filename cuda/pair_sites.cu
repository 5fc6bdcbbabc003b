// The sites of factors in pairs: energies of their motifs, then a scan that adds one column of the
// window after the other.

#include "energy.cuh"
#include "law.cuh"
#include "pairs.cuh"
#include "run.h"
#include "span.cuh"

namespace cisreg::gpu {
namespace {

// Codes of bases, of unknown ones, and one for all that is no code.
constexpr int kCodes = kBases + 2;

struct SiteMemory {
  float2 energy[kPairColumns][kCodes];  // what a window's column adds, on both strands
  uint8_t codes[kPairStrip + kPairColumns];
};

// Columns of a motif that are its own. Values are not checked on a device, so they are clamped.
__device__ __forceinline__ SiteColumns OwnColumns(const PairParams& params, int motif) {
  if (params.column_range == nullptr) return {0, params.shape.width};
  return {max(params.column_range[motif], 0),
          min(params.column_range[params.motif_count + motif], params.shape.width)};
}

// Energies of the window's columns from `first` on.
__device__ __forceinline__ void FillEnergies(const PairParams& params, int motif, int first,
                                             SiteMemory& memory) {
  const int width = params.shape.width;
  const float* const own = params.energy + static_cast<int64_t>(motif) * width * kBases;
  for (int i = threadIdx.x; i < kPairColumns * kCodes; i += kPairStrip) {
    const int column = first + i / kCodes, code = i % kCodes;
    float2 energy = {0.0f, 0.0f};
    if (column < width && code < kBases) {
      energy = {own[column * kBases + code],
                own[(width - 1 - column) * kBases + kBases - 1 - code]};
    } else if (column < width && code > kBases) {
      energy = {NotANumber(), NotANumber()};
    }
    memory.energy[i / kCodes][code] = energy;
  }
}

// Log2 odds of the thread's window on both strands, without the concentration.
__device__ __forceinline__ float2 ScanWindow(const PairParams& params, int motif, int64_t sequence,
                                             int64_t first_window, SiteMemory& memory) {
  float2 sum = {0.0f, 0.0f};
  const uint8_t* const codes = params.sequence + sequence * params.shape.length;
  for (int first = 0; first < params.shape.width; first += kPairColumns) {
    __syncthreads();
    FillEnergies(params, motif, first, memory);
    const int64_t start = params.shape.first_start + first_window + first;
    for (int i = threadIdx.x; i < kPairStrip + kPairColumns - 1; i += kPairStrip) {
      memory.codes[i] = CodeAt(codes, params.shape.length, start + i);
    }
    __syncthreads();
#pragma unroll 8
    for (int column = 0; column < kPairColumns; ++column) {
      const int code = min(static_cast<int>(memory.codes[threadIdx.x + column]), kCodes - 1);
      const float2 energy = memory.energy[column][code];
      sum.x += energy.x;
      sum.y += energy.y;
    }
  }
  return sum;
}

// Whether a site in a row of the strip counts whose own columns these are.
__device__ __forceinline__ bool Counts(const SpanBases& span, const SiteColumns& columns, int row) {
  return row + columns.end > span.begin && row + columns.first < span.end;
}

__device__ __forceinline__ void WriteSite(const PairParams& params, int64_t at, float log_odds,
                                          bool counts) {
  const Bound site = counts ? AnySite(log_odds) : Bound{0.0f, 1.0f, 0.0f};
  params.site[at] = site.p;
  if (params.slope != nullptr) params.slope[at] = site.p * site.q;
}

}  // namespace

// A block for each motif.
__global__ void __launch_bounds__(kPairStrip)
    PairMotifsKernel(const __grid_constant__ PairParams params) {
  const int motif = blockIdx.x;
  const SiteColumns own = OwnColumns(params, motif);
  const int64_t numbers = static_cast<int64_t>(params.shape.width) * kBases;
  int is_wrong = 0;
  for (int64_t i = threadIdx.x; i < numbers; i += kPairStrip) {
    const int64_t column = i / kBases;
    float energy = 0.0f;
    if (column >= own.first && column < own.end) {
      energy = Energy(params.log_kd[i * params.motif_count + motif]);
    }
    is_wrong |= energy != energy ? 1 : 0;
    params.energy[motif * numbers + i] = energy;
  }
  is_wrong = __syncthreads_or(is_wrong);
  if (threadIdx.x == 0) {
    params.offset[motif] = is_wrong ? NotANumber() : Offset(params.log_concentration[motif]);
  }
}

// A block for each sequence, motif and strip; a thread for each window.
__global__ void __launch_bounds__(kPairStrip)
    PairSitesKernel(const __grid_constant__ PairParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  SiteMemory& memory = *reinterpret_cast<SiteMemory*>(shared_memory);
  const int64_t strip = blockIdx.x % params.strip_count;
  const int64_t row = blockIdx.x / params.strip_count;
  const int motif = static_cast<int>(row % params.motif_count);
  const int64_t sequence = params.first_sequence + row / params.motif_count;
  const int64_t first_window = strip * kPairStrip, window = first_window + threadIdx.x;
  const float2 energy = ScanWindow(params, motif, sequence, first_window, memory);
  const int64_t windows = params.shape.window_count;
  if (window >= windows) return;
  bool forward = true, reverse = true;
  if (params.span.edges != nullptr) {
    const SpanBases span = FindSpan(params.span, params.shape, sequence, first_window);
    const SiteColumns own = OwnColumns(params, motif);
    const int width = params.shape.width, index = threadIdx.x;
    forward = own.first < own.end && Counts(span, own, index);
    reverse = own.first < own.end && Counts(span, {width - own.end, width - own.first}, index);
  }
  const int64_t at = row * kStrands * windows + window;
  WriteSite(params, at, params.offset[motif] + energy.x, forward);
  WriteSite(params, at + windows, params.offset[motif] + energy.y, reverse);
}

// A thread for each effect.
__global__ void __launch_bounds__(kPairStrip)
    PairEffectsKernel(const __grid_constant__ PairParams params) {
  const int64_t at = blockIdx.x * static_cast<int64_t>(kPairStrip) + threadIdx.x;
  const int64_t taps = params.tap_count;
  if (at >= params.pair_count * pairs::kOrientations * taps) return;
  const int64_t curve = at / taps, number = curve / pairs::kOrientations;
  const int64_t place = at % taps - taps / 2;
  const bool itself = params.pair[2 * number] == params.pair[2 * number + 1];
  const int64_t knot = (place + params.distance) / params.spacing;  // the one there or behind
  const float share = static_cast<float>((place + params.distance) % params.spacing) /
                      static_cast<float>(params.spacing);
  const float* const knots = params.knots + curve * params.knot_count;
  float effect = 0.0f;
  if (knot >= 1) effect = (1.0f - share) * knots[knot - 1];
  if (knot < params.knot_count && share > 0.0f) effect = fmaf(share, knots[knot], effect);
  // Every two sites of a factor with itself are seen from both; two in one window do not count.
  if (itself) effect = place == 0 ? 0.0f : 0.5f * effect;
  params.effect[at] = HasMotifs(params, number) ? effect : NotANumber();
}

cudaError_t PreparePairs(const PairParams& params, cudaStream_t stream) {
  const int64_t effects = params.pair_count * pairs::kOrientations * params.tap_count;
  if (params.motif_count > 0) {
    const cudaError_t status =
        Run(PairMotifsKernel, params.motif_count, kPairStrip, 0, stream, params);
    if (status != cudaSuccess) return status;
  }
  if (effects == 0) return cudaSuccess;
  return Run(PairEffectsKernel, BlocksFor(effects, kPairStrip), kPairStrip, 0, stream, params);
}

cudaError_t FindPairSites(const PairParams& params, cudaStream_t stream) {
  const int64_t blocks = params.Sequences() * params.motif_count * params.strip_count;
  if (blocks == 0) return cudaSuccess;
  return Run(PairSitesKernel, static_cast<unsigned>(blocks), kPairStrip, sizeof(SiteMemory), stream,
             params);
}

}  // namespace cisreg::gpu
