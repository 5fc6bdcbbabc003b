// What a block of the gradient kernel keeps in shared memory of the tiles it works on: their
// properties, upstream gradients, position weights, and sums that are not written yet.

#ifndef CISREG_CUDA_GRADIENT_BLOCK_CUH_
#define CISREG_CUDA_GRADIENT_BLOCK_CUH_

#include "gradient_items.cuh"

namespace cisreg::gpu {

// At the beginning of the block's shared memory, so that all addresses are constants.
struct BlockState {
  Item items[kItemSlots];
  int64_t at;                            // first item of the next segment, in the row
  int64_t tile_block;                    // of this segment
  int64_t weight_strip[kBackwardWarps];  // whose weights a warp has; -1: none
  int32_t first_tile;
  int32_t count;  // of items in this segment; 0: the share is done
  TileColumns columns[kBlockTiles];
  int32_t motif[kBlockTiles / kStrands * kTileMotifs];
  float offset[kBlockTiles * kTileMotifs];
  float scale[kBlockTiles * kTileMotifs];
  // Of two items: upstream gradients of bound and weighted.
  float upstream[2][2][kBlockTiles * kTileMotifs];
  // Sums of slopes: each lane's own, for its motifs of the warp's tiles.
  float total[kWarpTiles][2][kGradientThreads];
};
inline constexpr int64_t kStateBytes = (sizeof(BlockState) + 15) / 16 * 16;

__device__ __forceinline__ BlockState& StateOf(char* memory) {
  return *reinterpret_cast<BlockState*>(memory);
}

__device__ __forceinline__ const Item& ItemAt(char* memory, int index) {
  return StateOf(memory).items[index & (kItemSlots - 1)];
}

// Number of the warp's first tile in the block.
__device__ __forceinline__ int OwnTile(int thread) { return thread / kWarp * kWarpTiles; }

// Behind the last tile, a warp has nothing to do but help with words.
__device__ __forceinline__ bool HasTiles(const BackwardParams& params, char* memory) {
  return StateOf(memory).first_tile + OwnTile(threadIdx.x) < params.motifs.tile_count;
}

// Finds the next segment of the share and its first items. For one thread.
template <bool Weighted>
__device__ __forceinline__ void FindSegment(const BackwardParams& params, BlockState& state) {
  const int64_t end = params.split.shares.Begin(blockIdx.x + int64_t{1});
  state.count = 0;
  if (state.at >= end) return;
  const Segment segment = SegmentAt(params.split, state.at);
  state.at += segment.count;
  state.tile_block = segment.tile_block;
  state.first_tile = static_cast<int32_t>(segment.tile_block) * params.split.block_tiles();
  state.count = segment.count;
  state.items[0] = FirstItem<Weighted>(params, segment.first_item);
  for (int i = 1; i < kItemSlots - 1 && i < segment.count; ++i) {
    state.items[i] = NextItem<Weighted>(params, state.items[i - 1]);
  }
}

// Sums of slopes of one item, under condition c of its sequence, as BlockState::total has them.
__device__ __forceinline__ float* ItemTotal(const BackwardParams& params, char* memory, int c,
                                            int u, int thread) {
  const int threads = params.split.warps * kWarp;
  return reinterpret_cast<float*>(memory + params.shared.totals_at) +
         (c * kWarpTiles + u) * 2 * threads + thread;
}

// Where a thread adds up slopes of condition c, those of its second motif at a distance: over the
// items of a segment, or, where concentrations differ, over one item.
__device__ __forceinline__ float* TotalsOf(const BackwardParams& params, char* memory, int c, int u,
                                           int thread) {
  return params.item_totals == nullptr ? &StateOf(memory).total[u][0][thread]
                                       : ItemTotal(params, memory, c, u, thread);
}

__device__ __forceinline__ int TotalStride(const BackwardParams& params) {
  return params.item_totals == nullptr ? kGradientThreads : params.split.warps * kWarp;
}

// They begin at 0, and again after they were written. Each thread has its own.
__device__ __forceinline__ void ClearItemTotals(const BackwardParams& params, BlockState& state) {
  float* const totals = ItemTotal(params, reinterpret_cast<char*>(&state), 0, 0, threadIdx.x);
  const int count = params.shape.conditions.Each() * kWarpTiles * 2;
  for (int i = 0; i < count; ++i) totals[i * params.split.warps * kWarp] = 0.0f;
}

// Copies what is known of the block's tiles.
__device__ __forceinline__ void CopyTiles(const BackwardParams& params, BlockState& state) {
  const PreparedMotifs& motifs = params.motifs;
  const int first = state.first_tile;
  const int tiles = min(params.split.block_tiles(), motifs.tile_count - first);
  for (int i = threadIdx.x; i < tiles; i += blockDim.x) {
    state.columns[i] = motifs.columns[first + i];
  }
  for (int i = threadIdx.x; i < tiles / kStrands * kTileMotifs; i += blockDim.x) {
    state.motif[i] = motifs.motif_at[first / kStrands * kTileMotifs + i];
  }
  for (int i = threadIdx.x; i < tiles * kTileMotifs; i += blockDim.x) {
    state.offset[i] = motifs.offset[first * kTileMotifs + i];
    if (kScaled) state.scale[i] = motifs.scale[first * kTileMotifs + i];
  }
  for (int i = 0; i < kWarpTiles * 2; ++i) state.total[i / 2][i % 2][threadIdx.x] = 0.0f;
  if (params.item_totals != nullptr) ClearItemTotals(params, state);
  const int thread = ptx::RecomputeThreadIndex();
  if (thread % kWarp == 0) state.weight_strip[thread / kWarp] = -1;
}

// What a thread has asked memory for, ahead of its use: codes of one item, upstream gradients of
// another.
struct Ahead {
  static constexpr int kCodes = 2;
  uint8_t code[kCodes];
  float bound, weighted;
};

// Asks for the upstream gradients of an item, one of a motif and strand for each of the first
// threads.
template <bool Weighted>
__device__ __forceinline__ void AskUpstream(const BackwardParams& params, const BlockState& state,
                                            int64_t sequence, Ahead& ahead) {
  const int i = ptx::RecomputeThreadIndex();
  ahead.bound = ahead.weighted = 0.0f;
  if (i >= params.split.block_tiles() * kTileMotifs ||
      state.first_tile + i / kTileMotifs >= params.motifs.tile_count) {
    return;
  }
  const int32_t motif = state.motif[i / (2 * kTileMotifs) * kTileMotifs + i % kTileMotifs];
  if (motif < 0) return;
  const int64_t at =
      (sequence * kStrands + i / kTileMotifs % kStrands) * params.motifs.motif_count + motif;
  ahead.bound = params.bound_gradient[at];
  if (Weighted) ahead.weighted = params.weighted_gradient[at];
}

template <bool Weighted>
__device__ __forceinline__ void KeepUpstream(BlockState& state, int index, const Ahead& ahead) {
  const int i = threadIdx.x;
  if (i >= kBlockTiles * kTileMotifs) return;
  state.upstream[index & 1][0][i] = ahead.bound;
  if (Weighted) state.upstream[index & 1][1][i] = ahead.weighted;
}

// ---------------------------------------- upstream gradients of several sets or conditions

// Of two items in turn, [upstream_rows, motifs and strands of the block]. The rows of a condition
// are its concentrations as parts of the largest, the gradient of bound, and those of weighted for
// each set.
__device__ __forceinline__ float* UpstreamRows(const BackwardParams& params, char* memory,
                                               int index) {
  const int numbers = params.shared.upstream_rows * params.split.block_tiles() * kTileMotifs;
  return reinterpret_cast<float*>(memory + params.shared.upstream_at) + (index & 1) * numbers;
}

// One number of them.
template <bool Weighted>
__device__ __forceinline__ float UpstreamNumber(const BackwardParams& params,
                                                const BlockState& state, int64_t sequence, int row,
                                                int column) {
  const PreparedMotifs& motifs = params.motifs;
  const ConditionInput& conditions = params.shape.conditions;
  const int tile = state.first_tile + column / kTileMotifs;
  if (tile >= motifs.tile_count) return 0.0f;
  const int32_t motif =
      state.motif[column / (kStrands * kTileMotifs) * kTileMotifs + column % kTileMotifs];
  if (motif < 0) return 0.0f;
  const int kinds = kUpstreamKinds + (Weighted ? motifs.weight_sets : 0);
  const int c = row / kinds, kind = row - c * kinds;
  if (kind == 0) {
    if (motifs.relative == nullptr) {
      return state.columns[column / kTileMotifs].shares_division != 0 ? 1.0f : 0.0f;
    }
    const int64_t condition = conditions.own == nullptr ? c : conditions.own[sequence];
    // Values are not checked on a device.
    if (condition < 0 || condition >= conditions.count) return NAN;
    return motifs
        .relative[(condition * motifs.tile_count + tile) * kTileMotifs + column % kTileMotifs];
  }
  const int64_t sums = sequence * conditions.Each() + c;
  if (!Weighted || kind == 1) {
    return params.bound_gradient[(sums * kStrands + tile % kStrands) * motifs.motif_count + motif];
  }
  const int64_t of_set = (sums * motifs.weight_sets + kind - kUpstreamKinds) * kStrands;
  return params.weighted_gradient[(of_set + tile % kStrands) * motifs.motif_count + motif];
}

// Asks for a thread's first two numbers of an item; the others are copied at once.
template <bool Weighted>
__device__ __forceinline__ void AskUpstreamRows(const BackwardParams& params, char* memory,
                                                int index, int64_t sequence, Ahead& ahead) {
  const BlockState& state = StateOf(memory);
  const int columns = params.split.block_tiles() * kTileMotifs, rows = params.shared.upstream_rows;
  // Two threads for each column.
  const int thread = ptx::RecomputeThreadIndex(), first = thread >= columns ? 1 : 0;
  const int column = thread - first * columns;
  ahead.bound = UpstreamNumber<Weighted>(params, state, sequence, min(first, rows - 1), column);
  ahead.weighted =
      UpstreamNumber<Weighted>(params, state, sequence, min(first + 2, rows - 1), column);
  float* const to = UpstreamRows(params, memory, index);
#pragma unroll 1
  for (int row = first + 4; row < rows; row += 2) {
    to[row * columns + column] = UpstreamNumber<Weighted>(params, state, sequence, row, column);
  }
}

__device__ __forceinline__ void KeepUpstreamRows(const BackwardParams& params, char* memory,
                                                 int index, const Ahead& ahead) {
  const int columns = params.split.block_tiles() * kTileMotifs, rows = params.shared.upstream_rows;
  const int first = threadIdx.x >= columns ? 1 : 0, column = threadIdx.x - first * columns;
  float* const to = UpstreamRows(params, memory, index) + column;
  if (first < rows) to[first * columns] = ahead.bound;
  if (first + 2 < rows) to[(first + 2) * columns] = ahead.weighted;
}

// Asks for the thread's first codes of an item; the others, of long strips, are copied at once.
__device__ __forceinline__ void AskCodes(const BackwardParams& params, const Item& item,
                                         const ItemWords& words, Ahead& ahead) {
#pragma unroll
  for (int i = 0; i < Ahead::kCodes; ++i) {
    ahead.code[i] = CodeOf(params, item, threadIdx.x + i * blockDim.x);
  }
  FillCodes(params, item, words, threadIdx.x + Ahead::kCodes * blockDim.x);
}

__device__ __forceinline__ void KeepCodes(const BackwardParams& params, const ItemWords& words,
                                          const Ahead& ahead) {
#pragma unroll
  for (int i = 0; i < Ahead::kCodes; ++i) {
    const int position = threadIdx.x + i * blockDim.x;
    if (position < params.shared.positions) words.codes[position] = ahead.code[i];
  }
}

// ---------------------------------------------------------------------------------- sums

// Place of the warp's first tile among those of all parts.
__device__ __forceinline__ int64_t PartTile(const BackwardParams& params, char* memory) {
  return (blockIdx.x + StateOf(memory).tile_block) * params.split.block_tiles() +
         OwnTile(ptx::RecomputeThreadIndex());
}

// The lane's part of the sums of its tiles, in the kernel's results: numbers of one tile follow
// each other at a distance of kWarp, tiles at that of PartStride.
__device__ __forceinline__ float* PartOf(const BackwardParams& params, char* memory) {
  const int64_t chunk = PartTile(params, memory) * params.split.column_chunks + params.column_chunk;
  return params.parts.log_kd + chunk * (kTileSums * kWarp) + threadIdx.x % kWarp;
}

__device__ __forceinline__ int64_t PartStride(const BackwardParams& params) {
  return static_cast<int64_t>(params.split.column_chunks) * (kTileSums * kWarp);
}

// Where sums wait in shared memory until the part is written.
__device__ __forceinline__ float* WaitingSums(const BackwardParams& params, char* memory) {
  const int thread = ptx::RecomputeThreadIndex();
  return reinterpret_cast<float*>(memory + params.shared.sums_at) +
         thread / kWarp * (kWarpTiles * kTileSums * kWarp) + thread % kWarp;
}

// Adds the sums in registers to those in memory, rounded to nearest, and sets the registers to 0.
__device__ __forceinline__ void AddSums(float (&sums)[kWarpTiles][kGradientRows][4], float* to,
                                        int64_t stride, bool first) {
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
#pragma unroll
    for (int i = 0; i < kTileSums; ++i) {
      float& sum = sums[u][i / 4][i % 4];
      float& moved = to[u * stride + i * kWarp];
      moved = first ? sum : moved + sum;
      sum = 0.0f;
    }
  }
}

