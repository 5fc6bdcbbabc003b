// Backward: a warp keeps the gradient of both strands of 8 motifs in registers and passes all
// sequences of a slice by them. For each strip of windows it scans again, turns log odds into
// slopes dloss/dlogit, and multiplies the transposed one-hot windows by them on tensor cores.
//
// Slopes are split into a high and a low 16-bit term, like energies. They are bfloat16, which has
// the exponent range of float32. Where tensor cores have float16 only, a power of two for each
// motif brings slopes into range. Tensor cores truncate their sums, so every few sequences the sums
// are moved from registers to shared memory. Each block writes its part, and a second kernel adds
// the parts in order.

#include "gradient_block.cuh"
#include "law.cuh"
#include "run.h"
#include "span.cuh"

namespace cisreg::gpu {
namespace {

// Upstream gradients of one sequence, for the lane's motifs of one tile.
struct Upstream {
  float bound[2];
  float weighted[2];
};

template <bool Weighted>
__device__ __forceinline__ Upstream LoadUpstream(const BackwardParams& params,
                                                 const WarpTiles& tiles, int index, int u) {
  const int64_t n = FirstSequence(params) + index;
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
// terms[i] = {high b0, high b1, low b0, low b1} of tile i.
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
    for (int k = 0; k < 2 * Tall; ++k) x[k] = log_odds[k % Tall][2 * (k / Tall) + h];
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
      log_odds[k % Tall][2 * (k / Tall) + h] = slope;
    }
    tiles.total[(2 * u + h) * kGradientThreads] += total;
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

// sums[u][m] += (columns 4 m to 4 m + 3, four bases each) x (windows) * slopes, for the rows of
// columns whose bits are set: m of the first tile, kGradientRows + m of the second. The operand of
// tile i and row m is that of all with the same 2 i + m, so one load serves up to 4 products.
template <int Tall, int Terms, bool AllRows>
__device__ __forceinline__ void SumRows(float (&sums)[kWarpTiles][kGradientRows][4],
                                        const uint32_t (&terms)[kWarpTiles][Tall][2 * Terms],
                                        unsigned trained, const uint32_t* pairs) {
#pragma unroll
  for (int operand = 0; operand < 2 * Tall + kGradientRows - 2; ++operand) {
    const uint32_t* const at = pairs + operand * kGradientColumns;
    const uint32_t a[4] = {at[0], at[2], at[8 * Tall], at[8 * Tall + 2]};
#pragma unroll
    for (int i = 0; i < Tall; ++i) {
      const int m = operand - 2 * i;
      if (m < 0 || m >= kGradientRows) continue;
#pragma unroll
      for (int u = 0; u < kWarpTiles; ++u) {
        if (!AllRows && (trained & 1u << (u * kGradientRows + m)) == 0) continue;
        if (Terms == 2) {
          MultiplySlopes(sums[u][m], a, terms[u][i][2 * Terms - 2], terms[u][i][2 * Terms - 1]);
        }
        MultiplySlopes(sums[u][m], a, terms[u][i][0], terms[u][i][1]);
      }
    }
  }
}

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
  constexpr unsigned kAll = (1u << (kWarpTiles * kGradientRows)) - 1;
  if (trained == kAll) {
    SumRows<Tall, Terms, true>(sums, terms, trained, own);
  } else {
    SumRows<Tall, Terms, false>(sums, terms, trained, own);
  }
}

// The bases that make windows count, from those of the group's first window on.
__device__ __forceinline__ SpanBases SpanOfGroup(const BackwardParams& params, int index,
                                                 int row0) {
  return FindSpan(params.span, params.shape, FirstSequence(params) + index,
                  FirstWindow(params) + row0);
}

// Scan and slopes of one sequence's group of windows, for one tile.
template <int Tall, int Terms, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void ScanGroup(const BackwardParams& params, char* memory, int index,
                                          int row0, int u, uint32_t (&terms)[Tall][2 * Terms]) {
  const int thread = ptx::ThreadAnew(), lane = thread % kWarp;
  const SequenceWords words = WordsAt(params.shared, memory, index % 2);
  const WarpTiles tiles = FindTiles<Weighted>(params, memory, thread);
  float log_odds[Tall][4];
  ClearLogOdds(log_odds);
  const uint4* const energies = tiles.energies + u * params.motifs.TileUint4s();
  for (int step = 0; step < params.motifs.step_count; step += kChunkSteps) {
    const int at = row0 + step * kStepColumns;
    ScanChunkBriefly<Tall, Terms>(log_odds, words.first + at, words.second + at,
                                  energies + step * Terms * kWarp, tiles.columns[u], step, lane);
  }
  const float2 offset = *reinterpret_cast<const float2*>(tiles.offset + u * kTileMotifs);
  FinishLogOdds(log_odds, offset, StripWindows(params) - row0, lane);
  if (params.span.edges != nullptr) {
    MaskSites(log_odds, tiles.sites + u * kTileMotifs, SpanOfGroup(params, index, row0), lane);
  }
  const Upstream upstream = LoadUpstream<Weighted>(params, tiles, index, u);
  FindSlopes<Tall, Terms, LogUnbound, Weighted>(log_odds, tiles, u, upstream, row0,
                                                StripWindows(params), lane, terms);
}

// The scan of a group of windows for both tiles, then the second product. 64 registers hold sums,
// so other values are recomputed for each part instead of kept.
template <int Tall, int Terms, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void AddGroup(const BackwardParams& params, char* memory, int index,
                                         int row0, float (&sums)[kWarpTiles][kGradientRows][4]) {
  if (params.span.edges != nullptr &&
      !SpanOfGroup(params, index, row0).Reaches(0, Tall * kTileWindows, params.shape.width)) {
    return;
  }
  uint32_t terms[kWarpTiles][Tall][2 * Terms];
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    ScanGroup<Tall, Terms, LogUnbound, Weighted>(params, memory, index, row0, u, terms[u]);
  }
  const int thread = ptx::ThreadAnew();
  const SequenceWords words = WordsAt(params.shared, memory, index % 2);
  SumSlopes<Tall, Terms>(sums, terms, FindTiles<false>(params, memory, thread).columns,
                         words.pairs + params.column_chunk * kChunkColumns + row0,
                         params.shared.pair_stride, params.column_chunk * kGradientRows,
                         thread % kWarp);
}

