#include "conditions.cuh"
#include "ptx.cuh"
#include "run.h"
#include "sum_rows.cuh"

namespace cisreg::gpu {
namespace {

constexpr int kThreads = 128;
constexpr int64_t kMostBlocks = 4096;
// Of a block that looks for the largest: motifs, and threads for each.
constexpr int kLargestMotifs = 32, kLargestRows = 16;
constexpr double kLog2E = 1.442695040888963407;
constexpr float kLn2 = 0.693147180559945309f;

// Not fmaxf, which would drop what is not a number.
__device__ __forceinline__ float Larger(float a, float b) { return a != a || a >= b ? a : b; }

// A concentration as a part of the largest, or log2 of it, from their logarithms.
__device__ __forceinline__ float Relative(float own, float largest, bool as_part) {
  const double exponent = kLog2E * (static_cast<double>(own) - largest);
  const auto rounded = static_cast<float>(exponent);
  if (!as_part || own == -INFINITY) return as_part ? 0.0f : rounded;
  // What rounding leaves over is a factor near 1.
  return ptx::Exp2(rounded) * fmaf(kLn2, static_cast<float>(exponent - rounded), 1.0f);
}

unsigned BlocksUpTo(int64_t count, int threads, int64_t most) {
  return BlocksFor(count < most * threads ? count : most * threads, threads);
}

// The condition of a sequence; values are not checked on a device: one behind the last stands for
// those that do not exist.
__device__ __forceinline__ int32_t ConditionOf(const ConditionInput& conditions, int64_t sequence) {
  const int32_t own = conditions.own[sequence];
  return own < 0 || own >= conditions.count ? conditions.count : own;
}

// A row of totals, and whose it is.
struct TotalRow {
  int64_t row;
  int32_t condition;
};

// The row at a place of their order.
__device__ __forceinline__ TotalRow RowAt(const ConcentrationParams& params, int64_t at) {
  if (params.conditions.own != nullptr) {
    const int64_t place = at / params.strips, sequence = params.sorted.order[place];
    return {sequence * params.strips + (at - place * params.strips),
            ConditionOf(params.conditions, sequence)};
  }
  const int64_t rows = params.sequence_count * params.strips, condition = at / rows;
  return {(at - condition * rows) * params.conditions.count + condition,
          static_cast<int32_t>(condition)};
}

// The first place of a condition's rows in their order.
__device__ __forceinline__ int64_t FirstRow(const ConcentrationParams& params, int32_t condition) {
  if (params.conditions.own == nullptr) return params.sequence_count * params.strips * condition;
  int64_t first = 0, end = params.sequence_count;
  while (first < end) {
    const int64_t middle = (first + end) / 2;
    if (ConditionOf(params.conditions, params.sorted.order[middle]) < condition) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return first * params.strips;
}

}  // namespace

// A block has kLargestMotifs motifs, and so many threads for each.
__global__ void LargestKernel(const __grid_constant__ ConditionParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  float* const shared = reinterpret_cast<float*>(shared_memory);
  const int column = threadIdx.x % kLargestMotifs, row = threadIdx.x / kLargestMotifs;
  const int motif_count = params.motifs.motif_count;
  const int motif = blockIdx.x * kLargestMotifs + column;
  float largest = -INFINITY;
  if (motif < motif_count) {
#pragma unroll 8
    for (int64_t c = row; c < params.condition_count; c += kLargestRows) {
      largest = Larger(params.log_concentration[c * motif_count + motif], largest);
    }
  }
  shared[threadIdx.x] = largest;
  __syncthreads();
  if (row != 0 || motif >= motif_count) return;
  for (int i = 1; i < kLargestRows; ++i) {
    largest = Larger(shared[i * kLargestMotifs + column], largest);
  }
  params.largest[motif] = largest;
}

__global__ void RelativeKernel(const __grid_constant__ ConditionParams params) {
  const PreparedMotifs& motifs = params.motifs;
  const int64_t columns = static_cast<int64_t>(motifs.tile_count) * kTileMotifs;
  const int64_t count = params.condition_count * columns;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t at = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; at < count;
       at += stride) {
    const int64_t condition = at / columns;
    const int column = static_cast<int>(at - condition * columns), tile = column / kTileMotifs;
    const int motif = motifs.motif_at[tile / 2 * kTileMotifs + column % kTileMotifs];
    const bool shares_division = motifs.columns[tile].shares_division != 0;
    float relative = shares_division ? 1.0f : 0.0f;
    if (motif >= 0 && params.largest[motif] != -INFINITY) {
      const float own = params.log_concentration[condition * motifs.motif_count + motif];
      relative = Relative(own, params.largest[motif], shares_division);
    }
    motifs.relative[at] = relative;
  }
}

// Sorted runs of sequences, by their conditions.
__global__ void ConditionRunsKernel(const __grid_constant__ ConcentrationParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  uint64_t* const keys = reinterpret_cast<uint64_t*>(shared_memory);
  const int first = blockIdx.x * kRunKeys, sequence = first + threadIdx.x;
  if (sequence < params.sorted.count) {
    const uint64_t condition = ConditionOf(params.conditions, sequence);
    keys[threadIdx.x] = condition << params.sorted.number_bits | static_cast<uint64_t>(sequence);
  }
  __syncthreads();
  SortRun(params.sorted, keys, first);
}

// A block has kPartRows rows, a thread one column at a time.
__global__ void ConcentrationPartsKernel(const __grid_constant__ ConcentrationParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  TotalRow* const rows = reinterpret_cast<TotalRow*>(shared_memory);
  const int64_t first = blockIdx.x * static_cast<int64_t>(kPartRows), columns = params.Columns();
  const int count = static_cast<int>(min(params.Rows() - first, int64_t{kPartRows}));
  for (int i = threadIdx.x; i < count; i += blockDim.x) rows[i] = RowAt(params, first + i);
  __syncthreads();
  const int64_t stride = static_cast<int64_t>(gridDim.y) * blockDim.x;
  for (int64_t column = blockIdx.y * static_cast<int64_t>(blockDim.x) + threadIdx.x;
       column < columns; column += stride) {
    Compensated total;
#pragma unroll 8
    for (int i = 0; i < count; ++i) {
      total.Add(params.totals[rows[i].row * columns + column]);
      if (i + 1 < count && rows[i + 1].condition == rows[i].condition) continue;
      params.parts[(blockIdx.x + rows[i].condition) * columns + column] = total.Total();
      total = {};
    }
  }
}

// One thread for each condition and place of a motif: adds its parts in their order.
__global__ void ConcentrationKernel(const __grid_constant__ ConcentrationParams params) {
  const PreparedMotifs& motifs = params.motifs;
  const int64_t places = 4 * static_cast<int64_t>(motifs.tile_count);
  const int64_t count = params.conditions.count * places;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t at = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; at < count;
       at += stride) {
    const int32_t condition = static_cast<int32_t>(at / places);
    const int place = static_cast<int>(at - condition * places);
    const int motif = motifs.motif_at[place];
    if (motif < 0) continue;
    const int64_t first = FirstRow(params, condition), end = FirstRow(params, condition + 1);
    float gradient = 0.0f;
    for (int strand = 0; first < end && strand < kStrands; ++strand) {
      const int column =
          (place / kTileMotifs * kStrands + strand) * kTileMotifs + place % kTileMotifs;
      Compensated total;
#pragma unroll 8
      for (int64_t part = first / kPartRows; part <= (end - 1) / kPartRows; ++part) {
        total.Add(params.parts[(part + condition) * params.Columns() + column]);
      }
      gradient += total.Total() * (motifs.scale == nullptr ? 1.0f : 1.0f / motifs.scale[column]);
    }
    params.gradient[condition * static_cast<int64_t>(motifs.motif_count) + motif] = gradient;
  }
}