// Where shared memory is small, sums go to the part directly. Two calls, since a pointer that may
// be into either memory needs more registers.
__device__ __forceinline__ void MoveSums(const BackwardParams& params, char* memory, int index,
                                         float (&sums)[kWarpTiles][kGradientRows][4]) {
  const int sum_items = params.split.sum_items;
  if (params.split.moves_to_shared == 0) {
    AddSums(sums, PartOf(params, memory), PartStride(params), index < sum_items);
  } else {
    AddSums(sums, WaitingSums(params, memory), kTileSums * kWarp,
            (index & (sum_items * kSumsPerPart - 1)) < sum_items);
  }
}

// Adds the sums in shared memory to the part.
__device__ __forceinline__ void WriteSums(const BackwardParams& params, char* memory, bool first) {
  if (params.split.moves_to_shared == 0) return;
  const float* const from = WaitingSums(params, memory);
  float* const to = PartOf(params, memory);
  for (int u = 0; u < kWarpTiles; ++u) {
#pragma unroll 8
    for (int i = 0; i < kTileSums; ++i) {
      float& sum = to[u * PartStride(params) + i * kWarp];
      const float waiting = from[(u * kTileSums + i) * kWarp];
      sum = first ? waiting : sum + waiting;
    }
  }
}

// Adds the totals to the warp's part of the gradient of log concentration, over all lanes of a
// motif, and sets them to 0.
__device__ __forceinline__ void WriteTotals(const BackwardParams& params, char* memory,
                                            bool first) {
  const int thread = ptx::RecomputeThreadIndex(), lane = thread % kWarp;
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    float own[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float& total = StateOf(memory).total[u][h][thread];
      own[h] = total;
      total = 0.0f;
      own[h] += __shfl_xor_sync(0xffffffff, own[h], 4);
      own[h] += __shfl_xor_sync(0xffffffff, own[h], 8);
      own[h] += __shfl_xor_sync(0xffffffff, own[h], 16);
    }
    if (lane >= 4) continue;
    float2& part = reinterpret_cast<float2*>(
        params.parts.log_concentration)[(PartTile(params, memory) + u) * 4 + lane];
    part = first ? make_float2(own[0], own[1]) : make_float2(part.x + own[0], part.y + own[1]);
  }
}

