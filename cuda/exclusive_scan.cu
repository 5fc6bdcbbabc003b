// Both scans of sites that exclude each other. A warp passes tiles of motifs by a strip of windows
// of one sequence, as the forward kernel does; sites exist in registers alone.

#include "exclusive.cuh"
#include "exclusive_law.cuh"
#include "run.h"
#include "span.cuh"
#include "strip_sums.cuh"
#include "strip_words.cuh"

namespace cisreg::gpu {
namespace {

constexpr int kRowTiles = kExclusiveRowTiles;
constexpr int kSites = 2 * kRowTiles;
constexpr int kRows = kRowTiles * kTileWindows;
constexpr int kThreads = kExclusiveWarps * kWarp;
constexpr int kGroupThreads = 128;
static_assert(kSites == 8, "AddToGroup deals a group's rows to the lanes");

// The warp's words in shared memory. Codes take a quarter of a word each.
__device__ __forceinline__ StripWords WordsOf(const PreparedMotifs& motifs, char* memory) {
  const int positions = StripPositions(kRowTiles, motifs.step_count);
  uint32_t* const first = reinterpret_cast<uint32_t*>(memory) + threadIdx.x / kWarp * 3 * positions;
  return {first, first + positions, reinterpret_cast<uint8_t*>(first + 2 * positions)};
}

// Log2 odds of the strip's sites with a tile of motifs, less the concentration.
__device__ __forceinline__ void ScanTile(const PreparedMotifs& motifs, const StripWords& words,
                                         int tile, int lane, OneHotStrip<kRowTiles>& strip,
                                         float (&sums)[kRowTiles][4]) {
  const TileColumns& columns = motifs.columns[tile];
  const uint4* const energies = motifs.energies + tile * motifs.TileUint4s() + lane;
  ClearLogOdds(sums);
  for (int step = 0; step < motifs.step_count; step += kChunkSteps) {
    const unsigned steps =
        StepMask(columns.scan_first - step, columns.scan_end - step, kChunkSteps);
    if (steps == 0) continue;
    if (motifs.step_count > kChunkSteps) {
      LoadStripWords(words, step / kChunkSteps, lane, strip);
    }
    ScanSteps<kRowTiles, 2>(sums, strip, energies + step * 2 * kWarp, steps);
  }
}

// Calls take(tile, odds) for every `parts`th tile from `part` on, with the odds of the sites of
// `rows` windows from `first` on; those of other rows are 0.
template <class Take>
__device__ __forceinline__ void ScanStrip(const ExclusiveParams& params, const StripWords& words,
                                          int64_t n, int64_t first, int rows, int part, int parts,
                                          int lane, const Take& take) {
  const PreparedMotifs& motifs = params.motifs;
  SpanBases span = {};
  if (params.span.edges != nullptr) span = FindSpan(params.span, params.shape, n, first);
  FillStripWords<kRowTiles>(params, words, n, params.shape.first_start + first, lane);
  OneHotStrip<kRowTiles> strip;
  LoadStripWords(words, 0, lane, strip);
  for (int tile = part; tile < motifs.tile_count; tile += parts) {
    float odds[kRowTiles][4];
    ScanTile(motifs, words, tile, lane, strip, odds);
    const float2 offset = reinterpret_cast<const float2*>(motifs.offset)[4 * tile + (lane & 3)];
    FinishLogOdds(odds, offset, rows, lane);
    if (params.span.edges != nullptr) {
      MaskSites(odds, motifs.sites + tile * kTileMotifs + 2 * (lane & 3), span, lane);
    }
#pragma unroll
    for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) odds[i][j] = ExclusiveOdds(odds[i][j]);
    }
    take(tile, odds);
  }
  // The next strip's words take the place of this one's.
  __syncwarp();
}

// Whether any of a strip's windows counts.
__device__ __forceinline__ bool Counts(const ExclusiveParams& params, int64_t n, int64_t first,
                                       int rows) {
  if (rows <= 0) return false;
  return params.span.edges == nullptr ||
         FindSpan(params.span, params.shape, n, first).Reaches(0, rows, params.shape.width);
}

__device__ __forceinline__ int RowsOf(const ExclusiveParams& params, int64_t n, int64_t first) {
  return static_cast<int>(
      max(min(OwnWindows(params.shape, n) - first, int64_t{kRows}), int64_t{0}));
}

