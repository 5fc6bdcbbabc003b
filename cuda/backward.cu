// Backward: a warp keeps the gradient of both strands of 8 motifs in registers and passes all
// sequences of a slice by them. For each strip of windows it scans again, turns log odds into
// slopes dloss/dlogit, and multiplies the transposed one-hot windows by them on tensor cores.
//
// Slopes are split into a high and a low 16-bit term like energies; bfloat16, which reaches as far
// down as float32, except where tensor cores have float16 alone, which a power of two for each
// motif brings into range. Sums leave registers for shared memory every few sequences, since tensor
// cores truncate; each block writes its part, and a second kernel adds the parts in their order.

#include "backward.cuh"
#include "law.cuh"
#include "run.h"
#include "scan.cuh"

namespace cisreg::gpu {
namespace {

constexpr int kThreads = kBackwardWarps * kWarp;
constexpr int kTileSums = kGradientRows * 4;  // of a lane and a tile
constexpr int kFinishThreads = 128;

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

// What a block works on. 64-bit places are found where they are needed, from what is constant.
struct BlockPlace {
  int sequences;  // of the slice
  int rows;       // windows of the strip
  int column_chunk;
  int first_tile;  // of the warp

  __device__ __forceinline__ static int Strip(const BackwardParams& params) {
    return blockIdx.z / params.cut.column_chunks;
  }
  __device__ __forceinline__ static int64_t FirstSequence(const BackwardParams& params) {
    return blockIdx.y * params.cut.slice_sequences;
  }
  __device__ __forceinline__ static int64_t FirstWindow(const BackwardParams& params) {
    return static_cast<int64_t>(Strip(params)) * params.cut.strip_tiles * kTileWindows;
  }
  __device__ __forceinline__ static int64_t Part(const BackwardParams& params) {
    return static_cast<int64_t>(blockIdx.y) * params.cut.strip_count + Strip(params);
  }
};

__device__ __forceinline__ BlockPlace FindPlace(const BackwardParams& params) {
  const BackwardCut& cut = params.cut;
  BlockPlace place;
  place.sequences = static_cast<int>(
      min(cut.slice_sequences, params.shape.sequence_count - BlockPlace::FirstSequence(params)));
  const int64_t rows = params.shape.window_count - BlockPlace::FirstWindow(params);
  place.rows = static_cast<int>(min(rows, static_cast<int64_t>(cut.strip_tiles * kTileWindows)));
  place.column_chunk = blockIdx.z % cut.column_chunks;
  place.first_tile = blockIdx.x * kBlockTiles + threadIdx.x / kWarp * kWarpTiles;
  return place;
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
  const int64_t n = BlockPlace::FirstSequence(params) + index;
  const uint8_t* const sequence = params.sequence + n * params.shape.length;
  const int64_t start = params.shape.first_start + BlockPlace::FirstWindow(params);
  for (int i = threadIdx.x; i < params.shared.positions; i += kThreads) {
    words.codes[i] = CodeAt(sequence, params.shape.length, start + i);
  }
}

__device__ __forceinline__ void FillSequenceWords(const BackwardShared& shared,
                                                  const SequenceWords& words) {
  for (int i = threadIdx.x; i < shared.positions - kWordReach; i += kThreads) {
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
  float total[kWarpTiles][2][kThreads];
};

// The two tiles of a warp; what is of the second follows that of the first.
struct WarpTiles {
  const TileColumns* columns;
  const int32_t* motif;  // the lane's two, on both strands
  const float* offset;   // at the lane's first motif
  const float* scale;
  float* total;
  const uint4* energies;
  const float* weight;     // at the strip's first window
  float* weight_gradient;  // in shared memory
  int64_t weight_stride;
  int weight_gradient_stride;
};

// Upstream gradients of one sequence, for the lane's motifs of one tile.
struct Upstream {
  float bound[2];
  float weighted[2];
};

template <bool Weighted>
__device__ __forceinline__ Upstream LoadUpstream(const BackwardParams& params,
                                                 const WarpTiles& tiles, int index, int u) {
  const int64_t n = BlockPlace::FirstSequence(params) + index;
  const int64_t row = (n * kStrands + u) * params.motifs.motif_count;
  Upstream upstream;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int32_t motif = tiles.motif[h];
    upstream.bound[h] = motif < 0 ? 0.0f : params.bound_gradient[row + motif];
    upstream.weighted[h] = Weighted && motif >= 0 ? params.weighted_gradient[row + motif] : 0.0f;
  }
  return upstream;
}

// Slopes of a group of Tall tiles of windows and one tile of motifs, packed as operands:
// terms[i] = {high b0, high b1, low b0, low b1} of windows 16 i to 16 i + 15.
template <int Tall, int Terms, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void FindSlopes(float (&log_odds)[Tall][4], const WarpTiles& tiles,
                                           int u, const Upstream& upstream, int row0, int rows,
                                           int lane, uint32_t (&terms)[Tall][2 * Terms]) {
  const bool shares_division = tiles.columns[u].shares_division != 0;
  const float* const scale = tiles.scale + u * kTileMotifs;
  const float* const weight = tiles.weight + u * tiles.weight_stride;
  float* const weight_gradient = tiles.weight_gradient + u * tiles.weight_gradient_stride;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float x[2 * Tall], p[2 * Tall], q[2 * Tall];
#pragma unroll
    for (int k = 0; k < 2 * Tall; ++k) x[k] = log_odds[k / 2][2 * (k % 2) + h];
    BoundOfSites(shares_division, x, p, q);
    const float g = kScaled ? upstream.bound[h] * scale[h] : upstream.bound[h];
    float total = 0.0f;
    const float gw = kScaled ? upstream.weighted[h] * scale[h] : upstream.weighted[h];
#pragma unroll
    for (int k = 0; k < 2 * Tall; ++k) {
      float slope = LogUnbound ? -g : g * q[k];
      const int row = row0 + 8 * k + (lane >> 2);
      if (Weighted && row < rows) {
        const int at = row * kTileMotifs + 2 * (lane & 3) + h;
        slope = fmaf(gw * q[k], weight[at], slope);
        weight_gradient[at] = fmaf(upstream.weighted[h], p[k], weight_gradient[at]);
      }
      slope *= p[k];
      total += slope;
      log_odds[k / 2][2 * (k % 2) + h] = slope;
    }
    tiles.total[(2 * u + h) * kThreads] += total;
  }
#pragma unroll
  for (int i = 0; i < Tall; ++i) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float even = log_odds[i][2 * r], odd = log_odds[i][2 * r + 1];
      const uint32_t high = PackSlopes(even, odd);
      terms[i][r] = ptx::Transpose(high);
      if (Terms == 2) {
        const uint32_t low = PackSlopes(even - LowSlope(high), odd - HighSlope(high));
        terms[i][2 * Terms - 2 + r] = ptx::Transpose(low);
      }
    }
  }
}