// The group size that leaves the fewest tiles empty.
__device__ __forceinline__ bool TakesShort(int tiles_left) {
  return tiles_left <= 3 || tiles_left == 5 || tiles_left == 6;
}

}  // namespace

template <int Terms, bool LogUnbound, bool Weighted>
__global__ void __launch_bounds__(kGradientThreads, kSparse && !Weighted ? kBackwardBlocks : 2)
    GradientKernel(const __grid_constant__ BackwardParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  const int lane = threadIdx.x % kWarp;
  const BackwardShared& shared = params.shared;
  CopyTiles(params, BlockTilesAt(shared, shared_memory));
  ClearSums<Weighted>(FindTiles<Weighted>(params, shared_memory, threadIdx.x), lane);
  float sums[kWarpTiles][kGradientRows][4] = {};

  // Codes are read two sequences ahead, words are made one ahead.
  for (int index = 0; index < 2 && index < SliceSequences(params); ++index) {
    FillCodes(params, WordsAt(shared, shared_memory, index), index);
  }
  __syncthreads();
  FillSequenceWords(shared, WordsAt(shared, shared_memory, 0));
  __syncthreads();
  for (int index = 0; index < SliceSequences(params); ++index) {
    if (index + 2 < SliceSequences(params)) {
      FillCodes(params, WordsAt(shared, shared_memory, index % 2), index + 2);
    }
    if (index + 1 < SliceSequences(params)) {
      FillSequenceWords(shared, WordsAt(shared, shared_memory, 1 - index % 2));
    }
    for (int row0 = 0; HasTiles(params) && row0 < StripWindows(params);) {
      if (TakesShort((StripWindows(params) - row0 + kTileWindows - 1) / kTileWindows)) {
        AddGroup<kBackwardShort, Terms, LogUnbound, Weighted>(params, shared_memory, index, row0,
                                                              sums);
        row0 += kBackwardShort * kTileWindows;
      } else {
        AddGroup<kBackwardTall, Terms, LogUnbound, Weighted>(params, shared_memory, index, row0,
                                                             sums);
        row0 += kBackwardTall * kTileWindows;
      }
    }
    const int since = index % params.cut.sum_sequences;
    if (HasTiles(params) &&
        (since + 1 == params.cut.sum_sequences || index + 1 == SliceSequences(params))) {
      MoveSums(params, shared_memory, index < params.cut.sum_sequences, sums);
    }
    __syncthreads();
  }
  if (!HasTiles(params)) return;
  WriteSums(params, shared_memory);
  if (params.column_chunk != 0) return;
  const WarpTiles tiles = FindTiles<Weighted>(params, shared_memory, threadIdx.x);
  WriteTotals(params, tiles, lane);
  if (Weighted) WriteWeights(params, tiles, lane);
}