// Adds a number of each of a group's sites to those of its places, from the strip's first one on;
// `value` are those of the lane's two motifs by row. The four lanes of a row share its sum, and
// each ends up with two rows.
__device__ __forceinline__ void AddToGroup(const float (&value)[2][kSites], int columns, float* to,
                                           int stride, int rows, int lane) {
  const int g = lane >> 2, t = lane & 3;
  const bool has[2] = {(columns >> (2 * t) & 1) != 0, (columns >> (2 * t + 1) & 1) != 0};
  float all[kSites], half[kSites / 2];
#pragma unroll
  for (int k = 0; k < kSites; ++k) {
    all[k] = (has[0] ? value[0][k] : 0.0f) + (has[1] ? value[1][k] : 0.0f);
  }
#pragma unroll
  for (int k = 0; k < kSites / 2; ++k) {
    const bool odd = (t & 1) != 0;
    const float sent = odd ? all[2 * k] : all[2 * k + 1];
    half[k] = (odd ? all[2 * k + 1] : all[2 * k]) + __shfl_xor_sync(0xffffffff, sent, 1);
  }
#pragma unroll
  for (int k = 0; k < kSites / 4; ++k) {
    const bool odd = (t & 2) != 0;
    const float sent = odd ? half[2 * k] : half[2 * k + 1];
    const float sum = (odd ? half[2 * k + 1] : half[2 * k]) + __shfl_xor_sync(0xffffffff, sent, 2);
    const int row = 8 * (4 * k + t) + g;
    if (row < rows) to[row * stride] += sum;
  }
}

// Upstream gradients of the lane's two motifs of a tile.
struct SiteUpstream {
  float bound[2], weighted[2];
};

template <bool Weighted>
__device__ __forceinline__ SiteUpstream UpstreamOf(const ExclusiveParams& params, int64_t n,
                                                   int tile, int lane) {
  SiteUpstream upstream = {};
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int motif = params.motifs.motif_at[tile / 2 * kTileMotifs + 2 * (lane & 3) + h];
    if (motif < 0) continue;
    const int64_t at = (n * kStrands + tile % 2) * params.motifs.motif_count + motif;
    upstream.bound[h] = params.bound_gradient[at];
    if (Weighted) upstream.weighted[h] = params.weighted_gradient[at];
  }
  return upstream;
}

// Position weights of the lane's motifs of a tile in row k of a strip; 0 behind the last window.
__device__ __forceinline__ float2 WeightOf(const ExclusiveParams& params, int tile, int64_t first,
                                           int k, int rows, int lane) {
  const int row = 8 * k + (lane >> 2);
  if (row >= rows) return make_float2(0.0f, 0.0f);
  return reinterpret_cast<const float2*>(
      params.motifs.weight)[(tile * params.shape.window_count + first + row) * (kTileMotifs / 2) +
                            (lane & 3)];
}

// Adds the odds of a strip's sites with one tile to the sums of their places, and where there are
// gains odds times gain. `sums` are those of the strip's first window.
template <bool Gains, bool Weighted>
__device__ __forceinline__ void AddTile(const ExclusiveParams& params, float* sums, int64_t n,
                                        int tile, int64_t first, int rows, int lane,
                                        const float (&odds)[kRowTiles][4]) {
  constexpr int kNumbers = Gains ? 2 : 1;
  float own[2][kSites], gained[2][kSites];
  SiteUpstream upstream = {};
  if (Gains) upstream = UpstreamOf<Weighted>(params, n, tile, lane);
#pragma unroll
  for (int k = 0; k < kSites; ++k) {
    float2 weight = {};
    if (Weighted) weight = WeightOf(params, tile, first, k, rows, lane);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      own[h][k] = odds[k % kRowTiles][2 * (k / kRowTiles) + h];
      gained[h][k] =
          own[h][k] * fmaf(upstream.weighted[h], h == 0 ? weight.x : weight.y, upstream.bound[h]);
    }
  }
  const int groups = params.places.group_count[tile];
  for (int i = 0; i < groups; ++i) {
    const TileGroup group = params.places.group[tile * kTileMotifs + i];
    float* const to = sums + group.place * int64_t{kNumbers};
    AddToGroup(own, group.columns, to, kNumbers, rows, lane);
    if (Gains) AddToGroup(gained, group.columns, to + 1, kNumbers, rows, lane);
    // Groups have places in common, of which other lanes may take care.
    __syncwarp();
  }
}