// sums[u][m] += (columns 4 m to 4 m + 3, four bases each) x (windows) * slopes.
template <int Tall, int Terms>
__device__ __forceinline__ void SumSlopes(float (&sums)[kWarpTiles][kGradientRows][4],
                                          const uint32_t (&terms)[kWarpTiles][Tall][2 * Terms],
                                          const TileColumns* columns, const uint32_t* pairs,
                                          int pair_stride, int first_row, int lane) {
  const int g = lane >> 2, t = lane & 3;
  const uint32_t* const own = pairs + (g & 3) * pair_stride + 2 * t + (g >> 2);
  unsigned trained = 0;
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    trained |= StepMask(columns[u].train_first - first_row, columns[u].train_end - first_row,
                        kGradientRows)
               << (u * kGradientRows);
  }
#pragma unroll
  for (int i = 0; i < Tall; ++i) {
    const uint32_t* const from = own + i * kTileWindows;
#pragma unroll
    for (int m = 0; m < kGradientRows; ++m) {
      const uint32_t* const at = from + m * kGradientColumns;
      const uint32_t a[4] = {at[0], at[2], at[8], at[10]};
#pragma unroll
      for (int u = 0; u < kWarpTiles; ++u) {
        if ((trained & 1u << (u * kGradientRows + m)) == 0) continue;
        if (Terms == 2) {
          MultiplySlopes(sums[u][m], a, terms[u][i][2 * Terms - 2], terms[u][i][2 * Terms - 1]);
        }
        MultiplySlopes(sums[u][m], a, terms[u][i][0], terms[u][i][1]);
      }
    }
  }
}

