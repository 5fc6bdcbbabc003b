// Forward: a warp holds the one-hot windows of a strip of one sequence in registers and passes the
// energies of a slice of motifs by them, which lie in the block's shared memory. Sites exist in
// registers only; each strip's sum is written once for each strand and motif. plan_forward.h says
// who does which part.

#include "forward.cuh"
#include "law.cuh"
#include "run.h"
#include "span.cuh"
#include "sum_rows.cuh"

namespace cisreg::gpu {
namespace {

// Layout of a block's shared memory: the slice's energies, its small tables, and each warp's part
// of its sequence.
struct ForwardShared {
  uint4* energies;
  float* weight;    // of positions, [slice's tiles, weight_rows, 8]
  uint32_t* steps;  // StepsOfChunk, of each tile and chunk of columns
  float* offset;
  int32_t* place;  // of the lane's sum in a row of sums, or -1; 8 lanes a tile
  uint32_t* first_words;
  uint32_t* second_words;
  uint8_t* codes;
  SpanBases* span;  // behind the codes, which leave three quarters of their place
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
  const int numbers = params.weight_rows * kRow;
  for (int tile = 0; tile < count; ++tile) {
    const auto* const from = reinterpret_cast<const float4*>(params.motifs.weight) +
                             (slice + tile * stride) * windows * kRow;
    auto* const to = reinterpret_cast<float4*>(shared.weight) + tile * numbers;
    for (int i = threadIdx.x; i < numbers; i += blockDim.x) {
      to[i] = i < windows * kRow ? from[i] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
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

// The words of a strip that begins at `start` of sequence n.
template <int RowTiles>
__device__ __forceinline__ void FillWords(const ForwardParams& params, const ForwardShared& shared,
                                          int64_t n, int64_t start, int lane) {
  const int positions = StripPositions(RowTiles, params.motifs.step_count);
  const uint8_t* const sequence = params.sequence + n * params.shape.length;
  const int64_t length = OwnLength(params.shape, n);
  for (int i = lane; i < positions; i += kWarp) {
    shared.codes[i] = CodeAt(sequence, length, start + i);
  }
  __syncwarp();
  for (int i = lane; i < positions - kWordReach; i += kWarp) {
    shared.first_words[i] = FirstWord(shared.codes, i);
    shared.second_words[i] = SecondWord(shared.codes, i);
  }
  __syncwarp();
}

// The strip's operands for a chunk of columns. Volatile, so that the compiler does not take a word
// that two operands share from one register: the others of each operand would have to move there
// for every product.
template <int RowTiles>
__device__ __forceinline__ void LoadStrip(const ForwardShared& shared, int chunk, int lane,
                                          OneHotStrip<RowTiles>& strip) {
  const volatile uint32_t* const first = shared.first_words + chunk * kChunkColumns;
  const volatile uint32_t* const second = shared.second_words + chunk * kChunkColumns;
  strip.template Load<0, OneHotStrip<RowTiles>::kOperands>(first, second, lane);
}

// Position weights of the lane's rows of a strip, for its two motifs of a tile, in one load each.
struct RowWeights {
  const float2* in_shared;  // memory, where rows behind the last window are 0
  const float2* in_global;
  bool are_shared;
  int row, rows;

  __device__ __forceinline__ void Load(int k, int count, float2 (&weight)[4]) const {
    if (are_shared) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j < count) weight[j] = in_shared[8 * (k + j) * (kTileMotifs / 2)];
      }
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j < count && row + 8 * (k + j) < rows) {
          weight[j] = in_global[8 * (k + j) * (kTileMotifs / 2)];
        }
      }
    }
  }
};

// Sums over the strip's windows, of the lane's own rows: motifs 2t and 2t + 1 of the tile.
template <int RowTiles, bool LogUnbound, bool Weighted, bool SharesDivision>
__device__ __forceinline__ void SumOwnRows(const float (&log_odds)[RowTiles][4],
                                           const RowWeights& weights, float (&bound)[2],
                                           float (&weighted)[2]) {
#pragma unroll
  for (int k = 0; k < 2 * RowTiles; k += 4) {
    const int count = k + 4 <= 2 * RowTiles ? 4 : 2;
    float2 weight[4] = {};
    if (Weighted) weights.Load(k, count, weight);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float x[4] = {}, own[4] = {};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j >= count) break;
        x[j] = log_odds[(k + j) % RowTiles][2 * ((k + j) / RowTiles) + h];
        own[j] = h == 0 ? weight[j].x : weight[j].y;
      }
      if (SharesDivision) {
        AddShared<LogUnbound, Weighted>(x, own, count, bound[h], weighted[h]);
      } else {
        AddAny<LogUnbound, Weighted>(x, own, count, bound[h], weighted[h]);
      }
    }
  }
}

