// Backward: a warp keeps the gradient of both strands of 8 motifs in registers and passes the items
// of its block's share by them: strips of windows, each of one sequence. For each strip it scans
// again, turns log odds into slopes dloss/dlogit, and multiplies the transposed one-hot windows by
// them on tensor cores.
//
// Slopes are split into a high and a low 16-bit term, like energies. They are bfloat16, which has
// the exponent range of float32. Where tensor cores have float16 only, a power of two for each
// motif brings slopes into range. Tensor cores truncate their sums, so every few items the sums
// are moved from registers to shared memory. Each block writes its parts, and a second kernel adds
// the parts in order.

#include <initializer_list>

#include "exclusive_slopes.cuh"
#include "run.h"
#include "slopes.cuh"
#include "span.cuh"

namespace cisreg::gpu {
namespace {

// What sites are bound by, and which of their sums has a gradient.
enum class Law { kExpected, kLogUnbound, kExclusive };

// One step of a chunk of columns, for both tiles of the warp: the operands are the same, and each
// is loaded when it is first needed. The terms of a step come together, so that a low term meets
// larger sums than in the forward kernel; that is exact enough for a gradient.
template <int RowTiles, int Terms, int Step>
__device__ __forceinline__ void ScanStep(float (&log_odds)[kWarpTiles][RowTiles][4],
                                         OneHotStrip<RowTiles>& strip,
                                         const volatile uint32_t* first,
                                         const volatile uint32_t* second, const uint4* energies,
                                         int tile_stride, unsigned steps, int lane) {
  strip.template Load<Step == 0 ? 0 : Step + RowTiles - 1, Step + RowTiles>(first, second, lane);
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    if ((steps & 1u << (u * kChunkSteps + Step)) == 0) continue;
    const uint4* const from = energies + u * tile_stride + Step * Terms * kWarp;
    if (Terms == 2) strip.template Multiply<Step>(log_odds[u], from[kWarp]);
    strip.template Multiply<Step>(log_odds[u], from[0]);
  }
}

// Log2 odds of a group of windows for both tiles of the warp, without concentrations.
template <int RowTiles, int Terms>
__device__ __forceinline__ void ScanGroup(const BackwardParams& params, char* memory,
                                          const GroupPlace& place,
                                          float (&log_odds)[kWarpTiles][RowTiles][4]) {
  const BlockState& state = StateOf(memory);
  const ItemWords words = WordsOf(params.shared, memory, place.index);
  const TileColumns* const columns = state.columns + OwnTile(place.thread);
  const int tile_stride = params.motifs.step_count * Terms * kWarp;
  const uint4* energies = params.motifs.energies +
                          (state.first_tile + OwnTile(place.thread)) * tile_stride + place.lane();
  for (int step = 0; step < params.motifs.step_count; step += kChunkSteps) {
    unsigned steps = 0;
#pragma unroll
    for (int u = 0; u < kWarpTiles; ++u) {
      steps |= StepMask(columns[u].scan_first - step, columns[u].scan_end - step, kChunkSteps)
               << (u * kChunkSteps);
    }
    // Volatile: where the compiler keeps a word for several operands, it copies it into the
    // neighbouring registers of each, which costs as much as reading it again.
    const volatile uint32_t* const first = words.first + place.row0 + step * kStepColumns;
    const volatile uint32_t* const second = words.second + place.row0 + step * kStepColumns;
    OneHotStrip<RowTiles> strip;
    ScanStep<RowTiles, Terms, 0>(log_odds, strip, first, second, energies, tile_stride, steps,
                                 place.lane());
    ScanStep<RowTiles, Terms, 1>(log_odds, strip, first, second, energies, tile_stride, steps,
                                 place.lane());
    ScanStep<RowTiles, Terms, 2>(log_odds, strip, first, second, energies, tile_stride, steps,
                                 place.lane());
    ScanStep<RowTiles, Terms, 3>(log_odds, strip, first, second, energies, tile_stride, steps,
                                 place.lane());
    energies += kChunkSteps * Terms * kWarp;
  }
}

// Slopes of a group of RowTiles tiles of windows and one tile of motifs, packed as operands:
// terms[i] = {high b0, high b1, low b0, low b1} of tile i.
template <int RowTiles, int Terms, Law kLaw, bool Weighted, bool Several>
__device__ __forceinline__ void SlopesOfTile(const BackwardParams& params, char* memory,
                                             const GroupPlace& place, int u,
                                             const float (&log_odds)[RowTiles][4],
                                             uint32_t (&terms)[RowTiles][2 * Terms]) {
  constexpr int kSites = 2 * RowTiles;
  constexpr bool kLogUnbound = kLaw == Law::kLogUnbound;
  BlockState& state = StateOf(memory);
  const bool shares_division = state.columns[OwnTile(place.thread) + u].shares_division != 0;
  float scale[2] = {1.0f, 1.0f};
  if (kScaled) {
    scale[0] = state.scale[place.Motif(u)];
    scale[1] = state.scale[place.Motif(u) + 1];
  }
  float p[2][kSites];
  if constexpr (Several) {
    FindSeveralSlopes<RowTiles, kLogUnbound, Weighted>(params, memory, place, u, shares_division,
                                                       scale, log_odds, p);
  } else if constexpr (kLaw == Law::kExclusive) {
    FindExclusiveSlopes<RowTiles, Weighted>(params, memory, place, u, log_odds, p);
  } else {
    const Upstream upstream = UpstreamOf<Weighted>(state, place, u);
    float q[2][kSites];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float x[kSites];
#pragma unroll
      for (int k = 0; k < kSites; ++k) x[k] = log_odds[k % RowTiles][2 * (k / RowTiles) + h];
      BoundOfSites(shares_division, x, p[h], q[h]);
      if (!Weighted) FindSlopes<kLogUnbound>(scale[h] * upstream.bound[h], q[h], p[h]);
    }
    if constexpr (Weighted) {
      const int row = place.row0 + (place.lane() >> 2);
      float* const weight = WarpWeights(params, memory, place.thread) +
                            (u * params.shared.weight_rows + row) * kTileMotifs +
                            2 * (place.thread & 3);
      FindWeightedSlopes<kLogUnbound>(upstream, scale, weight, WeightGradientsAt(params), q, p);
    }
  }
  if (!Several) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float total = p[h][0];
#pragma unroll
      for (int k = 1; k < kSites; ++k) total += p[h][k];
      state.total[u][h][place.thread] += total;
    }
  }