cudaError_t FindLargest(const ConditionParams& params, cudaStream_t stream) {
  constexpr int kLargestThreads = kLargestMotifs * kLargestRows;
  return Run(LargestKernel, BlocksFor(params.motifs.motif_count, kLargestMotifs), kLargestThreads,
             kLargestThreads * sizeof(float), stream, params);
}

cudaError_t FillRelative(const ConditionParams& params, cudaStream_t stream) {
  const int64_t count =
      static_cast<int64_t>(params.motifs.tile_count) * kTileMotifs * params.condition_count;
  return Run(RelativeKernel, BlocksUpTo(count, kThreads, kMostBlocks), kThreads, 0, stream, params);
}

cudaError_t SumConcentrations(const ConcentrationParams& params, cudaStream_t stream) {
  cudaError_t status = cudaSuccess;
  if (params.conditions.own != nullptr && params.sorted.count > 0) {
    status = Run(ConditionRunsKernel, BlocksFor(params.sorted.count, kRunKeys), kRunKeys,
                 kRunKeys * sizeof(uint64_t), stream, params);
    if (status == cudaSuccess) status = MergeRuns(params.sorted, stream);
  }
  if (status == cudaSuccess && params.Rows() > 0) {
    const dim3 grid(BlocksFor(params.Rows(), kPartRows),
                    BlocksUpTo(params.Columns(), kThreads, kMostBlocks));
    status =
        Run(ConcentrationPartsKernel, grid, kThreads, kPartRows * sizeof(TotalRow), stream, params);
  }
  if (status != cudaSuccess) return status;
  const int64_t sums = 4 * static_cast<int64_t>(params.motifs.tile_count) * params.conditions.count;
  return Run(ConcentrationKernel, BlocksUpTo(sums, kThreads, kMostBlocks), kThreads, 0, stream,
             params);
}

}  // namespace cisreg::gpu
