// The second stage of the gradients: adds the parts that blocks have written, in their order.

#include "backward.cuh"
#include "run.h"

namespace cisreg::gpu {
namespace {

constexpr int kFinishThreads = 128;

// The parts that hold sums of some items: [first, end). They follow each other.
struct Parts {
  int64_t first, end;
};

// Those of the items [first, end) of the row, which are all of one piece of the work: a block of
// tiles, or one of its strips.
__device__ __forceinline__ Parts PartsOf(const BackwardSplit& split, int64_t first, int64_t end,
                                         int64_t piece) {
  if (split.shares.count == 0) return {0, 0};
  return {split.shares.Of(first) + piece, split.shares.Of(end - 1) + piece + 1};
}

__device__ __forceinline__ Parts PartsOfTiles(const BackwardSplit& split, int64_t tile_block) {
  return PartsOf(split, tile_block * split.item_count, (tile_block + 1) * split.item_count,
                 tile_block);
}

// The sum of the parts of one number, in their order.
__device__ __forceinline__ float SumParts(const float* from, const Parts& parts, int64_t stride) {
  float sum = 0.0f;
#pragma unroll 4
  for (int64_t part = parts.first; part < parts.end; ++part) sum += from[part * stride];
  return sum;
}

__device__ __forceinline__ float Unscale(const PreparedMotifs& motifs, int tile, int column) {
  return motifs.scale == nullptr ? 1.0f : 1.0f / motifs.scale[tile * kTileMotifs + column];
}

// Where the parts of one tile hold the gradient of a column and base for the motif of a place:
// in the order of the kernel's registers and lanes.
__device__ __forceinline__ int64_t PlaceOfSum(int column, int base, int motif) {
  const int own = column % kGradientColumns;
  const int row = own % 2 * 8 + own / 2 * kBases + base;
  const int number = column / kGradientColumns * 4 + row / 8 * 2 + motif % 2;
  return number * kWarp + row % 8 * 4 + motif / 2;
}

// Gradient of one entry of log Kd: that of the forward strand's and of the reverse strand's.
__device__ __forceinline__ float LogKdGradient(const BackwardParams& params, int place, int column,
                                               int base) {
  const PreparedMotifs& motifs = params.motifs;
  const BackwardSplit& split = params.split;
  const int64_t tile_numbers = static_cast<int64_t>(split.column_chunks) * kTileSums * kWarp;
  const Parts parts = PartsOfTiles(split, place / kTileMotifs * 2 / split.block_tiles());
  float gradient = 0.0f;
  for (int strand = 0; strand < kStrands; ++strand) {
    const int tile = place / kTileMotifs * 2 + strand;
    const int at_column = strand == 0 ? column : params.shape.width - 1 - column;
    const int at_base = strand == 0 ? base : kBases - 1 - base;
    const float* const from = params.parts.log_kd + tile % split.block_tiles() * tile_numbers +
                              PlaceOfSum(at_column, at_base, place % kTileMotifs);
    gradient -= SumParts(from, parts, split.block_tiles() * tile_numbers) *
                Unscale(motifs, tile, place % kTileMotifs);
  }
  return gradient;
}

__device__ __forceinline__ bool IsHeld(const BackwardParams& params, int motif, int column) {
  if (params.column_range == nullptr) return false;
  return column < params.column_range[motif] ||
         column >= params.column_range[params.motifs.motif_count + motif];
}

}  // namespace

// One thread for each entry of log Kd and of log concentration.
__global__ void ReducePartsKernel(const __grid_constant__ BackwardParams params) {
  const PreparedMotifs& motifs = params.motifs;
  const int64_t places = 4 * static_cast<int64_t>(motifs.tile_count);
  const int64_t at = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
  const int64_t row = at / places;
  const int64_t rows = static_cast<int64_t>(params.shape.width) * kBases;
  if (row > rows) return;
  const int place = static_cast<int>(at % places);
  const int motif = motifs.motif_at[place];
  if (motif < 0) return;
  if (row < rows) {
    const int column = static_cast<int>(row / kBases), base = static_cast<int>(row % kBases);
    params.gradients.log_kd[row * motifs.motif_count + motif] =
        IsHeld(params, motif, column) ? 0.0f : LogKdGradient(params, place, column, base);
    return;
  }
  // Where concentrations differ, their gradient has kernels of its own.
  if (params.item_totals != nullptr) return;
  const int block_tiles = params.split.block_tiles();
  const Parts parts = PartsOfTiles(params.split, place / kTileMotifs * 2 / block_tiles);
  float gradient = 0.0f;
  for (int strand = 0; strand < kStrands; ++strand) {
    const int tile = place / kTileMotifs * 2 + strand, column = place % kTileMotifs;
    const float* const from =
        params.parts.log_concentration + tile % block_tiles * kTileMotifs + column;
    gradient += SumParts(from, parts, static_cast<int64_t>(block_tiles) * kTileMotifs) *
                Unscale(motifs, tile, column);
  }
  params.gradients.log_concentration[motif] = gradient;
}

namespace {

// The gradient of one set's weight of one window for the motif of a tile's column.
__device__ __forceinline__ float WeightGradient(const BackwardParams& params, int tile, int set,
                                                int64_t window, int column) {
  const BackwardSplit& split = params.split;
  const int64_t strip = window / split.strip_windows(), n = params.shape.sequence_count;
  const int64_t piece = tile / split.block_tiles() * split.strip_count + strip;
  const Parts parts = PartsOf(split, piece * n, (piece + 1) * n, piece);
  const int64_t set_numbers = split.strip_windows() * kTileMotifs;
  const int64_t tile_numbers = params.motifs.weight_sets * set_numbers;
  const float* const from = params.parts.weight + tile % split.block_tiles() * tile_numbers +
                            set * set_numbers +
                            (window - strip * split.strip_windows()) * kTileMotifs + column;
  return SumParts(from, parts, split.block_tiles() * tile_numbers);
}

}  // namespace

// One thread for each position weight.
__global__ void ReduceWeightPartsKernel(const __grid_constant__ BackwardParams params) {
  const PreparedMotifs& motifs = params.motifs;
  const int64_t windows = params.shape.window_count;
  const int64_t count = WeightCount(motifs, params.shape);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t at = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; at < count;
       at += stride) {
    const int64_t table = at / kTileMotifs / windows, window = at / kTileMotifs % windows;
    const int tile = static_cast<int>(table / motifs.weight_sets);
    const int set = static_cast<int>(table % motifs.weight_sets);
    const int column = static_cast<int>(at % kTileMotifs);
    const int motif = motifs.motif_at[tile / 2 * kTileMotifs + column];
    if (motif < 0) continue;
    const int64_t row = (set * int64_t{kStrands} + tile % 2) * windows + window;
    params.gradients.position_weight[row * motifs.motif_count + motif] =
        WeightGradient(params, tile, set, window, column);
  }
}

cudaError_t Finish(const BackwardParams& params, cudaStream_t stream) {
  const PreparedMotifs& motifs = params.motifs;
  const int64_t places = 4 * static_cast<int64_t>(motifs.tile_count);
  const int64_t rows = static_cast<int64_t>(params.shape.width) * kBases + 1;
  const cudaError_t status = Run(ReducePartsKernel, BlocksFor(places * rows, kFinishThreads),
                                 kFinishThreads, 0, stream, params);
  if (status != cudaSuccess || params.parts.weight == nullptr) return status;
  constexpr int64_t kMostBlocks = 4096;
  const int64_t weights = WeightCount(motifs, params.shape);
  const int64_t most = kMostBlocks * kFinishThreads;
  return Run(ReduceWeightPartsKernel, BlocksFor(weights < most ? weights : most, kFinishThreads),
             kFinishThreads, 0, stream, params);
}

}  // namespace cisreg::gpu