#pragma unroll
  for (int i = 0; i < RowTiles; ++i) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float even = p[0][i + r * RowTiles], odd = p[1][i + r * RowTiles];
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
template <int RowTiles, int Terms, bool AllRows>
__device__ __forceinline__ void SumRows(float (&sums)[kWarpTiles][kGradientRows][4],
                                        const uint32_t (&terms)[kWarpTiles][RowTiles][2 * Terms],
                                        unsigned trained, const uint32_t* pairs) {
#pragma unroll
  for (int operand = 0; operand < 2 * RowTiles + kGradientRows - 2; ++operand) {
    const uint32_t* const at = pairs + operand * kGradientColumns;
    const uint2 upper = ptx::ReloadPair(at), lower = ptx::ReloadPair(at + 8 * RowTiles);
    const uint32_t a[4] = {upper.x, upper.y, lower.x, lower.y};
#pragma unroll
    for (int i = 0; i < RowTiles; ++i) {
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

// The second product. Row g of an operand is base g % 4 of column 2 (g / 4), row g + 8 that of the
// column behind it, so that both lie in one load.
template <int RowTiles, int Terms>
__device__ __forceinline__ void SumSlopes(
    const BackwardParams& params, char* memory, const GroupPlace& place,
    float (&sums)[kWarpTiles][kGradientRows][4],
    const uint32_t (&terms)[kWarpTiles][RowTiles][2 * Terms]) {
  const int g = place.lane() >> 2, t = place.lane() & 3;
  const uint32_t* const own = WordsOf(params.shared, memory, place.index).pairs +
                              params.column_chunk * kChunkColumns + place.row0 +
                              (g & 3) * params.shared.pair_stride + 2 * t + 2 * (g >> 2);
  const TileColumns* const columns = StateOf(memory).columns + OwnTile(place.thread);
  const int first_row = params.column_chunk * kGradientRows;
  unsigned trained = 0;
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    trained |= StepMask(columns[u].train_first - first_row, columns[u].train_end - first_row,
                        kGradientRows)
               << (u * kGradientRows);
  }
  constexpr unsigned kAll = (1u << (kWarpTiles * kGradientRows)) - 1;
  if (trained == kAll) {
    SumRows<RowTiles, Terms, true>(sums, terms, trained, own);
  } else {
    SumRows<RowTiles, Terms, false>(sums, terms, trained, own);
  }
}

// The bases that make windows of a group count, from those of its first window on.
__device__ __forceinline__ SpanBases SpanOfGroup(const BackwardParams& params, char* memory,
                                                 const GroupPlace& place) {
  const Item& item = ItemAt(memory, place.index);
  return FindSpan(params.span, params.shape, item.sequence,
                  item.strip * params.split.strip_windows() + place.row0);
}

// The scan of a group of windows for both tiles, their slopes, then the second product.
template <int RowTiles, int Terms, Law kLaw, bool Weighted, bool Several>
__device__ __forceinline__ void AddGroup(const BackwardParams& params, char* memory, int index,
                                         int row0, float (&sums)[kWarpTiles][kGradientRows][4]) {
  const GroupPlace place = {index, row0, ptx::RecomputeThreadIndex()};
  if (params.span.edges != nullptr &&
      !SpanOfGroup(params, memory, place).Reaches(0, RowTiles * kTileWindows, params.shape.width)) {
    return;
  }
  float log_odds[kWarpTiles][RowTiles][4];
  uint32_t terms[kWarpTiles][RowTiles][2 * Terms];
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) ClearLogOdds(log_odds[u]);
  ScanGroup<RowTiles, Terms>(params, memory, place, log_odds);
#pragma unroll
  for (int u = 0; u < kWarpTiles; ++u) {
    const float2 offset = *reinterpret_cast<const float2*>(StateOf(memory).offset + place.Motif(u));
    FinishLogOdds(log_odds[u], offset, ItemAt(memory, index).windows - row0, place.lane());
    if (params.span.edges != nullptr) {
      const SiteColumns* const sites =
          params.motifs.sites + StateOf(memory).first_tile * kTileMotifs + place.Motif(u);
      MaskSites(log_odds[u], sites, SpanOfGroup(params, memory, place), place.lane());
    }
    SlopesOfTile<RowTiles, Terms, kLaw, Weighted, Several>(params, memory, place, u, log_odds[u],
                                                           terms[u]);
  }
  SumSlopes<RowTiles, Terms>(params, memory, place, sums, terms);
}

// All groups of windows of an item.
template <int Terms, Law kLaw, bool Weighted, bool Several>
__device__ __forceinline__ void AddItem(const BackwardParams& params, char* memory, int index,
                                        float (&sums)[kWarpTiles][kGradientRows][4]) {
  if (Weighted) TakeStrip(params, memory, ItemAt(memory, index).strip);
  for (int row0 = 0; row0 < ItemAt(memory, index).windows;) {
    const int left = ItemAt(memory, index).windows - row0;
    if (TakesShortGroup((left + kTileWindows - 1) / kTileWindows)) {
      AddGroup<kBackwardRowTilesShort, Terms, kLaw, Weighted, Several>(params, memory, index, row0,
                                                                       sums);
      row0 += kBackwardRowTilesShort * kTileWindows;
    } else {
      AddGroup<kBackwardRowTiles, Terms, kLaw, Weighted, Several>(params, memory, index, row0,
                                                                  sums);
      row0 += kBackwardRowTiles * kTileWindows;
    }
  }
  if (Several && params.item_totals != nullptr && params.column_chunk == 0) {
    WriteItemTotals(params, memory, index);
  }
  KeepSums(params, memory, index, sums);
}

// Asks for the upstream gradients of an item, and keeps them.
template <bool Weighted, bool Several>
__device__ __forceinline__ void AskUpstream(const BackwardParams& params, char* memory, int index,
                                            Ahead& ahead) {
  const int64_t sequence = ItemAt(memory, index).sequence;
  if constexpr (Several) {
    AskUpstreamRows<Weighted>(params, memory, index, sequence, ahead);
  } else {
    AskUpstream<Weighted>(params, StateOf(memory), sequence, ahead);
  }
}

template <bool Weighted, bool Several>
__device__ __forceinline__ void KeepUpstream(const BackwardParams& params, char* memory, int index,
                                             const Ahead& ahead) {
  if constexpr (Several) {
    KeepUpstreamRows(params, memory, index, ahead);
  } else {
    KeepUpstream<Weighted>(StateOf(memory), index, ahead);
  }
}

// Everything that a segment needs before its first item.
template <bool Weighted, bool Several>
__device__ __forceinline__ void BeginSegment(const BackwardParams& params, char* memory) {
  BlockState& state = StateOf(memory);
  CopyTiles(params, state);
  for (int i = 0; i < 2 && i < state.count; ++i) {
    FillCodes(params, state.items[i], WordsOf(params.shared, memory, i), threadIdx.x);
  }
  __syncthreads();
  FillWords(params, state.items[0], WordsOf(params.shared, memory, 0));
  Ahead ahead;
  AskUpstream<Weighted, Several>(params, memory, 0, ahead);
  KeepUpstream<Weighted, Several>(params, memory, 0, ahead);
  __syncthreads();
}

// The warp whose turn it is to find an item: each of 1, 2 or 4 warps.
__device__ __forceinline__ unsigned TurnOf(int warps, int index) {
  return index & (warps == kBackwardWarps ? kBackwardWarps - 1 : warps / 2);
}

// All items of a segment.
template <int Terms, Law kLaw, bool Weighted, bool Several>
__device__ __forceinline__ void AddSegment(const BackwardParams& params, char* memory) {
  BlockState& state = StateOf(memory);
  float sums[kWarpTiles][kGradientRows][4] = {};
  for (int index = 0; index < state.count; ++index) {
    Ahead ahead = {};
    const bool has_next = index + 1 < state.count, has_codes = index + 2 < state.count;
    if (has_codes) {
      AskCodes(params, ItemAt(memory, index + 2), WordsOf(params.shared, memory, index), ahead);
    }
    if (has_next) {
      AskUpstream<Weighted, Several>(params, memory, index + 1, ahead);
      FillWords(params, ItemAt(memory, index + 1), WordsOf(params.shared, memory, index + 1));
    }
    if (index + 3 < state.count && threadIdx.x == TurnOf(params.split.warps, index) * kWarp) {
      state.items[(index + 3) & (kItemSlots - 1)] =
          NextItem<Weighted>(params, ItemAt(memory, index + 2));
    }
    if (HasTiles(params, memory)) {
      AddItem<Terms, kLaw, Weighted, Several>(params, memory, index, sums);
    }
    if (has_codes) KeepCodes(params, WordsOf(params.shared, memory, index), ahead);
    if (has_next) KeepUpstream<Weighted, Several>(params, memory, index + 1, ahead);
    __syncthreads();
  }
  if (Weighted && params.column_chunk == 0 && HasTiles(params, memory)) {
    WriteWeights(params, memory, state.weight_strip[threadIdx.x / kWarp]);
  }
}

// A block's share of the work.
template <int Terms, Law kLaw, bool Weighted, bool Several>
__device__ __forceinline__ void AddShare(const BackwardParams& params, char* memory) {
  BlockState& state = StateOf(memory);
  if (threadIdx.x == 0) state.at = params.split.shares.Begin(blockIdx.x);
  for (;;) {
    if (threadIdx.x == 0) FindSegment<Weighted>(params, state);
    __syncthreads();
    if (state.count == 0) return;
    BeginSegment<Weighted, Several>(params, memory);
    AddSegment<Terms, kLaw, Weighted, Several>(params, memory);
    __syncthreads();
  }
}

// Whether registers are held to what kBackwardBlocks leave each.
constexpr bool kBounded = kSparse && CISREG_CUDA_ARCH < kUnboundedCapability * 10;

}  // namespace