// Writes the sums of slopes of an item, over all lanes of a motif, for each condition.
__device__ __forceinline__ void WriteItemTotals(const BackwardParams& params, char* memory,
                                                int index) {
  const Item& item = ItemAt(memory, index);
  const int conditions = params.shape.conditions.Each();
  const int64_t first_row = (item.sequence * params.split.strip_count + item.strip) * conditions;
  const int thread = ptx::RecomputeThreadIndex(), lane = thread % kWarp;
  const int64_t tile = StateOf(memory).first_tile + OwnTile(thread);
#pragma unroll 1
  for (int c = 0; c < conditions; ++c) {
    auto* const row = reinterpret_cast<float2*>(params.item_totals) +
                      ((first_row + c) * params.motifs.tile_count + tile) * (kTileMotifs / 2);
#pragma unroll
    for (int u = 0; u < kWarpTiles; ++u) {
      float own[2];
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float& total = ItemTotal(params, memory, c, u, thread)[h * params.split.warps * kWarp];
        own[h] = total;
        total = 0.0f;
        own[h] += __shfl_xor_sync(0xffffffff, own[h], 4);
        own[h] += __shfl_xor_sync(0xffffffff, own[h], 8);
        own[h] += __shfl_xor_sync(0xffffffff, own[h], 16);
      }
      if (lane < 4) row[u * (kTileMotifs / 2) + lane] = make_float2(own[0], own[1]);
    }
  }
}