// What the second scan adds up of a lane's rows and its two motifs.
template <bool Weighted>
__device__ __forceinline__ void WriteBound(const ExclusiveParams& params, int64_t n, int64_t strip,
                                           int tile, int64_t first, int rows, int lane,
                                           const float (&odds)[kRowTiles][4]) {
  const int2 site =
      reinterpret_cast<const int2*>(params.places.site)[tile * (kTileMotifs / 2) + (lane & 3)];
  const float* const factors = params.sums + n * params.places.Numbers() + first + (lane >> 2);
  float bound[2] = {}, weighted[2] = {};
#pragma unroll
  for (int k = 0; k < kSites; ++k) {
    float2 weight = {};
    if (Weighted) weight = WeightOf(params, tile, first, k, rows, lane);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float own = odds[k % kRowTiles][2 * (k / kRowTiles) + h];
      // Nothing is read of windows that do not exist.
      const float p = own == 0.0f ? 0.0f : own * factors[(h == 0 ? site.x : site.y) + 8 * k];
      bound[h] += p;
      if (Weighted) weighted[h] = fmaf(h == 0 ? weight.x : weight.y, p, weighted[h]);
    }
  }
  const float bound_sum = SumLanes(bound, lane);
  const float weighted_sum = Weighted ? SumLanes(weighted, lane) : 0.0f;
  if (lane >= kTileMotifs) return;
  const int motif = params.motifs.motif_at[tile / 2 * kTileMotifs + 2 * (lane & 3) + (lane >> 2)];
  if (motif < 0) return;
  const int64_t row = n * ExclusiveStripCount(params.shape.window_count) + strip;
  const int64_t at = (row * kStrands + tile % 2) * params.motifs.motif_count + motif;
  params.bound[at] = bound_sum;
  if (Weighted) params.weighted[at] = weighted_sum;
}

// The sums of a strip none of whose windows counts, of tiles part, part + parts, ...
__device__ __forceinline__ void WriteZeros(const ExclusiveParams& params, int64_t row, int part,
                                           int parts, int lane) {
  const int64_t motifs = params.motifs.motif_count;
  for (int tile = part; tile < params.motifs.tile_count; tile += parts) {
    const int motif =
        lane < kTileMotifs ? params.motifs.motif_at[tile / 2 * kTileMotifs + lane] : -1;
    if (motif < 0) continue;
    const int64_t at = (row * kStrands + tile % 2) * motifs + motif;
    params.bound[at] = 0.0f;
    if (params.weighted != nullptr) params.weighted[at] = 0.0f;
  }
}

__device__ __forceinline__ int64_t WarpNumber() {
  return blockIdx.x * int64_t{kExclusiveWarps} + threadIdx.x / kWarp;
}

}  // namespace

// A thread has a tile.
__global__ void FindSitesKernel(const __grid_constant__ ExclusiveParams params) {
  const int64_t tile = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
  if (tile >= params.motifs.tile_count) return;
  const int64_t strand = tile % 2;
  TileGroup* const groups = params.places.group + tile * kTileMotifs;
  int count = 0;
  for (int i = 0; i < kTileMotifs; ++i) {
    const int motif = params.motifs.motif_at[tile / 2 * kTileMotifs + i];
    const int32_t place =
        motif < 0 ? 0 : params.places.motif[strand * params.motifs.motif_count + motif];
    params.places.site[tile * kTileMotifs + i] = place;
    if (motif < 0) continue;
    int same = 0;
    while (same < count && groups[same].place != place) ++same;
    if (same == count) groups[count++] = {place, 0};
    groups[same].columns |= 1 << i;
  }
  params.places.group_count[tile] = count;
}

