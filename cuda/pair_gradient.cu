// Gradients of pairs: sums over the strips of all sequences. Strips are dealt to slices in turn;
// each slice has sums of its own, which are added in the order of the slices, so that every bit is
// the same on every run and device.

#include "energy.cuh"
#include "one_hot.cuh"
#include "pair_taps.cuh"
#include "run.h"
#include "sum_rows.cuh"

namespace cisreg::gpu {
namespace {

constexpr int kFinishThreads = 128;

// A strip of one of the sequences in memory.
struct PairItem {
  int64_t sequence, first_window;
};

__device__ __forceinline__ PairItem ItemOf(const PairParams& params, int64_t number) {
  return {number / params.strip_count, number % params.strip_count * kPairStrip};
}

// Where a slice goes on: with nothing, or with what it has from the sequences before.
__device__ __forceinline__ Compensated Begin(const PairParams& params, const float* sum) {
  Compensated total;
  if (!params.is_first) total.sum = *sum;
  return total;
}

struct ProductMemory {
  float2 own[kPairStrip];  // times the upstream gradient
  float2 other[kPairStrip + kPairTaps];
};

struct ColumnMemory {
  float2 slope[kPairStrip + 2 * (kPairColumns - 1)];  // zeros around those of the strip
  uint8_t codes[kPairStrip + kPairColumns - 1];
};

// Slopes and codes of an item, which a chunk of columns sees from `first_column` on; returns the
// sum of the slopes that the thread has read.
__device__ __forceinline__ float FillColumns(const PairParams& params, const PairItem& item,
                                             int motif, int first_column, ColumnMemory& memory) {
  const int64_t windows = params.shape.window_count, length = params.shape.length;
  const float* const slope =
      params.slope + (item.sequence * params.motif_count + motif) * kStrands * windows;
  const int end = static_cast<int>(min(windows - item.first_window, int64_t{kPairStrip}));
  float sum = 0.0f;
  for (int i = threadIdx.x; i < kPairStrip + 2 * (kPairColumns - 1); i += kPairColumns) {
    const int row = i - (kPairColumns - 1);
    float2 own = {0.0f, 0.0f};
    if (row >= 0 && row < end) {
      const float* const at = slope + item.first_window + row;
      own = {at[0], at[windows]};
      sum += own.x + own.y;
    }
    memory.slope[i] = own;
  }
  const uint8_t* const codes = params.sequence + (params.first_sequence + item.sequence) * length;
  const int64_t start = params.shape.first_start + item.first_window + first_column;
  for (int i = threadIdx.x; i < kPairStrip + kPairColumns - 1; i += kPairColumns) {
    memory.codes[i] = CodeAt(codes, length, start + i);
  }
  return sum;
}

// Adds the slopes of an item by the base that the thread's column of their windows shows.
__device__ __forceinline__ void AddColumn(const ColumnMemory& memory,
                                          Compensated (&totals)[kBases][kStrands]) {
  float2 sums[kBases] = {};
  const int behind = kPairColumns - 1 - static_cast<int>(threadIdx.x);
#pragma unroll 4
  for (int i = 0; i < kPairStrip + kPairColumns - 1; ++i) {
    const float2 slope = memory.slope[i + behind];
    const int code = memory.codes[i];
#pragma unroll
    for (int base = 0; base < kBases; ++base) {
      if (code != base) continue;
      sums[base].x += slope.x;
      sums[base].y += slope.y;
    }
  }
#pragma unroll
  for (int base = 0; base < kBases; ++base) {
    totals[base][0].Add(sums[base].x);
    totals[base][1].Add(sums[base].y);
  }
}

__device__ __forceinline__ bool IsHeld(const PairParams& params, int64_t motif, int64_t column) {
  if (params.column_range == nullptr) return false;
  return column < params.column_range[motif] ||
         column >= params.column_range[params.motif_count + motif];
}

__host__ __device__ inline int64_t ColumnChunks(const PairParams& params) {
  return (params.shape.width + kPairColumns - 1) / kPairColumns;
}

__host__ __device__ inline int64_t TapChunks(const PairParams& params) {
  return (params.tap_count + kPairTaps - 1) / kPairTaps;
}

}  // namespace

// A block for each motif, chunk of columns and slice; a thread for each column of the window.
__global__ void __launch_bounds__(kPairColumns)
    PairColumnSumsKernel(const __grid_constant__ PairParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  ColumnMemory& memory = *reinterpret_cast<ColumnMemory*>(shared_memory);
  const int64_t slice = blockIdx.x % params.slice_count, rest = blockIdx.x / params.slice_count;
  const int motif = static_cast<int>(rest / ColumnChunks(params));
  const int first_column = static_cast<int>(rest % ColumnChunks(params)) * kPairColumns;
  const int width = params.shape.width, column = first_column + static_cast<int>(threadIdx.x);
  float* const sums = params.slice_sums + slice * params.Columns();
  float* const of_strand = sums + static_cast<int64_t>(motif) * kStrands * width * kBases;
  float* const of_motif = sums + params.KdColumns() + motif;
  Compensated totals[kBases][kStrands], total;
  for (int64_t number = slice; number < params.Sequences() * params.strip_count;
       number += params.slice_count) {
    const PairItem item = ItemOf(params, number);
    __syncthreads();
    total.Add(FillColumns(params, item, motif, first_column, memory));
    __syncthreads();
    AddColumn(memory, totals);
  }
  if (column < width) {
    for (int base = 0; base < kBases; ++base) {
      for (int strand = 0; strand < kStrands; ++strand) {
        float* const to = of_strand + (strand * width + column) * kBases + base;
        Compensated with = Begin(params, to);
        with.Add(totals[base][strand].Total());
        *to = with.Total();
      }
    }
  }
  float sum = total.Total();
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffff, sum, step);
  if (column != 0) return;
  Compensated with = Begin(params, of_motif);
  with.Add(sum);
  *of_motif = with.Total();
}