// After every few items, moves sums to where they are rounded to nearest, and on to the part.
__device__ __forceinline__ void KeepSums(const BackwardParams& params, char* memory, int index,
                                         float (&sums)[kWarpTiles][kGradientRows][4]) {
  const int done = index + 1, sum_items = params.split.sum_items;
  const bool is_last = done == StateOf(memory).count;
  if ((done & (sum_items - 1)) != 0 && !is_last) return;
  MoveSums(params, memory, index, sums);
  const int part_items = sum_items * kSumsPerPart;
  if ((done & (part_items - 1)) != 0 && !is_last) return;
  WriteSums(params, memory, index < part_items);
  if (params.column_chunk == 0) WriteTotals(params, memory, index < part_items);
}

// ------------------------------------------------------------------------- position weights

// The weights of a warp's first tile, or their gradients, in shared memory: [K, windows, 8]. Those
// of its second tile follow.
__device__ __forceinline__ float* WarpWeights(const BackwardParams& params, char* memory,
                                              int thread) {
  return reinterpret_cast<float*>(memory + params.shared.weights_at) +
         OwnTile(thread) * params.shared.weight_rows * kTileMotifs;
}

__device__ __forceinline__ int WeightGradientsAt(const BackwardParams& params) {
  return params.split.block_tiles() * params.shared.weight_rows * kTileMotifs;
}

