// Forward: a warp holds the one-hot windows of one sequence in registers and passes the energies of
// a slice of motifs by them, which lie in shared memory for as long as the block lives. Sites exist
// in registers only; sums over windows are written once for each sequence, strand and motif.

#include "forward.cuh"
#include "law.cuh"
#include "run.h"
#include "span.cuh"

namespace cisreg::gpu {
namespace {

// Layout of a block's shared memory: the slice's energies, its small tables, and each warp's part
// of its sequence.
struct ForwardShared {
  uint4* energies;
  TileColumns* columns;
  float* offset;
  uint32_t* first_words;
  uint32_t* second_words;
  uint8_t* codes;
  SpanBases* span;  // behind the codes, which leave three quarters of their place
};

__host__ __device__ constexpr int64_t WarpBytes(int64_t positions) {
  return positions * (2 * sizeof(uint32_t) + sizeof(uint32_t));
}

__host__ __device__ inline int64_t TileBytes(const PreparedMotifs& motifs) {
  return motifs.TileUint4s() * sizeof(uint4) + sizeof(TileColumns) + kTileMotifs * sizeof(float);
}

__device__ __forceinline__ ForwardShared ShareOut(const ForwardParams& params, char* memory,
                                                  int warp) {
  ForwardShared shared;
  shared.energies = reinterpret_cast<uint4*>(memory);
  shared.offset =
      reinterpret_cast<float*>(shared.energies + params.slice_tiles * params.motifs.TileUint4s());
  shared.columns = reinterpret_cast<TileColumns*>(shared.offset + params.slice_tiles * kTileMotifs);
  char* const own = reinterpret_cast<char*>(shared.columns + params.slice_tiles) +
                    warp * WarpBytes(params.warp_positions);
  shared.first_words = reinterpret_cast<uint32_t*>(own);
  shared.second_words = shared.first_words + params.warp_positions;
  shared.codes = reinterpret_cast<uint8_t*>(shared.second_words + params.warp_positions);
  shared.span = reinterpret_cast<SpanBases*>(shared.second_words + 2 * params.warp_positions) - 1;
  return shared;
}

// Copies the slice [first, first + count) of the prepared motifs to shared memory.
__device__ __forceinline__ void CopySlice(const ForwardParams& params, const ForwardShared& shared,
                                          int first, int count) {
  const PreparedMotifs& motifs = params.motifs;
  const uint4* const from = motifs.energies + first * motifs.TileUint4s();
  const int64_t numbers = count * motifs.TileUint4s();
  for (int64_t i = threadIdx.x; i < numbers; i += blockDim.x) shared.energies[i] = from[i];
  for (int i = threadIdx.x; i < count * kTileMotifs; i += blockDim.x) {
    shared.offset[i] = motifs.offset[first * kTileMotifs + i];
  }
  for (int i = threadIdx.x; i < count; i += blockDim.x) {
    shared.columns[i] = motifs.columns[first + i];
  }
}

// The words of a strip that begins at `start` of a sequence.
__device__ __forceinline__ void FillWords(const ForwardParams& params, const ForwardShared& shared,
                                          const uint8_t* sequence, int64_t start, int lane) {
  const int positions = params.warp_positions;
  for (int i = lane; i < positions; i += kWarp) {
    shared.codes[i] = CodeAt(sequence, params.shape.length, start + i);
  }
  __syncwarp();
  for (int i = lane; i < positions - kWordReach; i += kWarp) {
    shared.first_words[i] = FirstWord(shared.codes, i);
    shared.second_words[i] = SecondWord(shared.codes, i);
  }
  __syncwarp();
}

// Position weights of the lane's rows of a strip, of one motif; 0 behind the last window.
struct RowWeights {
  const float* first;
  int row, rows;