template <int RowTiles, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void SumSites(const float (&log_odds)[RowTiles][4],
                                         const RowWeights& weights, bool shares_division,
                                         float (&bound)[2], float (&weighted)[2]) {
  if (shares_division) {
    SumOwnRows<RowTiles, LogUnbound, Weighted, true>(log_odds, weights, bound, weighted);
  } else {
    SumOwnRows<RowTiles, LogUnbound, Weighted, false>(log_odds, weights, bound, weighted);
  }
}

// Adds up the rows of all lanes; lanes 0 to 7 end up with the sum of motif 2 t + g of the tile.
__device__ __forceinline__ float SumLanes(const float (&sum)[2], int lane) {
  const bool odd = (lane & 4) != 0;
  float own = odd ? sum[1] : sum[0];
  own += __shfl_xor_sync(0xffffffff, odd ? sum[0] : sum[1], 4);
  own += __shfl_xor_sync(0xffffffff, own, 8);
  own += __shfl_xor_sync(0xffffffff, own, 16);
  return own;
}

// Where a warp is in its work: a row of sums, and tiles [first, end) of its block's slice.
struct ForwardPlace {
  int64_t n;    // sequence
  int64_t row;  // of sums
  int first_tile, end_tile;
  int slice;
  int lane;
};

// The sums of a strip none of whose windows count.
__device__ __forceinline__ void WriteZeros(const ForwardParams& params, const ForwardShared& shared,
                                           const ForwardPlace& place) {
  const int64_t row = place.row * kStrands * params.motifs.motif_count;
#pragma unroll 1
  for (int i = place.first_tile * kTileMotifs + ptx::RecomputeThreadIndex() % kWarp;
       i < place.end_tile * kTileMotifs; i += kWarp) {
    const int32_t at = shared.place[i];
    if (at < 0) continue;
    params.bound[row + at] = 0.0f;
    if (params.weighted != nullptr) params.weighted[row + at] = 0.0f;
  }
}

// Log2 odds of the strip's sites with one tile of motifs, less the concentration. `energies` and
// `steps` are the tile's, the former at the lane's place.
template <int RowTiles, int Terms>
__device__ __forceinline__ void ScanTile(const ForwardParams& params, const ForwardShared& shared,
                                         const uint4* energies, const uint32_t* steps, int lane,
                                         OneHotStrip<RowTiles>& strip, float (&sums)[RowTiles][4]) {
  ClearLogOdds(sums);
  // A single chunk of columns stays in registers for all tiles; if all of it is used, no step is
  // asked for, and the first products begin at 0 instead of at cleared registers.
  if ((steps[0] & kWhole) != 0) {
    ScanSteps<RowTiles, Terms>(sums, strip, energies, kAllSteps);
    return;
  }
  for (int chunk = 0; chunk < params.chunk_count; ++chunk) {
    if (params.chunk_count > 1) LoadStrip(shared, chunk, lane, strip);
    ScanSteps<RowTiles, Terms>(sums, strip, energies + chunk * (kChunkSteps * Terms * kWarp),
                               steps[chunk]);
  }
}

// The weights of a strip and tile `i` of the slice, which is `tile` of all.
template <bool Weighted>
__device__ __forceinline__ RowWeights WeightsAt(const ForwardParams& params,
                                                const ForwardShared& shared, int i, int tile,
                                                int64_t first, int rows, int lane) {
  if (!Weighted) return {};
  const int row = lane >> 2, own = row * kTileMotifs + 2 * (lane & 3);
  const float* const in_shared =
      shared.weight + (i * params.weight_rows + static_cast<int>(first)) * kTileMotifs + own;
  const float* const in_global =
      params.motifs.weight + (tile * params.shape.window_count + first) * kTileMotifs + own;
  return {reinterpret_cast<const float2*>(in_shared), reinterpret_cast<const float2*>(in_global),
          params.weight_rows > 0, row, rows};
}

// On 8.6 and 8.9 the lane's number spills; on 10.0 and 12.0 other values do if it is not kept.
constexpr bool kRecomputesLane = CISREG_CUDA_ARCH == 860 || CISREG_CUDA_ARCH == 890;