// Copies what is known of the block's tiles; behind the last tile there is nothing to scan.
__device__ __forceinline__ void CopyTiles(const BackwardParams& params, BlockTiles* to) {
  const PreparedMotifs& motifs = params.motifs;
  const int first = blockIdx.x * kBlockTiles;
  const int tiles = min(kBlockTiles, motifs.tile_count - first);
  for (int i = threadIdx.x; i < tiles; i += kThreads) to->columns[i] = motifs.columns[first + i];
  for (int i = threadIdx.x; i < tiles / kStrands * kTileMotifs; i += kThreads) {
    to->motif[i] = motifs.motif_at[first / kStrands * kTileMotifs + i];
  }
  for (int i = threadIdx.x; i < tiles * kTileMotifs; i += kThreads) {
    to->offset[i] = motifs.offset[first * kTileMotifs + i];
    if (kScaled) to->scale[i] = motifs.scale[first * kTileMotifs + i];
  }
}

template <bool Weighted>
__device__ __forceinline__ WarpTiles FindTiles(const BackwardParams& params,
                                               const BlockPlace& place, BlockTiles* block,
                                               float* weight_sums, int lane) {
  const int own = place.first_tile - blockIdx.x * kBlockTiles;
  WarpTiles tiles = {};
  tiles.columns = block->columns + own;
  tiles.motif = block->motif + own / kStrands * kTileMotifs + 2 * (lane & 3);
  tiles.offset = block->offset + own * kTileMotifs + 2 * (lane & 3);
  tiles.scale = block->scale + own * kTileMotifs + 2 * (lane & 3);
  tiles.total = &block->total[0][0][threadIdx.x];
  for (int i = 0; i < kWarpTiles * 2; ++i) tiles.total[i * kThreads] = 0.0f;
  tiles.energies = params.motifs.energies + place.first_tile * params.motifs.TileUint4s();
  if (!Weighted) return tiles;
  tiles.weight_stride = params.shape.window_count * kTileMotifs;
  tiles.weight = params.motifs.weight + place.first_tile * tiles.weight_stride +
                 BlockPlace::FirstWindow(params) * kTileMotifs;
  tiles.weight_gradient_stride = params.cut.strip_tiles * kTileWindows * kTileMotifs;
  tiles.weight_gradient = weight_sums + own * tiles.weight_gradient_stride;
  for (int i = lane; i < kWarpTiles * tiles.weight_gradient_stride; i += kWarp) {
    tiles.weight_gradient[i] = 0.0f;
  }
  return tiles;
}

// The lane's part of the sums of its tiles, in the kernel's results: numbers of one tile follow
// each other at a distance of kWarp, tiles at that of PartStride.
__device__ __forceinline__ float* PartOf(const BackwardParams& params, const BlockPlace& place,
                                         int lane) {
  const int64_t tile = BlockPlace::Part(params) * params.motifs.tile_count + place.first_tile;
  return params.partial_log_kd +
         (tile * params.cut.column_chunks + place.column_chunk) * (kTileSums * kWarp) + lane;
}

__device__ __forceinline__ int64_t PartStride(const BackwardParams& params) {
  return static_cast<int64_t>(params.cut.column_chunks) * (kTileSums * kWarp);
}

// Where sums wait until the part is written; null where shared memory is small, and they go there
// directly.
__device__ __forceinline__ float* WaitingSums(const BackwardParams& params, char* memory) {
  const BackwardShared& shared = params.shared;
  if (shared.sums_bytes == 0) return nullptr;
  float* const sums = reinterpret_cast<float*>(memory + 2 * shared.sequence_bytes +
                                               shared.tiles_bytes + shared.weight_bytes);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  return sums + warp * kWarpTiles * kTileSums * kWarp + lane;
}