BackwardShared ShareBackward(const BackwardCut& cut, int step_count, bool weighted) {
  BackwardShared shared = {};
  shared.positions = StripPositions(cut.strip_tiles, step_count);
  // Groups may reach over the strip's end.
  shared.positions += kBackwardTall * kTileWindows;
  // A stride of 8 modulo 32 spreads the four bases over all banks.
  shared.pair_stride = (shared.positions + 31) / 32 * 32 + 8;
  const int64_t words = 2 * shared.positions + kBases * shared.pair_stride;
  shared.sequence_bytes =
      (words * static_cast<int64_t>(sizeof(uint32_t)) + shared.positions + 15) / 16 * 16;
  if (cut.moves_to_shared) {
    shared.sums_bytes =
        static_cast<int64_t>(kGradientThreads) * kWarpTiles * kTileSums * sizeof(float);
  }
  shared.tiles_bytes = sizeof(BlockTiles);
  if (weighted) {
    shared.weight_bytes = static_cast<int64_t>(kBlockTiles) * cut.strip_tiles * kTileWindows *
                          kTileMotifs * sizeof(float);
  }
  return shared;
}

BackwardCut CutBackward(const PreparedMotifs& motifs, const ScanShape& shape,
                        int compute_capability, int multiprocessors, int64_t shared_bytes) {
  BackwardCut cut = {};
  const bool small = compute_capability < kSparseCapability;
  cut.moves_to_shared = shared_bytes >= kSharedForSums ? 1 : 0;
  const int64_t tiles = (shape.window_count + kTileWindows - 1) / kTileWindows;
  const int64_t most = small ? kBackwardTilesSmall : kBackwardTiles;
  const int64_t strips = tiles > 0 ? (tiles + most - 1) / most : 1;
  cut.strip_tiles = static_cast<int32_t>(tiles > 0 ? (tiles + strips - 1) / strips : 1);
  cut.strip_count = static_cast<int32_t>(strips);
  cut.column_chunks = motifs.step_count / kChunkSteps;
  const int32_t products = cut.strip_tiles * motifs.term_count;
  cut.sum_sequences = products < kProductsPerSum ? kProductsPerSum / products : 1;
  // As many slices as fill the device once, but at least kLeastSequences sequences in each.
  const int64_t blocks = (motifs.tile_count + kBlockTiles - 1) / kBlockTiles * strips;
  const int64_t slots = static_cast<int64_t>(multiprocessors) * kBackwardBlocks;
  int64_t slices = slots / blocks > 1 ? slots / blocks : 1;
  const int64_t worth = (shape.sequence_count + kLeastSequences - 1) / kLeastSequences;
  if (slices > worth) slices = worth > 1 ? worth : 1;
  cut.slice_sequences = (shape.sequence_count + slices - 1) / slices;
  if (cut.slice_sequences < 1) cut.slice_sequences = 1;
  // Nothing to scan: there are no parts, and all sums are 0.
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
                  cut.strip_count);
  BackwardParams of_chunk = params;
  for (int chunk = 0; chunk < cut.column_chunks; ++chunk) {
    of_chunk.column_chunk = chunk;
    const cudaError_t status = Run(kernel, grid, kGradientThreads, params.shared.total(), stream,
                                   of_chunk, params.shared.limit);
    if (status != cudaSuccess) return status;
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t Backward(Reduction reduction, const BackwardParams& params, cudaStream_t stream) {
  const PreparedMotifs& motifs = params.motifs;
  if (params.cut.slice_count > 0) {
    const cudaError_t status = motifs.term_count == 2 ? RunGradient<2>(reduction, params, stream)
                                                      : RunGradient<1>(reduction, params, stream);
    if (status != cudaSuccess) return status;
  }
  return Finish(params, stream);
}

}  // namespace cisreg::gpu