// A block for each pair, some taps and a slice; a thread for each tap. Its sums are those of
// products of a first site and a second one so many windows further on: both on the forward strand,
// the second one on the reverse, the first one, both.
__global__ void __launch_bounds__(kPairTaps)
    PairTapSumsKernel(const __grid_constant__ PairParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  ProductMemory& memory = *reinterpret_cast<ProductMemory*>(shared_memory);
  const int64_t slice = blockIdx.x % params.slice_count, rest = blockIdx.x / params.slice_count;
  const int64_t pair = rest / TapChunks(params), first_tap = rest % TapChunks(params) * kPairTaps;
  constexpr int kSums = kStrands * kStrands;
  Compensated totals[kSums];
  for (int64_t number = slice; number < params.Sequences() * params.strip_count;
       number += params.slice_count) {
    const PairItem item = ItemOf(params, number);
    if (!SeesWindows(params, item.first_window, first_tap)) continue;
    const PairSites own = SitesOf(params, item.sequence, MotifOf(params, pair, 0));
    const PairSites others = SitesOf(params, item.sequence, MotifOf(params, pair, 1));
    const float upstream = params.upstream[params.first_sequence + item.sequence];
    const int64_t first = item.first_window + first_tap - params.tap_count / 2;
    __syncthreads();
    for (int i = threadIdx.x; i < kPairStrip; i += kPairTaps) {
      const float2 site = own.At(item.first_window + i);
      memory.own[i] = {upstream * site.x, upstream * site.y};
    }
    for (int i = threadIdx.x; i < kPairStrip + kPairTaps; i += kPairTaps) {
      memory.other[i] = others.At(first + i);
    }
    __syncthreads();
    float sums[kSums] = {};
#pragma unroll 8
    for (int window = 0; window < kPairStrip; ++window) {
      const float2 site = memory.own[window], other = memory.other[window + threadIdx.x];
      sums[0] = fmaf(site.x, other.x, sums[0]);
      sums[1] = fmaf(site.x, other.y, sums[1]);
      sums[2] = fmaf(site.y, other.x, sums[2]);
      sums[3] = fmaf(site.y, other.y, sums[3]);
    }
    for (int i = 0; i < kSums; ++i) totals[i].Add(sums[i]);
  }
  const int64_t tap = first_tap + threadIdx.x;
  if (tap >= params.tap_count) return;
  float* const to = params.slice_sums + slice * params.Columns() + params.KdColumns() +
                    params.motif_count + pair * kSums * params.tap_count + tap;
#pragma unroll
  for (int i = 0; i < kSums; ++i) {
    Compensated with = Begin(params, to + i * params.tap_count);
    with.Add(totals[i].Total());
    to[i * params.tap_count] = with.Total();
  }
}