// Scans `rows` windows of a sequence from `first` on and writes the sums of their sites.
template <int RowTiles, int Terms, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void SumStrip(const ForwardParams& params, const ForwardShared& shared,
                                         const ForwardPlace& place, int64_t first, int rows) {
  const PreparedMotifs& motifs = params.motifs;
  const int lane = kRecomputesLane ? ptx::RecomputeThreadIndex() % kWarp : place.lane;
  const int64_t row = place.row * kStrands * motifs.motif_count;
  float* const bound_row = params.bound + row;
  float* const weighted_row = Weighted ? params.weighted + row : nullptr;
  OneHotStrip<RowTiles> strip;
  FillWords<RowTiles>(params, shared, place.n, params.shape.first_start + first, lane);
  LoadStrip(shared, 0, lane, strip);
  for (int i = place.first_tile; i < place.end_tile; ++i) {
    const uint32_t* const steps = shared.steps + i * params.chunk_count;
    float sums[RowTiles][4];
    ScanTile<RowTiles, Terms>(params, shared, shared.energies + i * params.tile_uint4s + lane,
                              steps, lane, strip, sums);
    const float2 offset = reinterpret_cast<const float2*>(shared.offset)[4 * i + (lane & 3)];
    FinishLogOdds(sums, offset, rows, lane);
    const int tile = place.slice + i * params.split.slice_count;
    if (params.span.edges != nullptr) {
      MaskSites(sums, motifs.sites + tile * kTileMotifs + 2 * (lane & 3), *shared.span, lane);
    }
    float bound[2] = {}, weighted[2] = {};
    const int own_lane = kRecomputesLane ? ptx::RecomputeThreadIndex() % kWarp : lane;
    SumSites<RowTiles, LogUnbound, Weighted>(
        sums, WeightsAt<Weighted>(params, shared, i, tile, first, rows, own_lane),
        (steps[0] & kSharesDivision) != 0, bound, weighted);
    const float bound_sum = SumLanes(bound, lane);
    const float weighted_sum = Weighted ? SumLanes(weighted, lane) : 0.0f;
    const int32_t at = lane < kTileMotifs ? shared.place[i * kTileMotifs + lane] : -1;
    if (at >= 0) bound_row[at] = bound_sum;
    if (Weighted && at >= 0) weighted_row[at] = weighted_sum;
  }
  // The next strip's words take the place of this one's.
  __syncwarp();
}

// One strip of a sequence, for some tiles of the slice; a strip that the sequence does not have is
// all zero.
template <int Terms, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void SumItem(const ForwardParams& params, const ForwardShared& shared,
                                        const ForwardPlace& place, int64_t index) {
  const int64_t windows = OwnWindows(params.shape, place.n);
  const Strips strips = StripsOf(windows, kSparse);
  bool counts = index < strips.count;
  const Strip strip = StripAt(strips, index);
  const int rows = static_cast<int>(min(windows - strip.first, static_cast<int64_t>(strip.height)));
  if (counts && params.span.edges != nullptr) {
    const SpanBases span = FindSpan(params.span, params.shape, place.n, strip.first);
    counts = span.Reaches(0, rows, params.shape.width);
    if (place.lane == 0) *shared.span = span;
  }
  if (!counts) {
    WriteZeros(params, shared, place);
  } else if (strip.height == kForwardRowTilesShort * kTileWindows) {
    SumStrip<kForwardRowTilesShort, Terms, LogUnbound, Weighted>(params, shared, place, strip.first,
                                                                 rows);
  } else if constexpr (kSparse) {
    SumStrip<kForwardRowTiles, Terms, LogUnbound, Weighted>(params, shared, place, strip.first,
                                                            rows);
  }
}

// A warp's units of a slice, which begins at unit `slice_begin`.
template <int Terms, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void SumUnits(const ForwardParams& params, const ForwardShared& shared,
                                         const UnitRange& units, int64_t slice_begin, int slice) {
  const int tiles = SliceTiles(params.split, slice);
  int64_t left = units.end - units.begin;
  if (left <= 0) return;
  const int64_t number = (units.begin - slice_begin) / tiles;
  ForwardPlace place = {};
  place.slice = slice;
  place.lane = threadIdx.x % kWarp;
  place.first_tile = static_cast<int>(units.begin - slice_begin - number * tiles);
  for (ForwardItem item = ItemAt(params.split, number);; item = NextItem(params.split, item)) {
    const int64_t end = place.first_tile + left;
    place.end_tile = static_cast<int>(min(end, static_cast<int64_t>(tiles)));
    place.n = params.first_sequence + item.sequence;
    place.row = item.sequence * params.split.strips + item.strip;
    SumItem<Terms, LogUnbound, Weighted>(params, shared, place, params.first_strip + item.strip);
    left -= place.end_tile - place.first_tile;
    if (left <= 0) return;
    place.first_tile = 0;
  }
}

}  // namespace