// Adds the sums in registers to those outside, rounded to nearest, and begins anew.
__device__ __forceinline__ void MoveSums(const BackwardParams& params, const BlockPlace& place,
                                         char* memory, bool first,
                                         float (&sums)[kWarpTiles][kGradientRows][4]) {
  float* to = WaitingSums(params, memory);
  int64_t stride = kTileSums * kWarp;
  if (to == nullptr) {
    to = PartOf(params, place, threadIdx.x % kWarp);
    stride = PartStride(params);
  }
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

__device__ __forceinline__ void WriteSums(const BackwardParams& params, const BlockPlace& place,
                                          char* memory, int lane) {
  const float* const from = WaitingSums(params, memory);
  if (from == nullptr) return;
  float* const to = PartOf(params, place, lane);
  for (int u = 0; u < kWarpTiles; ++u) {
    for (int i = 0; i < kTileSums; ++i) {
      to[u * PartStride(params) + i * kWarp] = from[(u * kTileSums + i) * kWarp];
    }
  }
}

// Writes the warp's part of the gradient of log concentration: sums over all lanes of a motif.
__device__ __forceinline__ void WriteTotals(const BackwardParams& params, const BlockPlace& place,
                                            const WarpTiles& tiles, int lane) {
  const int64_t tile = BlockPlace::Part(params) * params.motifs.tile_count + place.first_tile;
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    float own[2] = {tiles.total[2 * u * kThreads], tiles.total[(2 * u + 1) * kThreads]};
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      own[h] += __shfl_xor_sync(0xffffffff, own[h], 4);
      own[h] += __shfl_xor_sync(0xffffffff, own[h], 8);
      own[h] += __shfl_xor_sync(0xffffffff, own[h], 16);
    }
    if (lane >= 4) continue;
    reinterpret_cast<float2*>(params.partial_log_concentration)[(tile + u) * 4 + lane] =
        make_float2(own[0], own[1]);
  }
}

// Writes the warp's part of the gradient of position weights.
__device__ __forceinline__ void WriteWeights(const BackwardParams& params, const BlockPlace& place,
                                             const WarpTiles& tiles, int lane) {
  // What lanes wrote, others of the warp now read.
  __syncwarp();
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    const int64_t tile =
        static_cast<int64_t>(blockIdx.y) * params.motifs.tile_count + place.first_tile + u;
    const int64_t row = tile * params.shape.window_count + BlockPlace::FirstWindow(params);
    const float* const from = tiles.weight_gradient + u * tiles.weight_gradient_stride;
    for (int i = lane; i < place.rows * kTileMotifs; i += kWarp) {
      params.partial_weight[row * kTileMotifs + i] = from[i];
    }
  }
}

// The scan of one sequence's group of windows for both tiles, then the second product.
template <int Tall, int Terms, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void AddGroup(const BackwardParams& params, const BlockPlace& place,
                                         const SequenceWords& words, const WarpTiles& tiles,
                                         int index, int row0, int lane,
                                         float (&sums)[kWarpTiles][kGradientRows][4]) {
  uint32_t terms[kWarpTiles][Tall][2 * Terms];
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    const Upstream upstream = LoadUpstream<Weighted>(params, tiles, index, u);
    // Loaded again for each tile: registers are scarcer than loads.
    OneHotStrip<Tall> strip;
    strip.Load(words.first + row0, words.second + row0, lane);
    float log_odds[Tall][4];
    ScanTile<Tall, Terms>(log_odds, strip, words.first + row0, words.second + row0,
                          tiles.energies + u * params.motifs.TileUint4s(), tiles.columns[u],
                          params.motifs.step_count, lane);
    const float2 offset = *reinterpret_cast<const float2*>(tiles.offset + u * kTileMotifs);
    FinishLogOdds(log_odds, offset, place.rows - row0, lane);
    FindSlopes<Tall, Terms, LogUnbound, Weighted>(log_odds, tiles, u, upstream, row0, place.rows,
                                                  lane, terms[u]);
  }
  const uint32_t* const pairs = words.pairs + place.column_chunk * kChunkColumns + row0;
  SumSlopes<Tall, Terms>(sums, terms, tiles.columns, pairs, params.shared.pair_stride,
                         place.column_chunk * kGradientRows, lane);
}