// A thread for each number of the motifs.
__global__ void __launch_bounds__(kFinishThreads)
    PairMotifGradientsKernel(const __grid_constant__ PairParams params) {
  const int64_t at = blockIdx.x * static_cast<int64_t>(kFinishThreads) + threadIdx.x;
  const int64_t motifs = params.motif_count, width = params.shape.width;
  const int64_t row = at / motifs, motif = at % motifs, column = row / kBases;
  if (column > width || (column == width && row % kBases > 0)) return;
  if (column == width) {
    params.gradients.log_concentration[motif] = params.sums[params.KdColumns() + motif];
    return;
  }
  const float* const forward = params.sums + motif * kStrands * width * kBases;
  const float* const reverse = forward + width * kBases;
  // The reverse strand shows the complement in the mirrored column.
  const float sum = forward[row] + reverse[width * kBases - 1 - row];
  params.gradients.log_kd[at] = IsHeld(params, motif, column) ? 0.0f : 0.0f - sum;
}

// A warp for each knot, to which effects less than a spacing away belong in part.
__global__ void __launch_bounds__(kWarp)
    PairKnotGradientsKernel(const __grid_constant__ PairParams params) {
  const int64_t curve = blockIdx.x / params.knot_count, knot = blockIdx.x % params.knot_count;
  const int64_t pair = curve / pairs::kOrientations;
  const bool is_opposite = curve % pairs::kOrientations == 1;
  const int64_t taps = params.tap_count, farthest = taps / 2, spacing = params.spacing;
  const bool itself = params.pair[2 * pair] == params.pair[2 * pair + 1];
  const float* const sums =
      params.sums + params.KdColumns() + params.motif_count + pair * kStrands * kStrands * taps;
  // Of sites that the first one on the forward strand sees, and of those on the reverse one.
  const float* const forward = sums + (is_opposite ? taps : 0);
  const float* const reverse = sums + (is_opposite ? 2 : 3) * taps;
  const int64_t place = (knot + 1) * spacing - params.distance;
  const int64_t end = min(place + spacing, farthest + 1);
  Compensated total;
  for (int64_t near = max(place - spacing + 1, -farthest) + threadIdx.x; near < end;
       near += kWarp) {
    if (itself && near == 0) continue;
    const int64_t away = near < place ? place - near : near - place;
    const float share = 1.0f - static_cast<float>(away) / static_cast<float>(spacing);
    total.Add(share * (forward[farthest + near] + reverse[farthest - near]));
  }
  float sum = total.Total();
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffff, sum, step);
  if (threadIdx.x > 0) return;
  if (itself) sum *= 0.5f;
  params.gradients.effect[blockIdx.x] = HasMotifs(params, pair) ? sum : NotANumber();
}

cudaError_t AddPairGradients(const PairParams& params, cudaStream_t stream) {
  const int64_t column_blocks = params.motif_count * ColumnChunks(params) * params.slice_count;
  const int64_t tap_blocks = params.pair_count * TapChunks(params) * params.slice_count;
  if (column_blocks > 0) {
    const cudaError_t status = Run(PairColumnSumsKernel, static_cast<unsigned>(column_blocks),
                                   kPairColumns, sizeof(ColumnMemory), stream, params);
    if (status != cudaSuccess) return status;
  }
  if (tap_blocks == 0) return cudaSuccess;
  return Run(PairTapSumsKernel, static_cast<unsigned>(tap_blocks), kPairTaps, sizeof(ProductMemory),
             stream, params);
}

cudaError_t FinishPairs(const PairParams& params, cudaStream_t stream) {
  if (params.Columns() == 0) return cudaSuccess;
  cudaError_t status = SumRows({params.slice_sums, params.sums, 1, params.slice_count,
                                params.slice_count, params.Columns(), nullptr, true, true},
                               stream);
  const int64_t numbers =
      (static_cast<int64_t>(params.shape.width) * kBases + 1) * params.motif_count;
  if (status == cudaSuccess && numbers > 0) {
    status = Run(PairMotifGradientsKernel, BlocksFor(numbers, kFinishThreads), kFinishThreads, 0,
                 stream, params);
  }
  const int64_t knots = params.pair_count * pairs::kOrientations * params.knot_count;
  if (status != cudaSuccess || knots == 0) return status;
  return Run(PairKnotGradientsKernel, static_cast<unsigned>(knots), kWarp, 0, stream, params);
}

}  // namespace cisreg::gpu
