// What a block of the forward kernel keeps in shared memory: the energies of its slice of motifs,
// and each warp's part of its sequence.

#ifndef CISREG_CUDA_FORWARD_BLOCK_CUH_
#define CISREG_CUDA_FORWARD_BLOCK_CUH_

#include "forward.cuh"
#include "span.cuh"

namespace cisreg::gpu {

// Where a warp is, for sums under several conditions. A launch has fewer than 2^31 strips.
struct StripPlace {
  int32_t number;         // of the strip among those of the launch
  int32_t sequence, row;  // `row` of sums
  int32_t first;          // window
  int32_t slice;          // of tiles
  int32_t rows;           // windows
};

// Layout of a block's shared memory: the slice's energies, its small tables, and each warp's part
// of its sequence.
struct ForwardShared {
  uint4* energies;
  float* weight;    // of positions, [slice's tiles, K, set_rows, 8]
  uint32_t* steps;  // StepsOfChunk, of each tile and chunk of columns
  float* offset;
  int32_t* place;  // of the lane's sum in a row of sums, or -1; 8 lanes a tile
  uint32_t* first_words;
  uint32_t* second_words;
  uint8_t* codes;
  // Behind the codes, which leave three quarters of their place.
  StripPlace* strip;
  SpanBases* span;
};

__host__ __device__ inline int32_t ChunkCount(const PreparedMotifs& motifs) {
  return motifs.step_count / kChunkSteps;
}

__host__ __device__ constexpr int64_t WarpBytes(int64_t positions) {
  return positions * (2 * sizeof(uint32_t) + sizeof(uint32_t));
}

__host__ __device__ inline int64_t TileBytes(const PreparedMotifs& motifs) {
  return motifs.TileUint4s() * sizeof(uint4) + ChunkCount(motifs) * sizeof(uint32_t) +
         kTileMotifs * (sizeof(float) + sizeof(int32_t));
}

__device__ __forceinline__ ForwardShared ShareOut(const ForwardParams& params, char* memory,
                                                  int warp) {
  ForwardShared shared;
  shared.energies = reinterpret_cast<uint4*>(memory);
  shared.weight =
      reinterpret_cast<float*>(shared.energies + params.slice_tiles * params.motifs.TileUint4s());
  shared.offset = shared.weight + params.slice_tiles * params.weight_rows * kTileMotifs;
  shared.place = reinterpret_cast<int32_t*>(shared.offset + params.slice_tiles * kTileMotifs);
  shared.steps = reinterpret_cast<uint32_t*>(shared.place + params.slice_tiles * kTileMotifs);
  char* const own =
      reinterpret_cast<char*>(shared.steps + params.slice_tiles * ChunkCount(params.motifs)) +
      warp * WarpBytes(params.warp_positions);
  shared.first_words = reinterpret_cast<uint32_t*>(own);
  shared.second_words = shared.first_words + params.warp_positions;
  shared.codes = reinterpret_cast<uint8_t*>(shared.second_words + params.warp_positions);
  shared.span = reinterpret_cast<SpanBases*>(shared.second_words + 2 * params.warp_positions) - 1;
  shared.strip = reinterpret_cast<StripPlace*>(shared.span) - 1;
  return shared;
}

// Where lane `lane` of the first 8 puts its sum of a tile: motif 2 t + g, which SumLanes gives it.
__device__ __forceinline__ int32_t PlaceOfSum(const PreparedMotifs& motifs, int tile, int lane) {
  const int column = 2 * (lane & 3) + (lane >> 2);
  const int32_t motif = motifs.motif_at[tile / 2 * kTileMotifs + column];
  return motif < 0 ? -1 : tile % 2 * motifs.motif_count + motif;
}

// What a tile's motifs need of a chunk of columns: a bit for each step, whether these are all there
// are and the motifs have no other chunk, and whether their sites share divisions.
constexpr uint32_t kAllSteps = (1u << kChunkSteps) - 1;
constexpr uint32_t kWhole = 1u << kChunkSteps;
constexpr uint32_t kSharesDivision = 2u << kChunkSteps;

__device__ __forceinline__ uint32_t StepsOfChunk(const TileColumns& columns, int chunk,
                                                 int chunk_count) {
  const int first = chunk * kChunkSteps;
  const uint32_t steps =
      StepMask(columns.scan_first - first, columns.scan_end - first, kChunkSteps);
  return steps | (chunk_count == 1 && steps == kAllSteps ? kWhole : 0) |
         (columns.shares_division != 0 ? kSharesDivision : 0);
}

// Copies the position weights of a slice to shared memory, and zeros for the rows of strips that
// are no windows.
__device__ __forceinline__ void CopyWeights(const ForwardParams& params,
                                            const ForwardShared& shared, int slice) {
  constexpr int kRow = kTileMotifs * sizeof(float) / sizeof(float4);
  const int count = SliceTiles(params.split, slice), stride = params.split.slice_count;
  const int64_t windows = params.shape.window_count;
  const int numbers = params.set_rows * kRow, sets = params.motifs.weight_sets;
  auto* to = reinterpret_cast<float4*>(shared.weight);
  for (int tile = 0; tile < count; ++tile) {
    for (int set = 0; set < sets; ++set, to += numbers) {
      const auto* const from = reinterpret_cast<const float4*>(params.motifs.weight) +
                               ((slice + tile * stride) * sets + set) * windows * kRow;
      for (int i = threadIdx.x; i < numbers; i += blockDim.x) {
        to[i] = i < windows * kRow ? from[i] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      }
    }
  }
}

// Copies what the prepared motifs say of a slice to shared memory.
__device__ __forceinline__ void CopySlice(const ForwardParams& params, const ForwardShared& shared,
                                          int slice) {
  const PreparedMotifs& motifs = params.motifs;
  const int count = SliceTiles(params.split, slice), stride = params.split.slice_count;
  const int numbers = static_cast<int>(motifs.TileUint4s());
  for (int tile = 0; tile < count; ++tile) {
    const uint4* const from = motifs.energies + (slice + tile * stride) * motifs.TileUint4s();
    uint4* const to = shared.energies + tile * motifs.TileUint4s();
    for (int i = threadIdx.x; i < numbers; i += blockDim.x) to[i] = from[i];
  }
  if (params.weight_rows > 0) CopyWeights(params, shared, slice);
  for (int i = threadIdx.x; i < count * kTileMotifs; i += blockDim.x) {
    const int tile = slice + i / kTileMotifs * stride;
    shared.offset[i] = motifs.offset[tile * kTileMotifs + i % kTileMotifs];
    shared.place[i] = PlaceOfSum(motifs, tile, i % kTileMotifs);
  }
  const int chunks = ChunkCount(motifs);
  for (int i = threadIdx.x; i < count * chunks; i += blockDim.x) {
    shared.steps[i] = StepsOfChunk(motifs.columns[slice + i / chunks * stride], i % chunks, chunks);
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_FORWARD_BLOCK_CUH_
