// What a block of the gradient kernel works on, and its shared memory: the words of two sequences,
// properties of its tiles, and sums that are not written yet.

#ifndef CISREG_CUDA_GRADIENT_BLOCK_CUH_
#define CISREG_CUDA_GRADIENT_BLOCK_CUH_

#include "backward.cuh"
#include "scan.cuh"

namespace cisreg::gpu {

inline constexpr int kGradientThreads = kBackwardWarps * kWarp;

#if CISREG_CUDA_ARCH >= 800
// Numbers of the second product.
inline constexpr uint32_t kSlopeOne = 0x3f80;
inline constexpr bool kScaled = false;

__device__ __forceinline__ uint32_t PackSlopes(float low, float high) {
  return ptx::PackBfloat(low, high);
}
__device__ __forceinline__ float LowSlope(uint32_t packed) { return __uint_as_float(packed << 16); }
__device__ __forceinline__ float HighSlope(uint32_t packed) {
  return __uint_as_float(packed & 0xffff0000);
}
__device__ __forceinline__ void MultiplySlopes(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                               uint32_t b1) {
  ptx::MmaBfloat(d, a[0], a[1], a[2], a[3], b0, b1);
}
#else
inline constexpr uint32_t kSlopeOne = kHalfOne;
inline constexpr bool kScaled = true;

__device__ __forceinline__ uint32_t PackSlopes(float low, float high) {
  return ptx::PackHalf(low, high);
}
__device__ __forceinline__ float LowSlope(uint32_t packed) { return ptx::HalfLow(packed); }
__device__ __forceinline__ float HighSlope(uint32_t packed) { return ptx::HalfHigh(packed); }
__device__ __forceinline__ void MultiplySlopes(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                               uint32_t b1) {
  ptx::MmaHalf(d, a[0], a[1], a[2], a[3], b0, b1);
}
#endif

// What a block works on. Recomputed wherever it is needed, since registers are scarce.
__device__ __forceinline__ int64_t FirstSequence(const BackwardParams& params) {
  return blockIdx.y * params.cut.slice_sequences;
}

__device__ __forceinline__ int SliceSequences(const BackwardParams& params) {
  return static_cast<int>(
      min(params.cut.slice_sequences, params.shape.sequence_count - FirstSequence(params)));
}

__device__ __forceinline__ int64_t FirstWindow(const BackwardParams& params) {
  return static_cast<int64_t>(blockIdx.z) * params.cut.strip_tiles * kTileWindows;
}

__device__ __forceinline__ int StripWindows(const BackwardParams& params) {
  const int64_t rows = params.cut.strip_tiles * kTileWindows;
  return static_cast<int>(min(rows, params.shape.window_count - FirstWindow(params)));
}

__device__ __forceinline__ int FirstTile(int thread) {
  return blockIdx.x * kBlockTiles + thread / kWarp * kWarpTiles;
}

__device__ __forceinline__ bool HasTiles(const BackwardParams& params) {
  return FirstTile(ptx::ThreadAnew()) < params.motifs.tile_count;
}

// The first tile's place among those of all parts.
__device__ __forceinline__ int64_t PartTile(const BackwardParams& params) {
  const int64_t part = static_cast<int64_t>(blockIdx.y) * gridDim.z + blockIdx.z;
  return part * params.motifs.tile_count + FirstTile(ptx::ThreadAnew());
}

// What a block holds of one sequence, ready to be loaded as operands.
struct SequenceWords {
  uint32_t* first;  // of the scan, see one_hot.cuh
  uint32_t* second;
  uint32_t* pairs;  // [4 bases, pair_stride]: whether this position and the next show the base
  uint8_t* codes;
};

__device__ __forceinline__ SequenceWords WordsAt(const BackwardShared& shared, char* memory,
                                                 int buffer) {
  SequenceWords words;
  words.first = reinterpret_cast<uint32_t*>(memory + buffer * shared.sequence_bytes);
  words.second = words.first + shared.positions;
  words.pairs = words.second + shared.positions;
  words.codes = reinterpret_cast<uint8_t*>(words.pairs + kBases * shared.pair_stride);
  return words;
}

// Codes of the strip of a sequence of the slice.
__device__ __forceinline__ void FillCodes(const BackwardParams& params, const SequenceWords& words,
                                          int index) {
  const int64_t n = FirstSequence(params) + index;
  const uint8_t* const sequence = params.sequence + n * params.shape.length;
  const int64_t start = params.shape.first_start + FirstWindow(params);
  for (int i = threadIdx.x; i < params.shared.positions; i += kGradientThreads) {
    words.codes[i] = CodeAt(sequence, params.shape.length, start + i);
  }
}

__device__ __forceinline__ void FillSequenceWords(const BackwardShared& shared,
                                                  const SequenceWords& words) {
  for (int i = threadIdx.x; i < shared.positions - kWordReach; i += kGradientThreads) {
    words.first[i] = FirstWord(words.codes, i);
    words.second[i] = SecondWord(words.codes, i);
    const int code = words.codes[i], next = words.codes[i + 1];
#pragma unroll
    for (int base = 0; base < kBases; ++base) {
      words.pairs[base * shared.pair_stride + i] =
          (code == base ? kSlopeOne : 0) | (next == base ? kSlopeOne << 16 : 0);
    }
  }
}

// What a block keeps of its tiles in shared memory.
struct BlockTiles {
  TileColumns columns[kBlockTiles];
  int32_t motif[kBlockTiles / kStrands * kTileMotifs];
  float offset[kBlockTiles * kTileMotifs];
  float scale[kBlockTiles * kTileMotifs];
  // Sums of slopes: each lane's own, for its motifs of the warp's tiles.
  float total[kWarpTiles][2][kGradientThreads];
};

// The two tiles of a warp; what is of the second follows that of the first.
struct WarpTiles {
  const TileColumns* columns;
  const int32_t* motif;  // the lane's two, on both strands
  const float* offset;   // at the lane's first motif
  const float* scale;
  float* total;
  const uint4* energies;
  const SiteColumns* sites;  // of the lane's two motifs
  const float* weight;       // at the strip's first window
  float* weight_gradient;    // in shared memory
  int64_t weight_stride;
  int weight_gradient_stride;
};

// Copies what is known of the block's tiles; behind the last tile there is nothing to scan.
__device__ __forceinline__ void CopyTiles(const BackwardParams& params, BlockTiles* to) {
  const PreparedMotifs& motifs = params.motifs;
  const int first = blockIdx.x * kBlockTiles;
  const int tiles = min(kBlockTiles, motifs.tile_count - first);
  for (int i = threadIdx.x; i < tiles; i += kGradientThreads)
    to->columns[i] = motifs.columns[first + i];
  for (int i = threadIdx.x; i < tiles / kStrands * kTileMotifs; i += kGradientThreads) {
    to->motif[i] = motifs.motif_at[first / kStrands * kTileMotifs + i];
  }
  for (int i = threadIdx.x; i < tiles * kTileMotifs; i += kGradientThreads) {
    to->offset[i] = motifs.offset[first * kTileMotifs + i];
    if (kScaled) to->scale[i] = motifs.scale[first * kTileMotifs + i];
  }
}

// Where what the block keeps of its tiles lies in its shared memory.
__device__ __forceinline__ BlockTiles* BlockTilesAt(const BackwardShared& shared, char* memory) {
  return reinterpret_cast<BlockTiles*>(memory + 2 * shared.sequence_bytes);
}

template <bool Weighted>
__device__ __forceinline__ WarpTiles FindTiles(const BackwardParams& params, char* memory,
                                               int thread) {
  const int own = thread / kWarp * kWarpTiles, pair = 2 * (thread & 3);
  const int first_tile = FirstTile(thread);
  BlockTiles* const block = BlockTilesAt(params.shared, memory);
  WarpTiles tiles = {};
  tiles.columns = block->columns + own;
  tiles.motif = block->motif + own / kStrands * kTileMotifs + pair;
  tiles.offset = block->offset + own * kTileMotifs + pair;
  tiles.scale = block->scale + own * kTileMotifs + pair;
  tiles.total = &block->total[0][0][thread];
  tiles.energies = params.motifs.energies + first_tile * params.motifs.TileUint4s();
  tiles.sites = params.motifs.sites + first_tile * kTileMotifs + pair;
  if (!Weighted) return tiles;
  tiles.weight_stride = params.shape.window_count * kTileMotifs;
  tiles.weight =
      params.motifs.weight + first_tile * tiles.weight_stride + FirstWindow(params) * kTileMotifs;
  tiles.weight_gradient_stride = params.cut.strip_tiles * kTileWindows * kTileMotifs;
  tiles.weight_gradient = reinterpret_cast<float*>(memory + 2 * params.shared.sequence_bytes +
                                                   params.shared.tiles_bytes) +
                          own * tiles.weight_gradient_stride;
  return tiles;
}

// Sums in shared memory begin at 0.
template <bool Weighted>
__device__ __forceinline__ void ClearSums(const WarpTiles& tiles, int lane) {
  for (int i = 0; i < kWarpTiles * 2; ++i) tiles.total[i * kGradientThreads] = 0.0f;
  for (int i = lane; Weighted && i < kWarpTiles * tiles.weight_gradient_stride; i += kWarp) {
    tiles.weight_gradient[i] = 0.0f;
  }
}

// The lane's part of the sums of its tiles, in the kernel's results: numbers of one tile follow
// each other at a distance of kWarp, tiles at that of PartStride.
__device__ __forceinline__ float* PartOf(const BackwardParams& params) {
  const int64_t chunk = PartTile(params) * params.cut.column_chunks + params.column_chunk;
  return params.partial_log_kd + chunk * (kTileSums * kWarp) + threadIdx.x % kWarp;
}

__device__ __forceinline__ int64_t PartStride(const BackwardParams& params) {
  return static_cast<int64_t>(params.cut.column_chunks) * (kTileSums * kWarp);
}

// Where sums wait in shared memory until the part is written.
__device__ __forceinline__ float* WaitingSums(const BackwardParams& params, char* memory) {
  const BackwardShared& shared = params.shared;
  float* const sums = reinterpret_cast<float*>(memory + 2 * shared.sequence_bytes +
                                               shared.tiles_bytes + shared.weight_bytes);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  return sums + warp * kWarpTiles * kTileSums * kWarp + lane;
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
__device__ __forceinline__ void MoveSums(const BackwardParams& params, char* memory, bool first,
                                         float (&sums)[kWarpTiles][kGradientRows][4]) {
  if (params.shared.sums_bytes == 0) {
    AddSums(sums, PartOf(params), PartStride(params), first);
  } else {
    AddSums(sums, WaitingSums(params, memory), kTileSums * kWarp, first);
  }
}

__device__ __forceinline__ void WriteSums(const BackwardParams& params, char* memory) {
  if (params.shared.sums_bytes == 0) return;
  const float* const from = WaitingSums(params, memory);
  float* const to = PartOf(params);
  for (int u = 0; u < kWarpTiles; ++u) {
    for (int i = 0; i < kTileSums; ++i) {
      to[u * PartStride(params) + i * kWarp] = from[(u * kTileSums + i) * kWarp];
    }
  }
}

// Writes the warp's part of the gradient of log concentration: sums over all lanes of a motif.
__device__ __forceinline__ void WriteTotals(const BackwardParams& params, const WarpTiles& tiles,
                                            int lane) {
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    float own[2] = {tiles.total[2 * u * kGradientThreads],
                    tiles.total[(2 * u + 1) * kGradientThreads]};
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      own[h] += __shfl_xor_sync(0xffffffff, own[h], 4);
      own[h] += __shfl_xor_sync(0xffffffff, own[h], 8);
      own[h] += __shfl_xor_sync(0xffffffff, own[h], 16);
    }
    if (lane >= 4) continue;
    reinterpret_cast<float2*>(params.partial_log_concentration)[(PartTile(params) + u) * 4 + lane] =
        make_float2(own[0], own[1]);
  }
}

// Writes the warp's part of the gradient of position weights.
__device__ __forceinline__ void WriteWeights(const BackwardParams& params, const WarpTiles& tiles,
                                             int lane) {
  // Makes what lanes wrote visible to the other lanes of the warp.
  __syncwarp();
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    const int64_t tile = static_cast<int64_t>(blockIdx.y) * params.motifs.tile_count +
                         FirstTile(ptx::ThreadAnew()) + u;
    const int64_t row = tile * params.shape.window_count + FirstWindow(params);
    const float* const from = tiles.weight_gradient + u * tiles.weight_gradient_stride;
    for (int i = lane; i < StripWindows(params) * kTileMotifs; i += kWarp) {
      params.partial_weight[row * kTileMotifs + i] = from[i];
    }
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_GRADIENT_BLOCK_CUH_
