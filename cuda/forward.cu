// Forward: a warp holds the one-hot windows of a strip of one sequence in registers and passes the
// energies of a slice of motifs by them, which lie in the block's shared memory. Sites exist in
// registers only; each strip's sum is written once for each strand and motif. plan_forward.h says
// who does which part.

#include "forward_conditions.cuh"
#include "run.h"
#include "strip_words.cuh"
#include "sum_rows.cuh"

namespace cisreg::gpu {
namespace {

__device__ __forceinline__ StripWords WordsOf(const ForwardShared& shared) {
  return {shared.first_words, shared.second_words, shared.codes};
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
  const int64_t columns = kStrands * static_cast<int64_t>(params.motifs.motif_count);
  const int64_t conditions = params.shape.conditions.Each(), sets = params.motifs.weight_sets;
#pragma unroll 1
  for (int i = place.first_tile * kTileMotifs + ptx::RecomputeThreadIndex() % kWarp;
       i < place.end_tile * kTileMotifs; i += kWarp) {
    const int32_t at = shared.place[i];
    if (at < 0) continue;
    for (int64_t c = place.row * conditions; c < (place.row + 1) * conditions; ++c) {
      params.bound[c * columns + at] = 0.0f;
      if (params.weighted == nullptr) continue;
      for (int64_t s = c * sets; s < (c + 1) * sets; ++s) params.weighted[s * columns + at] = 0.0f;
    }
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
    if (params.chunk_count > 1) LoadStripWords(WordsOf(shared), chunk, lane, strip);
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
template <int RowTiles, int Terms, bool LogUnbound, bool Weighted, bool Several>
__device__ __forceinline__ void SumStrip(const ForwardParams& params, const ForwardShared& shared,
                                         const ForwardPlace& place, int64_t first, int rows) {
  const PreparedMotifs& motifs = params.motifs;
  const int lane = kRecomputesLane || Several ? ptx::RecomputeThreadIndex() % kWarp : place.lane;
  const int64_t row = place.row * kStrands * motifs.motif_count;
  float* const bound_row = params.bound + row;
  float* const weighted_row = Weighted ? params.weighted + row : nullptr;
  OneHotStrip<RowTiles> strip;
  FillStripWords<RowTiles>(params, WordsOf(shared), place.n, params.shape.first_start + first,
                           lane);
  LoadStripWords(WordsOf(shared), 0, lane, strip);
  if (Several) {
    if (lane == 0) {
      shared.strip->sequence = static_cast<int32_t>(place.n);
      shared.strip->row = static_cast<int32_t>(place.row);
      shared.strip->first = static_cast<int32_t>(first);
      shared.strip->rows = rows;
    }
    __syncwarp();
  }
  for (int i = place.first_tile; i < place.end_tile; ++i) {
    const uint32_t* const steps = shared.steps + i * params.chunk_count;
    float sums[RowTiles][4];
    ScanTile<RowTiles, Terms>(params, shared, shared.energies + i * params.tile_uint4s + lane,
                              steps, lane, strip, sums);
    const float2 offset = reinterpret_cast<const float2*>(shared.offset)[4 * i + (lane & 3)];
    FinishLogOdds(sums, offset, Several ? shared.strip->rows : rows, lane);
    const int tile = place.slice + i * params.split.slice_count;
    if (params.span.edges != nullptr) {
      MaskSites(sums, motifs.sites + tile * kTileMotifs + 2 * (lane & 3), *shared.span, lane);
    }
    const bool shares_division = (steps[0] & kSharesDivision) != 0;
    if constexpr (Several) {
      SumConditions<RowTiles, LogUnbound, Weighted>(params, shared, i, shares_division, sums);
    } else {
      float bound[2] = {}, weighted[2] = {};
      const int own_lane = kRecomputesLane ? ptx::RecomputeThreadIndex() % kWarp : lane;
      SumSites<RowTiles, LogUnbound, Weighted>(
          sums, WeightsAt<Weighted>(params, shared, i, tile, first, rows, own_lane),
          shares_division, bound, weighted);
      const float bound_sum = SumLanes(bound, lane);
      const float weighted_sum = Weighted ? SumLanes(weighted, lane) : 0.0f;
      const int32_t at = lane < kTileMotifs ? shared.place[i * kTileMotifs + lane] : -1;
      if (at >= 0) bound_row[at] = bound_sum;
      if (Weighted && at >= 0) weighted_row[at] = weighted_sum;
    }
  }
  // The next strip's words take the place of this one's.
  __syncwarp();
}

// One strip of a sequence, for some tiles of the slice; a strip that the sequence does not have is
// all zero.
template <int Terms, bool LogUnbound, bool Weighted, bool Several>
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
    SumStrip<kForwardRowTilesShort, Terms, LogUnbound, Weighted, Several>(params, shared, place,
                                                                          strip.first, rows);
  } else if constexpr (kSparse) {
    SumStrip<kForwardRowTiles, Terms, LogUnbound, Weighted, Several>(params, shared, place,
                                                                     strip.first, rows);
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
    SumItem<Terms, LogUnbound, Weighted, false>(params, shared, place,
                                                params.first_strip + item.strip);
    left -= place.end_tile - place.first_tile;
    if (left <= 0) return;
    place.first_tile = 0;
  }
}

// The units of this block in a slice; empty behind its last one.
__device__ __forceinline__ UnitRange UnitsOfBlock(const ForwardParams& params, int slice) {
  const UnitRange whole = SliceUnits(params.split, slice);
  const UnitRange own =
      ShareOf({0, UnitCount(params.split)}, ptx::RecomputeBlockIndex(), gridDim.x);
  return {max(own.begin, whole.begin), min(own.end, whole.end)};
}

__device__ __forceinline__ UnitRange UnitsOfWarp(const ForwardParams& params, int slice) {
  return ShareOf(UnitsOfBlock(params, slice), ptx::RecomputeThreadIndex() / kWarp, kForwardWarps);
}

// SumUnits for several sets or conditions, whose sums leave no registers to keep what is to come:
// that is found again for every item.
template <int Terms, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void SumUnitsOfSeveral(const ForwardParams& params,
                                                  const ForwardShared& shared, int first_slice) {
  volatile StripPlace& strip = *shared.strip;
  if (ptx::RecomputeThreadIndex() % kWarp == 0) {
    const UnitRange units = UnitsOfWarp(params, first_slice);
    const int64_t first = units.begin - SliceUnits(params.split, first_slice).begin;
    strip.slice = first_slice;
    strip.number = static_cast<int32_t>(first / SliceTiles(params.split, first_slice)) - 1;
  }
  for (;;) {
    __syncwarp();
    const int slice = strip.slice, tiles = SliceTiles(params.split, slice);
    const UnitRange units = UnitsOfWarp(params, slice);
    const int64_t number = int64_t{strip.number} + 1;
    const int64_t begin = SliceUnits(params.split, slice).begin + number * tiles;
    if (max(units.begin, begin) >= units.end) return;
    __syncwarp();
    const ForwardItem item = ItemAt(params.split, number);
    ForwardPlace place = {};
    place.slice = slice;
    place.lane = ptx::RecomputeThreadIndex() % kWarp;
    place.first_tile = static_cast<int>(max(units.begin - begin, int64_t{0}));
    place.end_tile = static_cast<int>(min(units.end - begin, static_cast<int64_t>(tiles)));
    place.n = params.first_sequence + item.sequence;
    place.row = item.sequence * params.split.strips + item.strip;
    if (place.lane == 0) strip.number = static_cast<int32_t>(number);
    SumItem<Terms, LogUnbound, Weighted, true>(params, shared, place,
                                               params.first_strip + item.strip);
  }
}

}  // namespace

// `Several`: of sets of position weights, or conditions.
template <int Terms, bool LogUnbound, bool Weighted, bool Several>
__global__ void __launch_bounds__(kForwardWarps* kWarp, 1)
    ForwardKernel(const __grid_constant__ ForwardParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  const int warp = threadIdx.x / kWarp;
  const ForwardShared shared = ShareOut(params, shared_memory, warp);
  if constexpr (Several) {
    const UnitRange own = ShareOf({0, UnitCount(params.split)}, blockIdx.x, gridDim.x);
    for (int slice = SliceOf(params.split, own.begin);; slice = shared.strip->slice + 1) {
      const UnitRange part = UnitsOfBlock(params, slice);
      if (part.begin >= part.end) return;
      CopySlice(params, shared, slice);
      __syncthreads();
      SumUnitsOfSeveral<Terms, LogUnbound, Weighted>(params, shared, slice);
      // The next slice takes the place of this one.
      __syncthreads();
    }
  } else {
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
}

namespace {

// Positions of a strip, plus those that its words read beyond it.
int32_t WarpPositions(const PreparedMotifs& motifs, const ScanShape& shape, bool takes_tall) {
  const bool tall = takes_tall && shape.window_count > kForwardRowTilesShort * kTileWindows;
  return StripPositions(tall ? kForwardRowTiles : kForwardRowTilesShort, motifs.step_count);
}

using Kernel = void (*)(ForwardParams);

template <int Terms, bool Several>
Kernel KernelOf(bool log_unbound, bool weighted) {
  if (log_unbound) {
    return weighted ? ForwardKernel<Terms, true, true, Several>
                    : ForwardKernel<Terms, true, false, Several>;
  }
  return weighted ? ForwardKernel<Terms, false, true, Several>
                  : ForwardKernel<Terms, false, false, Several>;
}

Kernel KernelOf(int terms, bool log_unbound, bool weighted, bool several) {
  if (several) {
    return terms == 2 ? KernelOf<2, true>(log_unbound, weighted)
                      : KernelOf<1, true>(log_unbound, weighted);
  }
  return terms == 2 ? KernelOf<2, false>(log_unbound, weighted)
                    : KernelOf<1, false>(log_unbound, weighted);
}

bool IsSeveral(const PreparedMotifs& motifs, const ScanShape& shape, bool weighted) {
  return shape.conditions.Differ() || (weighted && motifs.weight_sets > 1);
}

// Numbers of a sequence's sums of all sites, and of those with position weights.
struct RowSums {
  int64_t bound, weighted;
};

RowSums RowSumsOf(const PreparedMotifs& motifs, const ScanShape& shape, bool weighted) {
  const int64_t bound =
      shape.conditions.Each() * kStrands * static_cast<int64_t>(motifs.motif_count);
  return {bound, weighted ? bound * motifs.weight_sets : 0};
}

// Where the sums of strips and groups lie in the scratch.
struct Scratch {
  float *strip_sums, *group_sums, *carried;
};

Scratch ScratchAt(float* memory, const ForwardScratch& sizes) {
  return {memory, memory + sizes.strip_sums, memory + sizes.strip_sums + sizes.group_sums};
}

// Adds the sums of the strips of one chunk.
cudaError_t AddStrips(const ForwardLaunch& launch, const ForwardParams& params, float* sums,
                      int64_t columns, const Scratch& scratch, cudaStream_t stream) {
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
  const RowSums columns = RowSumsOf(params.motifs, params.shape, weighted != nullptr);
  const ForwardScratch sizes = ScratchOf(plan, columns.bound);
  const Scratch own = ScratchAt(launch.scratch, sizes);
  // Those of weighted sites lie behind the others.
  const Scratch of_weighted =
      ScratchAt(own.carried + sizes.carried, ScratchOf(plan, columns.weighted));
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
  status = AddStrips(launch, params, bound, columns.bound, own, stream);
  if (status != cudaSuccess || weighted == nullptr) return status;
  return AddStrips(launch, params, weighted, columns.weighted, of_weighted, stream);
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
  const RowSums row_sums = RowSumsOf(motifs, shape, weighted);
  problem.row_sums = row_sums.bound + row_sums.weighted;
  problem.tile_bytes = TileBytes(motifs);
  if (weighted) {
    problem.weight_bytes = motifs.weight_sets * CoveredWindows(shape.window_count, takes_tall) *
                           kTileMotifs * static_cast<int64_t>(sizeof(float));
  }
  problem.keeps_weights = weighted && IsSeveral(motifs, shape, weighted);
  problem.block_bytes = kForwardWarps * WarpBytes(WarpPositions(motifs, shape, takes_tall));
  return PlanForward(problem, {multiprocessors, shared_bytes, takes_tall, kForwardWarps, 1});
}

int64_t ForwardScratchFloats(const ForwardPlan& plan, const PreparedMotifs& motifs,
                             const ScanShape& shape, bool weighted) {
  const RowSums row_sums = RowSumsOf(motifs, shape, weighted);
  const ForwardScratch sizes = ScratchOf(plan, row_sums.bound + row_sums.weighted);
  return sizes.strip_sums + sizes.group_sums + sizes.carried;
}

cudaError_t Forward(const ForwardLaunch& launch, Reduction reduction, const ForwardParams& whole,
                    cudaStream_t stream) {
  const ForwardPlan& plan = launch.plan;
  const bool log_unbound = reduction == Reduction::kLogUnbound;
  const bool weighted = whole.weighted != nullptr;
  const Kernel kernel = KernelOf(whole.motifs.term_count, log_unbound, weighted,
                                 IsSeveral(whole.motifs, whole.shape, weighted));
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
    params.set_rows =
        static_cast<int32_t>(CoveredWindows(whole.shape.window_count, launch.takes_tall));
    params.weight_rows = whole.motifs.weight_sets * params.set_rows;
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
