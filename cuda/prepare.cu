// Prepares motifs, in this order: the columns and odds of each, their order by width, the operands
// of each tile, weights in the tiles' order, the scale of float16 gradients.

#include "energy.cuh"
#include "prepare.cuh"
#include "ptx.cuh"
#include "run.h"
#include "sort.cuh"
#include "span.cuh"

namespace cisreg::gpu {
namespace {

constexpr int kThreads = 128;
// float16 gradients are scaled to just below 2^kScaledExponent, by at most 2^kLargestScaleExponent.
constexpr int kScaledExponent = 14;
constexpr int kLargestScaleExponent = 100;

__device__ __forceinline__ int Width(const MotifColumns& columns) {
  return columns.scan_end - columns.scan_first;
}

// Widest first, then by the first column, then in the motifs' own order.
__device__ __forceinline__ uint64_t SortKey(const MotifColumns& columns, int width, int motif) {
  const uint64_t narrower = width - Width(columns), first = columns.scan_first;
  return (narrower << kColumnBits | first) << kMotifBits | motif;
}

__device__ MotifColumns ColumnsOfMotif(const PrepareParams& params, int motif) {
  const int motif_count = params.motifs.motif_count;
  const int width = params.shape.width;
  MotifColumns columns = {width, 0, 0, width, 0.0f};
  if (params.column_range != nullptr) {
    // Values are not checked on a device, so the range is clamped: nothing is read out of bounds.
    columns.train_first = max(params.column_range[motif], 0);
    columns.train_end = min(params.column_range[motif_count + motif], width);
  }
  float strongest = Offset(params.log_concentration[motif]);
  for (int column = columns.train_first; column < columns.train_end; ++column) {
    float best = 0.0f;
    bool zero = true;
    for (int base = 0; base < kBases; ++base) {
      const float energy = Energy(
          params.log_kd[(static_cast<int64_t>(column) * kBases + base) * motif_count + motif]);
      zero = zero && energy == 0.0f;
      // Not fmaxf, which would drop NaN.
      best = best != best || energy <= best ? best : energy;
    }
    strongest += best;
    if (zero) continue;
    columns.scan_first = min(columns.scan_first, column);
    columns.scan_end = column + 1;
  }
  if (columns.scan_end == 0) columns.scan_first = 0;
  columns.strongest = strongest;
  return columns;
}

// Their order by width.
__host__ __device__ inline Sorted SortedMotifs(const PrepareParams& params) {
  return {params.sort_keys, params.motifs.motif_at, params.motifs.motif_count, kMotifBits};
}

}  // namespace

// The columns of each motif, and for each block a sorted run of motifs.
__global__ void MotifColumnsKernel(const __grid_constant__ PrepareParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  uint64_t* const keys = reinterpret_cast<uint64_t*>(shared_memory);
  const PreparedMotifs& motifs = params.motifs;
  const int thread = threadIdx.x, first = blockIdx.x * kRunKeys;
  const int count = min(kRunKeys, motifs.motif_count - first);
  if (thread < count) {
    const MotifColumns columns = ColumnsOfMotif(params, first + thread);
    motifs.motif[first + thread] = columns;
    keys[thread] = SortKey(columns, params.shape.width, first + thread);
  } else if (first + thread < 4 * motifs.tile_count) {
    motifs.motif_at[first + thread] = -1;
  }
  __syncthreads();
  SortRun(SortedMotifs(params), keys, first);
}

// Columns of a tile: all that any of its motifs needs, mirrored on the reverse strand.
__device__ TileColumns ColumnsOfTile(const PrepareParams& params, int tile) {
  const int width = params.shape.width;
  int first = width, end = 0, train_first = width, train_end = 0;
  TileColumns columns = {0, 0, 0, 0, 1};
  for (int i = 0; i < kTileMotifs; ++i) {
    const int motif = params.motifs.motif_at[tile / 2 * kTileMotifs + i];
    if (motif < 0) continue;
    const MotifColumns& own = params.motifs.motif[motif];
    if (!(own.strongest <= kSharedDivisionLog2Odds)) columns.shares_division = 0;
    if (own.scan_first < own.scan_end) {
      first = min(first, own.scan_first);
      end = max(end, own.scan_end);
    }
    if (own.train_first < own.train_end) {
      train_first = min(train_first, own.train_first);
      train_end = max(train_end, own.train_end);
    }
  }
  const bool reverse = tile % 2 == 1;
  if (first < end) {
    columns.scan_first = (reverse ? width - end : first) / kStepColumns;
    columns.scan_end = ((reverse ? width - first : end) + kStepColumns - 1) / kStepColumns;
  }
  if (train_first < train_end) {
    columns.train_first = (reverse ? width - train_end : train_first) / kGradientColumns;
    columns.train_end =
        ((reverse ? width - train_first : train_end) + kGradientColumns - 1) / kGradientColumns;
  }
  return columns;
}

// Columns of a motif on the strand of a tile, as a span sees them.
__device__ __forceinline__ SiteColumns ColumnsOfSite(const PrepareParams& params, int tile,
                                                     int motif) {
  if (motif < 0) return kNoColumns;
  const MotifColumns& own = params.motifs.motif[motif];
  if (own.train_first >= own.train_end) return kNoColumns;
  if (tile % 2 == 0) return {own.train_first, own.train_end};
  return {params.shape.width - own.train_end, params.shape.width - own.train_first};
}

// Energy at row k (column, base) of the product's second operand, for one motif of the tile.
__device__ __forceinline__ float EnergyAt(const PrepareParams& params, int tile, int motif, int k) {
  int column = k / kBases, base = k % kBases;
  const int width = params.shape.width;
  if (motif < 0 || column >= width) return 0.0f;
  if (tile % 2 == 1) {
    column = width - 1 - column;
    base = kBases - 1 - base;
  }
  const MotifColumns& own = params.motifs.motif[motif];
  if (column < own.train_first || column >= own.train_end) return 0.0f;
  const int64_t row = static_cast<int64_t>(column) * kBases + base;
  return Energy(params.log_kd[row * params.motifs.motif_count + motif]);
}

// One block a tile: its operands, 32 lanes by step and term.
__global__ void EnergiesKernel(const __grid_constant__ PrepareParams params) {
  const PreparedMotifs& motifs = params.motifs;
  const int tile = blockIdx.x;
  if (threadIdx.x == 0) motifs.columns[tile] = ColumnsOfTile(params, tile);
  if (threadIdx.x < kTileMotifs) {
    const int motif = motifs.motif_at[tile / 2 * kTileMotifs + threadIdx.x];
    // A motif with a parameter that is not finite has NaN for its strongest site. Products skip
    // what the metadata does not name, so that NaN among the energies alone would show at some
    // sites only.
    const float strongest = motif < 0 ? 0.0f : motifs.motif[motif].strongest;
    motifs.offset[tile * kTileMotifs + threadIdx.x] =
        motif < 0 ? -1e30f
                  : (strongest != strongest ? strongest : Offset(params.log_concentration[motif]));
    motifs.sites[tile * kTileMotifs + threadIdx.x] = ColumnsOfSite(params, tile, motif);
  }
  uint4* const to = motifs.energies + tile * motifs.TileUint4s();
  for (int i = threadIdx.x; i < motifs.step_count * kWarp; i += blockDim.x) {
    const int step = i / kWarp, lane = i % kWarp;
    const int motif = motifs.motif_at[tile / 2 * kTileMotifs + (lane >> 2)];
    uint32_t high[4], low[4];
    for (int j = 0; j < 4; ++j) {
      const int k = step * kStepColumns * kBases + 8 * j + 2 * (lane & 3);
      const float even = EnergyAt(params, tile, motif, k);
      const float odd = EnergyAt(params, tile, motif, k + 1);
      high[j] = ptx::PackHalf(even, odd);
      low[j] = ptx::PackHalf(even - ptx::HalfLow(high[j]), odd - ptx::HalfHigh(high[j]));
    }
    uint4* const at = to + step * motifs.term_count * kWarp + lane;
    at[0] = make_uint4(high[0], high[1], high[2], high[3]);
    if (motifs.term_count == 2) at[kWarp] = make_uint4(low[0], low[1], low[2], low[3]);
  }
}

__global__ void WeightsKernel(const __grid_constant__ PrepareParams params) {
  const PreparedMotifs& motifs = params.motifs;
  const int64_t windows = params.shape.window_count;
  const int64_t count = WeightCount(motifs, params.shape);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; i < count;
       i += stride) {
    const int column = static_cast<int>(i % kTileMotifs);
    const int64_t window = i / kTileMotifs % windows;
    const int64_t table = i / kTileMotifs / windows;
    const int tile = static_cast<int>(table / motifs.weight_sets);
    const int64_t set = table % motifs.weight_sets;
    const int motif = motifs.motif_at[tile / 2 * kTileMotifs + column];
    const int64_t row = (set * kStrands + tile % 2) * windows + window;
    motifs.weight[i] = motif < 0 ? 0.0f : params.position_weight[row * motifs.motif_count + motif];
  }
}