template <int Terms, bool LogUnbound, bool Weighted>
__global__ void __launch_bounds__(kForwardWarps* kWarp, 1)
    ForwardKernel(const __grid_constant__ ForwardParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  const int warp = threadIdx.x / kWarp;
  const ForwardShared shared = ShareOut(params, shared_memory, warp);
  UnitRange units = ShareOf({0, UnitCount(params.split)}, blockIdx.x, gridDim.x);
  for (int slice = SliceOf(params.split, units.begin); units.begin < units.end; ++slice) {
    const UnitRange whole = SliceUnits(params.split, slice);
    const UnitRange part = {units.begin, min(units.end, whole.end)};
    CopySlice(params, shared, slice);
    __syncthreads();
    SumUnits<Terms, LogUnbound, Weighted>(params, shared, ShareOf(part, warp, kForwardWarps),
                                          whole.begin, slice);
    // The next slice takes the place of this one.
    __syncthreads();
    units.begin = part.end;
  }
}

namespace {

// Positions of a strip, plus those that its words read beyond it.
int32_t WarpPositions(const PreparedMotifs& motifs, const ScanShape& shape, bool takes_tall) {
  const bool tall = takes_tall && shape.window_count > kForwardRowTilesShort * kTileWindows;
  return StripPositions(tall ? kForwardRowTiles : kForwardRowTilesShort, motifs.step_count);
}

using Kernel = void (*)(ForwardParams);

template <int Terms>
Kernel KernelOf(bool log_unbound, bool weighted) {
  if (log_unbound) {
    return weighted ? ForwardKernel<Terms, true, true> : ForwardKernel<Terms, true, false>;
  }
  return weighted ? ForwardKernel<Terms, false, true> : ForwardKernel<Terms, false, false>;
}

// Where the sums of strips and groups lie in the scratch: those of weighted sites behind the
// others.
struct Scratch {
  float *strip_sums, *group_sums, *carried;
};

Scratch ScratchAt(float* memory, const ForwardScratch& sizes, bool weighted) {
  if (weighted) memory += sizes.strip_sums + sizes.group_sums + sizes.carried;
  return {memory, memory + sizes.strip_sums, memory + sizes.strip_sums + sizes.group_sums};
}

// Adds the sums of the strips of one chunk.
cudaError_t AddStrips(const ForwardLaunch& launch, const ForwardParams& params, float* sums,
                      const Scratch& scratch, cudaStream_t stream) {
  const int64_t columns = kStrands * static_cast<int64_t>(params.motifs.motif_count);
  float* const to = sums + params.first_sequence * columns;
  SumRowsParams rows = {};
  rows.from = scratch.strip_sums;
  rows.to = to;
  rows.sequences = params.split.sequences;
  rows.rows = params.split.strips;
  rows.group_rows = kSumStrips;
  rows.columns = columns;
  if (launch.plan.strips <= kSumStrips) return SumRows(rows, stream);
  rows.to = scratch.group_sums;
  const cudaError_t status = SumRows(rows, stream);
  if (status != cudaSuccess) return status;
  rows.from = scratch.group_sums;
  rows.to = to;
  rows.rows = (params.split.strips + kSumStrips - 1) / kSumStrips;
  rows.group_rows = rows.rows;
  if (launch.plan.chunk_strips < launch.plan.strips) {
    rows.carried = scratch.carried;
    rows.is_first = params.first_strip == 0;
    rows.is_last = params.first_strip + params.split.strips == launch.plan.strips;
  }
  return SumRows(rows, stream);
}

// One launch of the kernel, and of the sums over strips.
cudaError_t RunChunk(const ForwardLaunch& launch, Kernel kernel, int resident, ForwardParams params,
                     cudaStream_t stream) {
  const ForwardPlan& plan = launch.plan;
  float *const bound = params.bound, *const weighted = params.weighted;
  const bool adds = plan.strips > 1;
  const int64_t columns = kStrands * static_cast<int64_t>(params.motifs.motif_count);
  const ForwardScratch sizes = ScratchOf(plan, columns);
  const Scratch own = ScratchAt(launch.scratch, sizes, false),
                of_weighted = ScratchAt(launch.scratch, sizes, true);
  if (adds) {
    params.bound = own.strip_sums;
    if (weighted != nullptr) params.weighted = of_weighted.strip_sums;
  }
  const int64_t units = UnitCount(params.split);
  const int64_t blocks = static_cast<int64_t>(launch.multiprocessors) * resident;
  const dim3 grid(static_cast<unsigned>(units < blocks ? units : blocks));
  cudaError_t status = Run(kernel, grid, kForwardWarps * kWarp, plan.shared_bytes, stream, params,
                           launch.shared_limit);
  if (status != cudaSuccess || !adds) return status;
  status = AddStrips(launch, params, bound, own, stream);
  if (status != cudaSuccess || weighted == nullptr) return status;
  return AddStrips(launch, params, weighted, of_weighted, stream);
}

}  // namespace