// `Several`: of sets of position weights, or conditions.
template <int Terms, bool LogUnbound, bool Weighted, bool Several>
__global__ void __launch_bounds__(kGradientThreads, kBounded && !Weighted && !Several
                                                        ? kBackwardBlocks
                                                        : kBackwardBlocksUnbounded)
    GradientKernel(const __grid_constant__ BackwardParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  AddShare<Terms, LogUnbound ? Law::kLogUnbound : Law::kExpected, Weighted, Several>(params,
                                                                                     shared_memory);
}

// Of sites that exclude each other.
template <bool Weighted>
__global__ void __launch_bounds__(kGradientThreads, kBackwardBlocksUnbounded)
    ExclusiveGradientKernel(const __grid_constant__ BackwardParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  AddShare<2, Law::kExclusive, Weighted, false>(params, shared_memory);
}

namespace {

using Kernel = void (*)(BackwardParams);

template <int Terms, bool Several>
Kernel KernelOf(Reduction reduction, bool weighted) {
  if (reduction == Reduction::kLogUnbound) {
    return weighted ? GradientKernel<Terms, true, true, Several>
                    : GradientKernel<Terms, true, false, Several>;
  }
  return weighted ? GradientKernel<Terms, false, true, Several>
                  : GradientKernel<Terms, false, false, Several>;
}

Kernel KernelOf(int terms, Reduction reduction, bool weighted, bool several) {
  if (several) {
    return terms == 2 ? KernelOf<2, true>(reduction, weighted)
                      : KernelOf<1, true>(reduction, weighted);
  }
  return terms == 2 ? KernelOf<2, false>(reduction, weighted)
                    : KernelOf<1, false>(reduction, weighted);
}

// The shares are those of the largest of `kernels`.
cudaError_t PlanShares(const BackwardProblem& problem, int multiprocessors,
                       std::initializer_list<Kernel> kernels, BackwardSplit* split,
                       BackwardShared* shared) {
  *split = SplitBackward(problem, kStateBytes);
  *shared = ShareBackward(problem, *split, kStateBytes);
  if (shared->total > problem.shared_limit) return cudaSuccess;
  int fewest = 0;
  for (const Kernel kernel : kernels) {
    int blocks = 0;
    const cudaError_t status =
        ResidentBlocks(kernel, split->warps * kWarp, shared->total, problem.shared_limit, &blocks);
    if (status != cudaSuccess) return status;
    if (fewest == 0 || blocks < fewest) fewest = blocks;
  }
  DivideBackward(static_cast<int64_t>(multiprocessors) * (fewest > 0 ? fewest : 1), split);
  return cudaSuccess;
}

cudaError_t RunShares(Kernel kernel, const BackwardParams& params, int64_t shared_limit,
                      cudaStream_t stream) {
  const BackwardSplit& split = params.split;
  BackwardParams of_chunk = params;
  for (int chunk = 0; split.shares.count > 0 && chunk < split.column_chunks; ++chunk) {
    of_chunk.column_chunk = chunk;
    const cudaError_t status =
        Run(kernel, dim3(static_cast<unsigned>(split.shares.count)), split.warps * kWarp,
            params.shared.total, stream, of_chunk, shared_limit);
    if (status != cudaSuccess) return status;
  }
  return Finish(params, stream);
}

}  // namespace