// Largest of a number per thread, for each of the 8 motifs of a tile; threads i, i + 8, ... agree.
__device__ float LargestOfBlock(float value, float* shared) {
  shared[threadIdx.x] = value;
  __syncthreads();
  for (int half = kThreads / 2; half >= kTileMotifs; half /= 2) {
    if (threadIdx.x < half) {
      shared[threadIdx.x] = fmaxf(shared[threadIdx.x], shared[threadIdx.x + half]);
    }
    __syncthreads();
  }
  const float largest = shared[threadIdx.x % kTileMotifs];
  __syncthreads();
  return largest;
}

// One block a tile. No slope of a sequence is larger than its upstream gradient times its summed
// occupancy, or 1, added over conditions; the scale brings the largest such bound just below 2^14.
// The bound uses the sites that occur, not the strongest possible ones, which may be beyond
// float16's range.
__global__ void ScaleKernel(const __grid_constant__ ScaleParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  float* const shared = reinterpret_cast<float*>(shared_memory);
  const PreparedMotifs& motifs = params.motifs;
  const int tile = blockIdx.x;
  const int column = threadIdx.x % kTileMotifs, conditions = params.shape.conditions.Each();
  const int motif = motifs.motif_at[tile / 2 * kTileMotifs + column];
  // The largest of all sets.
  float weight = 0.0f;
  for (int64_t window = threadIdx.x / kTileMotifs;
       motifs.weight != nullptr && window < motifs.weight_sets * params.shape.window_count;
       window += kThreads / kTileMotifs) {
    const int64_t row = tile * motifs.weight_sets * params.shape.window_count + window;
    weight = fmaxf(weight, fabsf(motifs.weight[row * kTileMotifs + column]));
  }
  weight = LargestOfBlock(weight, shared);
  float largest = 0.0f;
  for (int64_t n = threadIdx.x / kTileMotifs; motif >= 0 && n < params.shape.sequence_count;
       n += kThreads / kTileMotifs) {
    float slope = 0.0f;
    for (int c = 0; c < conditions; ++c) {
      const int64_t sums = n * conditions + c;
      const int64_t at = (sums * kStrands + tile % 2) * motifs.motif_count + motif;
      float upstream = fabsf(params.bound[at]);
      for (int set = 0; params.weighted != nullptr && set < motifs.weight_sets; ++set) {
        const int64_t row = (sums * motifs.weight_sets + set) * kStrands + tile % 2;
        upstream = fmaf(fabsf(params.weighted[row * motifs.motif_count + motif]), weight, upstream);
      }
      slope = fmaf(upstream, fminf(params.expected[at], 1.0f), slope);
    }
    largest = fmaxf(largest, slope);
  }
  largest = LargestOfBlock(largest, shared);
  if (threadIdx.x >= kTileMotifs) return;
  float scale = 1.0f;
  if (motif >= 0 && largest > 0.0f && isfinite(largest)) {
    const float exponent = kScaledExponent - ceilf(ptx::Log2(largest) + 1e-3f);
    scale = ptx::Exp2(fminf(fmaxf(exponent, -kLargestScaleExponent), kLargestScaleExponent));
  }
  motifs.scale[tile * kTileMotifs + column] = scale;
}