// Writes the gradients of the weights of a strip, all that this share adds to them.
__device__ __forceinline__ void WriteWeights(const BackwardParams& params, char* memory,
                                             int64_t strip) {
  // Makes what lanes wrote visible to the other lanes of the warp.
  __syncwarp();
  const int thread = ptx::RecomputeThreadIndex(), numbers = params.shared.set_rows * kTileMotifs;
  const int strip_numbers = static_cast<int>(params.split.strip_windows()) * kTileMotifs;
  const int sets = params.motifs.weight_sets;
  const int64_t part = blockIdx.x + StateOf(memory).tile_block * params.split.strip_count + strip;
  const float* const from = WarpWeights(params, memory, thread) + WeightGradientsAt(params);
  float* const to = params.parts.weight +
                    (part * params.split.block_tiles() + OwnTile(thread)) * sets * strip_numbers;
  for (int table = 0; table < kWarpTiles * sets; ++table) {
    for (int i = 4 * (thread % kWarp); i < strip_numbers; i += 4 * kWarp) {
      *reinterpret_cast<float4*>(to + table * strip_numbers + i) =
          *reinterpret_cast<const float4*>(from + table * numbers + i);
    }
  }
}

// Copies the weights of a strip; 0 behind the last window.
__device__ __forceinline__ void CopyWeights(const BackwardParams& params, char* memory,
                                            int64_t strip) {
  const int thread = ptx::RecomputeThreadIndex(), numbers = params.shared.set_rows * kTileMotifs;
  const int sets = params.motifs.weight_sets;
  const int64_t first = strip * params.split.strip_windows();
  const int64_t left = (params.shape.window_count - first) * kTileMotifs;
  const int64_t tile = StateOf(memory).first_tile + OwnTile(thread);
  float* const to = WarpWeights(params, memory, thread);
  for (int table = 0; table < kWarpTiles * sets; ++table) {
    const float* const from =
        params.motifs.weight +
        ((tile * sets + table) * params.shape.window_count + first) * kTileMotifs;
    for (int i = 4 * (thread % kWarp); i < numbers; i += 4 * kWarp) {
      float4* const at = reinterpret_cast<float4*>(to + table * numbers + i);
      *at = i < left ? *reinterpret_cast<const float4*>(from + i) : make_float4(0, 0, 0, 0);
      *reinterpret_cast<float4*>(to + WeightGradientsAt(params) + table * numbers + i) =
          make_float4(0, 0, 0, 0);
    }
  }
}

// Makes the weights of an item's strip those in shared memory. Every warp has its own tiles.
__device__ __forceinline__ void TakeStrip(const BackwardParams& params, char* memory,
                                          int64_t strip) {
  int64_t& own = StateOf(memory).weight_strip[threadIdx.x / kWarp];
  const int64_t before = own;
  if (before == strip) return;
  if (before >= 0 && params.column_chunk == 0) WriteWeights(params, memory, before);
  __syncwarp();
  CopyWeights(params, memory, strip);
  if (threadIdx.x % kWarp == 0) own = strip;
  __syncwarp();
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_GRADIENT_BLOCK_CUH_