cudaError_t PlanBackward(const BackwardProblem& problem, int multiprocessors, BackwardSplit* split,
                         BackwardShared* shared) {
  // The workspace is the same for both reductions.
  const auto kernel = [&](Reduction reduction) {
    return KernelOf(problem.term_count, reduction, problem.weight_sets > 0, problem.several);
  };
  return PlanShares(problem, multiprocessors,
                    {kernel(Reduction::kExpected), kernel(Reduction::kLogUnbound)}, split, shared);
}

cudaError_t Backward(Reduction reduction, const BackwardParams& params, int64_t shared_limit,
                     cudaStream_t stream) {
  const Kernel kernel =
      KernelOf(params.motifs.term_count, reduction, params.weighted_gradient != nullptr,
               params.shared.upstream_rows > 0);
  return RunShares(kernel, params, shared_limit, stream);
}

cudaError_t PlanExclusiveBackward(const BackwardProblem& problem, int multiprocessors,
                                  BackwardSplit* split, BackwardShared* shared) {
  return PlanShares(
      problem, multiprocessors,
      {problem.weight_sets > 0 ? ExclusiveGradientKernel<true> : ExclusiveGradientKernel<false>},
      split, shared);
}

cudaError_t ExclusiveBackward(const BackwardParams& params, int64_t shared_limit,
                              cudaStream_t stream) {
  return RunShares(params.weighted_gradient != nullptr ? ExclusiveGradientKernel<true>
                                                       : ExclusiveGradientKernel<false>,
                   params, shared_limit, stream);
}

}  // namespace cisreg::gpu