cudaError_t FindCodeCapability(int* capability) {
  cudaFuncAttributes attributes;
  const cudaError_t status =
      cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(MotifColumnsKernel));
  if (status == cudaSuccess) *capability = attributes.ptxVersion;
  return status;
}

cudaError_t SortMotifs(const PrepareParams& params, cudaStream_t stream) {
  const unsigned runs = BlocksFor(4 * static_cast<int64_t>(params.motifs.tile_count), kRunKeys);
  const cudaError_t status =
      Run(MotifColumnsKernel, runs, kRunKeys, kRunKeys * sizeof(uint64_t), stream, params);
  return status == cudaSuccess ? MergeRuns(SortedMotifs(params), stream) : status;
}

cudaError_t Prepare(const PrepareParams& params, cudaStream_t stream) {
  const PreparedMotifs& motifs = params.motifs;
  cudaError_t status = SortMotifs(params, stream);
  if (status != cudaSuccess) return status;
  status = Run(EnergiesKernel, motifs.tile_count, kThreads, 0, stream, params);
  if (status != cudaSuccess || motifs.weight == nullptr) return status;
  constexpr int64_t kMostBlocks = 4096;
  const int64_t weights = WeightCount(motifs, params.shape);
  const int64_t most = kMostBlocks * kThreads;
  return Run(WeightsKernel, BlocksFor(weights < most ? weights : most, kThreads), kThreads, 0,
             stream, params);
}

cudaError_t PrepareScale(const ScaleParams& params, cudaStream_t stream) {
  return Run(ScaleKernel, params.motifs.tile_count, kThreads, kThreads * sizeof(float), stream,
             params);
}

}  // namespace cisreg::gpu