ForwardPlan PlanForward(const PreparedMotifs& motifs, const ScanShape& shape, bool weighted,
                        int compute_capability, int multiprocessors, int64_t shared_bytes) {
  const bool takes_tall = compute_capability >= kSparseCapability;
  ForwardProblem problem = {};
  problem.sequence_count = shape.sequence_count;
  problem.window_count = shape.window_count;
  problem.has_lengths = shape.own_length != nullptr;
  problem.tile_count = motifs.tile_count;
  problem.row_sums = kStrands * static_cast<int64_t>(motifs.motif_count);
  if (weighted) problem.row_sums *= 2;
  problem.tile_bytes = TileBytes(motifs);
  if (weighted) {
    problem.weight_bytes = CoveredWindows(shape.window_count, takes_tall) * kTileMotifs *
                           static_cast<int64_t>(sizeof(float));
  }
  problem.block_bytes = kForwardWarps * WarpBytes(WarpPositions(motifs, shape, takes_tall));
  return PlanForward(problem, {multiprocessors, shared_bytes, takes_tall, kForwardWarps, 1});
}

int64_t ForwardScratchFloats(const ForwardPlan& plan, int32_t motif_count, bool weighted) {
  const ForwardScratch sizes = ScratchOf(plan, kStrands * static_cast<int64_t>(motif_count));
  return (sizes.strip_sums + sizes.group_sums + sizes.carried) * (weighted ? 2 : 1);
}

cudaError_t Forward(const ForwardLaunch& launch, Reduction reduction, const ForwardParams& whole,
                    cudaStream_t stream) {
  const ForwardPlan& plan = launch.plan;
  const bool log_unbound = reduction == Reduction::kLogUnbound;
  const bool weighted = whole.weighted != nullptr;
  const Kernel kernel = whole.motifs.term_count == 2 ? KernelOf<2>(log_unbound, weighted)
                                                     : KernelOf<1>(log_unbound, weighted);
  int resident = 0;
  const cudaError_t asked = ResidentBlocks(kernel, kForwardWarps * kWarp, plan.shared_bytes,
                                           launch.shared_limit, &resident);
  if (asked != cudaSuccess) return asked;
  if (resident < 1) return cudaErrorLaunchOutOfResources;
  ForwardParams params = whole;
  params.slice_tiles = plan.slice_tiles;
  params.warp_positions = WarpPositions(whole.motifs, whole.shape, launch.takes_tall);
  params.tile_uint4s = static_cast<int32_t>(whole.motifs.TileUint4s());
  params.chunk_count = ChunkCount(whole.motifs);
  if (plan.shares_weights) {
    params.weight_rows =
        static_cast<int32_t>(CoveredWindows(whole.shape.window_count, launch.takes_tall));
  }
  const int64_t sequences = whole.shape.sequence_count;
  for (int64_t n = 0; n < sequences; n += plan.chunk_sequences) {
    for (int64_t strip = 0; strip < plan.strips; strip += plan.chunk_strips) {
      params.first_sequence = n;
      params.first_strip = strip;
      params.split =
          SplitForward(plan, whole.motifs.tile_count, min(plan.chunk_sequences, sequences - n),
                       min(plan.chunk_strips, plan.strips - strip));
      const cudaError_t status = RunChunk(launch, kernel, resident, params, stream);
      if (status != cudaSuccess) return status;
    }
  }
  return cudaSuccess;
}

}  // namespace cisreg::gpu