// The group that leaves the fewest tiles empty.
__device__ __forceinline__ bool TakesShort(int tiles_left) {
  return tiles_left <= 3 || tiles_left == 5 || tiles_left == 6;
}

}  // namespace

template <int Terms, bool LogUnbound, bool Weighted>
__global__ void __launch_bounds__(kThreads, kSparse && !Weighted ? kBackwardBlocks : 2)
    GradientKernel(const __grid_constant__ BackwardParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  const int lane = threadIdx.x % kWarp;
  const BackwardShared& shared = params.shared;
  const BlockPlace place = FindPlace(params);
  const bool has_tiles = place.first_tile < params.motifs.tile_count;
  char* const behind_words = shared_memory + 2 * shared.sequence_bytes;
  BlockTiles* const block = reinterpret_cast<BlockTiles*>(behind_words);
  float* const weight_sums = reinterpret_cast<float*>(behind_words + shared.tiles_bytes);
  CopyTiles(params, block);
  const WarpTiles tiles = FindTiles<Weighted>(params, place, block, weight_sums, lane);
  float sums[kWarpTiles][kGradientRows][4] = {};

  // Codes are read two sequences ahead, words are made one ahead.
  for (int index = 0; index < 2 && index < place.sequences; ++index) {
    FillCodes(params, WordsAt(shared, shared_memory, index), index);
  }
  __syncthreads();
  FillSequenceWords(shared, WordsAt(shared, shared_memory, 0));
  __syncthreads();
  int products = 0;
  bool first = true;
  for (int index = 0; index < place.sequences; ++index) {
    const SequenceWords words = WordsAt(shared, shared_memory, index % 2);
    if (index + 2 < place.sequences) FillCodes(params, words, index + 2);
    if (index + 1 < place.sequences) {
      FillSequenceWords(shared, WordsAt(shared, shared_memory, 1 - index % 2));
    }
    for (int row0 = 0; has_tiles && row0 < place.rows;) {
      const int tiles_left = (place.rows - row0 + kTileWindows - 1) / kTileWindows;
      if (TakesShort(tiles_left)) {
        AddGroup<kBackwardShort, Terms, LogUnbound, Weighted>(params, place, words, tiles, index,
                                                              row0, lane, sums);
        row0 += kBackwardShort * kTileWindows;
      } else {
        AddGroup<kBackwardTall, Terms, LogUnbound, Weighted>(params, place, words, tiles, index,
                                                             row0, lane, sums);
        row0 += kBackwardTall * kTileWindows;
      }
      products += kBackwardTall * Terms;
      if (products < kProductsPerSum) continue;
      MoveSums(params, place, shared_memory, first, sums);
      first = false;
      products = 0;
    }
    __syncthreads();
  }
  if (!has_tiles) return;
  MoveSums(params, place, shared_memory, first, sums);
  WriteSums(params, place, shared_memory, lane);
  if (place.column_chunk != 0) return;
  WriteTotals(params, place, tiles, lane);
  if (Weighted) WriteWeights(params, place, tiles, lane);
}