// A warp has a sequence and a part of the tiles.
template <bool Gains, bool Weighted>
__global__ void __launch_bounds__(kThreads)
    SumOddsKernel(const __grid_constant__ ExclusiveParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  constexpr int kNumbers = Gains ? 2 : 1;
  const int lane = threadIdx.x % kWarp;
  const int64_t unit = WarpNumber(), n = unit / params.parts;
  const int part = static_cast<int>(unit - n * params.parts);
  if (n >= params.shape.sequence_count) return;
  const int64_t numbers = params.places.Numbers() * kNumbers;
  float* const sums = params.sums + (part * params.shape.sequence_count + n) * numbers;
  for (int64_t i = lane; i < numbers; i += kWarp) sums[i] = 0.0f;
  __syncwarp();
  const StripWords words = WordsOf(params.motifs, shared_memory);
  for (int64_t first = 0; first < OwnWindows(params.shape, n); first += kRows) {
    const int rows = RowsOf(params, n, first);
    if (!Counts(params, n, first, rows)) continue;
    ScanStrip(params, words, n, first, rows, part, params.parts, lane,
              [&](int tile, const float (&odds)[kRowTiles][4]) {
                AddTile<Gains, Weighted>(params, sums + first * kNumbers, n, tile, first, rows,
                                         lane, odds);
              });
  }
}

// A warp has a strip of a sequence and a part of the tiles.
template <bool Weighted>
__global__ void __launch_bounds__(kThreads)
    SumBoundKernel(const __grid_constant__ ExclusiveParams params) {
  extern __shared__ __align__(16) char shared_memory[];
  const int lane = threadIdx.x % kWarp;
  const int64_t unit = WarpNumber(), row = unit / params.parts;
  const int part = static_cast<int>(unit - row * params.parts);
  const int64_t strips = ExclusiveStripCount(params.shape.window_count);
  const int64_t n = row / strips, strip = row - n * strips;
  if (n >= params.shape.sequence_count) return;
  const int64_t first = strip * kRows;
  const int rows = RowsOf(params, n, first);
  if (!Counts(params, n, first, rows)) {
    WriteZeros(params, row, part, params.parts, lane);
    return;
  }
  ScanStrip(params, WordsOf(params.motifs, shared_memory), n, first, rows, part, params.parts, lane,
            [&](int tile, const float (&odds)[kRowTiles][4]) {
              WriteBound<Weighted>(params, n, strip, tile, first, rows, lane, odds);
            });
}

int64_t ExclusiveStrips(int64_t windows) { return ExclusiveStripCount(windows); }

int64_t ExclusiveScanBytes(const PreparedMotifs& motifs) {
  return kExclusiveWarps * 3 * static_cast<int64_t>(sizeof(uint32_t)) *
         StripPositions(kRowTiles, motifs.step_count);
}

cudaError_t FindSites(const ExclusiveParams& params, cudaStream_t stream) {
  return Run(FindSitesKernel, BlocksFor(params.motifs.tile_count, kGroupThreads), kGroupThreads, 0,
             stream, params);
}

cudaError_t SumOdds(const ExclusiveParams& params, int64_t shared_limit, cudaStream_t stream) {
  const bool weighted = params.weighted_gradient != nullptr;
  const auto kernel = !params.HasGains() ? SumOddsKernel<false, false>
                      : weighted         ? SumOddsKernel<true, true>
                                         : SumOddsKernel<true, false>;
  return Run(kernel, BlocksFor(params.shape.sequence_count * params.parts, kExclusiveWarps),
             kThreads, ExclusiveScanBytes(params.motifs), stream, params, shared_limit);
}

cudaError_t SumBound(const ExclusiveParams& params, int64_t shared_limit, cudaStream_t stream) {
  const auto kernel = params.weighted != nullptr ? SumBoundKernel<true> : SumBoundKernel<false>;
  const int64_t rows = params.shape.sequence_count * ExclusiveStrips(params.shape.window_count);
  ExclusiveParams of_scan = params;
  // Each tile's sums are its own, so the cut changes no bit.
  of_scan.parts =
      static_cast<int32_t>(max(int64_t{1}, min(kExclusiveUnits / max(rows, int64_t{1}),
                                               static_cast<int64_t>(params.motifs.tile_count))));
  return Run(kernel, BlocksFor(rows * of_scan.parts, kExclusiveWarps), kThreads,
             ExclusiveScanBytes(params.motifs), stream, of_scan, shared_limit);
}

}  // namespace cisreg::gpu