  __device__ __forceinline__ float operator()(int k) const {
    return row + 8 * k < rows ? first[8 * k * kTileMotifs] : 0.0f;
  }
};

// Sums over the strip's windows, of the lane's own rows: motifs 2t and 2t + 1 of the tile.
template <int Tall, bool LogUnbound, bool Weighted>
__device__ __forceinline__ void SumSites(const float (&log_odds)[Tall][4], const float* weight,
                                         int rows, bool shares_division, int lane,
                                         float (&bound)[2], float (&weighted)[2]) {
  const int row = lane >> 2;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float x[2 * Tall];
#pragma unroll
    for (int k = 0; k < 2 * Tall; ++k) x[k] = log_odds[k % Tall][2 * (k / Tall) + h];
    const RowWeights weights = {weight + row * kTileMotifs + 2 * (lane & 3) + h, row,
                                Weighted ? rows : 0};
    bound[h] = weighted[h] = 0.0f;
    if (shares_division) {
      SumShared<LogUnbound, Weighted>(x, weights, bound[h], weighted[h]);
    } else {
      SumAny<LogUnbound, Weighted>(x, weights, bound[h], weighted[h]);
    }
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

// Writes one tile's sums, or adds them to those of the sequence's windows before.
__device__ __forceinline__ void WriteSum(float* to, int32_t motif, float sum, bool first_strip) {
  if (motif < 0) return;
  to[motif] = first_strip ? sum : to[motif] + sum;
}

}  // namespace

template <int Tall, int Terms, bool LogUnbound, bool Weighted>
__global__ void __launch_bounds__((Weighted ? kForwardWarpsWeighted : kForwardWarps) * kWarp, 1)
    ForwardKernel(const __grid_constant__ ForwardParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  // Without sparse products, tall strips are not launched.
  if constexpr (!kSparse && Tall > kForwardShort) return;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const PreparedMotifs& motifs = params.motifs;
  const ForwardShared shared = ShareOut(params, shared_memory, warp);
  const int first_tile = blockIdx.y * params.slice_tiles;
  const int tiles = min(params.slice_tiles, motifs.tile_count - first_tile);
  CopySlice(params, shared, first_tile, tiles);
  __syncthreads();

  const int64_t windows = params.shape.window_count;
  constexpr int kWarps = Weighted ? kForwardWarpsWeighted : kForwardWarps;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kWarps;
  OneHotStrip<Tall> strip;
  constexpr int kOperands = OneHotStrip<Tall>::kOperands;
  for (int64_t n = blockIdx.x * static_cast<int64_t>(kWarps) + warp;
       n < params.shape.sequence_count; n += stride) {
    const uint8_t* const sequence = params.sequence + n * params.shape.length;
    // A sequence without windows has a strip all the same: its sums are 0.
    for (int64_t first = 0; first == 0 || first < windows; first += Tall * kTileWindows) {
      const int rows =
          static_cast<int>(min(windows - first, static_cast<int64_t>(Tall * kTileWindows)));
      if (params.span.edges != nullptr) {
        const SpanBases span = FindSpan(params.span, params.shape, n, first);
        // The first strip writes the sums, even if they are 0.
        if (first > 0 && !span.Reaches(0, rows, params.shape.width)) continue;
        if (lane == 0) *shared.span = span;
      }
      FillWords(params, shared, sequence, params.shape.first_start + first, lane);
      strip.template Load<0, kOperands>(shared.first_words, shared.second_words, lane);
      for (int i = 0; i < tiles; ++i) {
        const TileColumns columns = shared.columns[i];
        const float2 offset = reinterpret_cast<const float2*>(shared.offset)[4 * i + (lane & 3)];
        float sums[Tall][4];
        ClearLogOdds(sums);
        const uint4* const energies = shared.energies + i * motifs.TileUint4s();
        for (int step = 0; step < motifs.step_count; step += kChunkSteps) {
          // A single chunk of columns stays in registers for all tiles.
          if (motifs.step_count > kChunkSteps) {
            strip.template Load<0, kOperands>(shared.first_words + step * kStepColumns,
                                              shared.second_words + step * kStepColumns, lane);
          }
          ScanChunk<Tall, Terms>(sums, strip, energies + step * Terms * kWarp, columns, step, lane);
        }
        FinishLogOdds(sums, offset, rows, lane);
        const int tile = first_tile + i;
        if (params.span.edges != nullptr) {
          MaskSites(sums, motifs.sites + tile * kTileMotifs + 2 * (lane & 3), *shared.span, lane);
        }
        const float* const weight =
            motifs.weight + (Weighted ? (tile * windows + first) * kTileMotifs : 0);
        float bound[2], weighted[2];
        SumSites<Tall, LogUnbound, Weighted>(sums, weight, rows, columns.shares_division != 0, lane,
                                             bound, weighted);
        const float bound_sum = SumLanes(bound, lane);
        const float weighted_sum = Weighted ? SumLanes(weighted, lane) : 0.0f;
        if (lane >= kTileMotifs) continue;
        const int place = tile / 2 * kTileMotifs + 2 * (lane & 3) + (lane >> 2);
        const int32_t motif = motifs.motif_at[place];
        const int64_t at = (n * kStrands + tile % 2) * motifs.motif_count;
        WriteSum(params.bound + at, motif, bound_sum, first == 0);
        if (Weighted) WriteSum(params.weighted + at, motif, weighted_sum, first == 0);
      }
      // The next strip's words take the place of this one's.
      __syncwarp();
    }
  }
}

namespace {

constexpr int ForwardWarps(bool weighted) {
  return weighted ? kForwardWarpsWeighted : kForwardWarps;
}

// The strip height that wastes fewer rows.
int TallFor(int64_t windows, int compute_capability) {
  if (compute_capability < kSparseCapability) return kForwardShort;
  const auto covered = [windows](int tall) {
    const int64_t rows = tall * kTileWindows;
    return (windows + rows - 1) / rows * rows;
  };
  return covered(kForwardTall) <= covered(kForwardShort) ? kForwardTall : kForwardShort;
}

template <int Tall, int Terms>
cudaError_t RunForward(const ForwardPlan& plan, Reduction reduction, const ForwardParams& params,
                       cudaStream_t stream) {
  const bool log_unbound = reduction == Reduction::kLogUnbound;
  const bool weighted = params.weighted != nullptr;
  const auto kernel = log_unbound ? (weighted ? ForwardKernel<Tall, Terms, true, true>
                                              : ForwardKernel<Tall, Terms, true, false>)
                                  : (weighted ? ForwardKernel<Tall, Terms, false, true>
                                              : ForwardKernel<Tall, Terms, false, false>);
  return Run(kernel, plan.grid, ForwardWarps(weighted) * kWarp, plan.shared_bytes, stream, params,
             plan.shared_limit);
}

}  // namespace

ForwardPlan PlanForward(const PreparedMotifs& motifs, const ScanShape& shape,
                        int compute_capability, int multiprocessors, int64_t shared_bytes) {
  ForwardPlan plan = {};
  plan.tall = TallFor(shape.window_count, compute_capability);
  plan.warp_positions = StripPositions(plan.tall, motifs.step_count);
  const int warps = ForwardWarps(motifs.weight != nullptr);
  const int64_t own_bytes = warps * WarpBytes(plan.warp_positions);
  const int64_t fitting = (shared_bytes - own_bytes) / TileBytes(motifs);
  if (own_bytes > shared_bytes || fitting < 1) return plan;
  const auto slices_of = [&](int64_t tiles) { return (motifs.tile_count + tiles - 1) / tiles; };
  const int64_t sequence_blocks = (shape.sequence_count + warps - 1) / warps;
  // Few sequences: more and smaller slices keep all multiprocessors busy.
  int64_t slices = slices_of(fitting);
  const int64_t wanted = sequence_blocks > 0 ? multiprocessors / sequence_blocks : 1;
  if (slices < wanted) slices = wanted < motifs.tile_count ? wanted : motifs.tile_count;
  plan.slice_tiles = static_cast<int>((motifs.tile_count + slices - 1) / slices);
  plan.grid.y = static_cast<unsigned>(slices_of(plan.slice_tiles));
  // Blocks are persistent: each processes one sequence after the other.
  const int64_t resident = multiprocessors / plan.grid.y > 0 ? multiprocessors / plan.grid.y : 1;
  plan.grid.x = static_cast<unsigned>(sequence_blocks < resident ? sequence_blocks : resident);
  plan.grid.z = 1;
  plan.shared_limit = shared_bytes;
  plan.shared_bytes = plan.slice_tiles * TileBytes(motifs) + own_bytes;
  return plan;
}

cudaError_t Forward(const ForwardPlan& plan, Reduction reduction, const ForwardParams& params,
                    cudaStream_t stream) {
  if (params.motifs.term_count == 2) {
    return plan.tall == kForwardTall
               ? RunForward<kForwardTall, 2>(plan, reduction, params, stream)
               : RunForward<kForwardShort, 2>(plan, reduction, params, stream);
  }
  return plan.tall == kForwardTall ? RunForward<kForwardTall, 1>(plan, reduction, params, stream)
                                   : RunForward<kForwardShort, 1>(plan, reduction, params, stream);
}

}  // namespace cisreg::gpu