namespace {

// The sum of the parts of one number, in their order.
__device__ __forceinline__ float SumParts(const float* from, int64_t parts, int64_t stride) {
  float sum = 0.0f;
  for (int64_t part = 0; part < parts; ++part) sum += from[part * stride];
  return sum;
}

__device__ __forceinline__ float Unscale(const PreparedMotifs& motifs, int tile, int column) {
  return motifs.scale == nullptr ? 1.0f : 1.0f / motifs.scale[tile * kTileMotifs + column];
}

// Where the parts of one tile hold the gradient of a column and base for the motif of a place:
// in the order of the kernel's registers and lanes.
__device__ __forceinline__ int64_t PlaceOfSum(int column, int base, int motif) {
  const int row = column % kGradientColumns * kBases + base;
  const int number = column / kGradientColumns * 4 + row / 8 * 2 + motif % 2;
  return number * kWarp + row % 8 * 4 + motif / 2;
}

// Gradient of one entry of log Kd: that of the forward strand's and of the reverse strand's.
__device__ __forceinline__ float LogKdGradient(const BackwardParams& params, int64_t parts,
                                               int place, int column, int base) {
  const PreparedMotifs& motifs = params.motifs;
  const int64_t tile_numbers = static_cast<int64_t>(params.cut.column_chunks) * kTileSums * kWarp;
  float gradient = 0.0f;
  for (int strand = 0; strand < kStrands; ++strand) {
    const int tile = place / kTileMotifs * 2 + strand;
    const int at_column = strand == 0 ? column : params.shape.width - 1 - column;
    const int at_base = strand == 0 ? base : kBases - 1 - base;
    const float* const from = params.partial_log_kd + tile * tile_numbers +
                              PlaceOfSum(at_column, at_base, place % kTileMotifs);
    gradient -= SumParts(from, parts, motifs.tile_count * tile_numbers) *
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
__global__ void FinishKernel(const __grid_constant__ BackwardParams params) {
  const PreparedMotifs& motifs = params.motifs;
  const int64_t places = 4 * static_cast<int64_t>(motifs.tile_count);
  const int64_t at = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
  const int64_t row = at / places;
  const int64_t rows = static_cast<int64_t>(params.shape.width) * kBases;
  if (row > rows) return;
  const int place = static_cast<int>(at % places);
  const int motif = motifs.motif_at[place];
  if (motif < 0) return;
  const int64_t parts = params.cut.part_count();
  if (row < rows) {
    const int column = static_cast<int>(row / kBases), base = static_cast<int>(row % kBases);
    params.gradients.log_kd[row * motifs.motif_count + motif] =
        IsHeld(params, motif, column) ? 0.0f : LogKdGradient(params, parts, place, column, base);
    return;
  }
  float gradient = 0.0f;
  for (int strand = 0; strand < kStrands; ++strand) {
    const int tile = place / kTileMotifs * 2 + strand, column = place % kTileMotifs;
    const float* const from = params.partial_log_concentration + tile * kTileMotifs + column;
    gradient += SumParts(from, parts, motifs.tile_count * static_cast<int64_t>(kTileMotifs)) *
                Unscale(motifs, tile, column);
  }
  params.gradients.log_concentration[motif] = gradient;
}

// One thread for each position weight.
__global__ void FinishWeightsKernel(const __grid_constant__ BackwardParams params) {
  const PreparedMotifs& motifs = params.motifs;
  const int64_t windows = params.shape.window_count;
  const int64_t count = motifs.tile_count * windows * kTileMotifs;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t at = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; at < count;
       at += stride) {
    const int tile = static_cast<int>(at / kTileMotifs / windows);
    const int64_t window = at / kTileMotifs % windows;
    const int motif = motifs.motif_at[tile / 2 * kTileMotifs + static_cast<int>(at % kTileMotifs)];
    if (motif < 0) continue;
    params.gradients.position_weight[(tile % 2 * windows + window) * motifs.motif_count + motif] =
        SumParts(params.partial_weight + at, params.cut.slice_count, count);
  }
}

BackwardShared ShareBackward(const BackwardCut& cut, int step_count, bool weighted) {
  BackwardShared shared = {};
  shared.positions = StripPositions(cut.strip_tiles, step_count) + kWordReach;
  // Groups may reach over the strip's end.
  shared.positions += kBackwardTall * kTileWindows;
  // A stride of 8 modulo 32 spreads the four bases over all banks.
  shared.pair_stride = (shared.positions + 31) / 32 * 32 + 8;
  const int64_t words = 2 * shared.positions + kBases * shared.pair_stride;
  shared.sequence_bytes =
      (words * static_cast<int64_t>(sizeof(uint32_t)) + shared.positions + 15) / 16 * 16;
  if (cut.moves_to_shared) {
    shared.sums_bytes = static_cast<int64_t>(kThreads) * kWarpTiles * kTileSums * sizeof(float);
  }
  shared.tiles_bytes = sizeof(BlockTiles);
  if (weighted) {
    shared.weight_bytes = static_cast<int64_t>(kBlockTiles) * cut.strip_tiles * kTileWindows *
                          kTileMotifs * sizeof(float);
  }
  return shared;
}

BackwardCut CutBackward(const PreparedMotifs& motifs, const ScanShape& shape,
                        int compute_capability, int multiprocessors) {
  BackwardCut cut = {};
  const bool small = compute_capability < kSparseCapability;
  cut.moves_to_shared = small ? 0 : 1;
  const int64_t tiles = (shape.window_count + kTileWindows - 1) / kTileWindows;
  const int64_t most = small ? kBackwardTilesSmall : kBackwardTiles;
  const int64_t strips = tiles > 0 ? (tiles + most - 1) / most : 1;
  cut.strip_tiles = static_cast<int32_t>(tiles > 0 ? (tiles + strips - 1) / strips : 1);
  cut.strip_count = static_cast<int32_t>(strips);
  cut.column_chunks = motifs.step_count / kChunkSteps;
  // As many slices as fill the device once, but none of only a few sequences.
  const int64_t blocks =
      (motifs.tile_count + kBlockTiles - 1) / kBlockTiles * strips * cut.column_chunks;
  const int64_t slots = static_cast<int64_t>(multiprocessors) * kBackwardBlocks;
  int64_t slices = slots / blocks > 1 ? slots / blocks : 1;
  const int64_t worth = (shape.sequence_count + kLeastSequences - 1) / kLeastSequences;
  if (slices > worth) slices = worth > 1 ? worth : 1;
  cut.slice_sequences = (shape.sequence_count + slices - 1) / slices;
  if (cut.slice_sequences < 1) cut.slice_sequences = 1;
  // Nothing to scan: no parts, whose sums are 0.
  const int64_t sequences = shape.window_count > 0 ? shape.sequence_count : 0;
  cut.slice_count =
      static_cast<int32_t>((sequences + cut.slice_sequences - 1) / cut.slice_sequences);
  return cut;
}

namespace {

template <int Terms>
cudaError_t RunGradient(Reduction reduction, const BackwardParams& params, cudaStream_t stream) {
  const bool log_unbound = reduction == Reduction::kLogUnbound;
  const bool weighted = params.weighted_gradient != nullptr;
  const auto kernel =
      log_unbound
          ? (weighted ? GradientKernel<Terms, true, true> : GradientKernel<Terms, true, false>)
          : (weighted ? GradientKernel<Terms, false, true> : GradientKernel<Terms, false, false>);
  const BackwardCut& cut = params.cut;
  const dim3 grid((params.motifs.tile_count + kBlockTiles - 1) / kBlockTiles, cut.slice_count,
                  cut.strip_count * cut.column_chunks);
  return Run(kernel, grid, kThreads, params.shared.total(), stream, params);
}

}  // namespace

cudaError_t Backward(Reduction reduction, const BackwardParams& params, cudaStream_t stream) {
  const PreparedMotifs& motifs = params.motifs;
  if (params.cut.slice_count > 0) {
    const cudaError_t status = motifs.term_count == 2 ? RunGradient<2>(reduction, params, stream)
                                                      : RunGradient<1>(reduction, params, stream);
    if (status != cudaSuccess) return status;
  }
  const int64_t places = 4 * static_cast<int64_t>(motifs.tile_count);
  const int64_t rows = static_cast<int64_t>(params.shape.width) * kBases + 1;
  const cudaError_t status = Run(FinishKernel, BlocksFor(places * rows, kFinishThreads),
                                 kFinishThreads, 0, stream, params);
  if (status != cudaSuccess || params.partial_weight == nullptr) return status;
  constexpr int64_t kMostBlocks = 4096;
  const int64_t weights = motifs.tile_count * params.shape.window_count * kTileMotifs;
  const int64_t most = kMostBlocks * kFinishThreads;
  return Run(FinishWeightsKernel, BlocksFor(weights < most ? weights : most, kFinishThreads),
             kFinishThreads, 0, stream, params);
}

}  // namespace cisreg::gpu
