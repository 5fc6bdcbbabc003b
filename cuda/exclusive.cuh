// Sites that exclude each other: no base is covered by two of them.
//
// The places of a sequence are its bases and those outside of it that sites can cover. A number is
// kept for each place b and each number of bases w that a site may cover, E(b, w): first the odds
// of all sites that cover the w places from b on, then what the odds of each of them are multiplied
// by, and where there are gradients the same of odds times gains. csrc/exclusive/recursion.h has
// the formulas. In this order, each on its own grid:
//
//   FindSites       where the sums of each motif's sites lie
//   SumOdds         first scan: a warp has a sequence and a part of the motifs, and sums of its own
//   CollectOdds     adds up these parts in order, and competitors
//   SumSequences    the recursion: a block has a sequence
//   SumBound        second scan: sums of occupancies; where there are gradients, the gradient
//                   kernel of backward.cu takes its place

#ifndef CISREG_CUDA_EXCLUSIVE_CUH_
#define CISREG_CUDA_EXCLUSIVE_CUH_

#include "layout.h"

namespace cisreg::gpu {

// Sites of a tile that cover the same bases.
struct TileGroup {
  int32_t place;    // see PlaceLayout::site
  int32_t columns;  // a bit for each motif of the tile
};

// Where a sequence's numbers lie, [widths, stride].
struct PlaceLayout {
  const int32_t* width;  // [widths], ascending
  int32_t width_count;
  int32_t first_base;  // place of a sequence's first base
  int32_t reach;       // places that the sites of one window reach, together
  int32_t stride;      // places of the longest sequence that is possible
  // Of the sites of window 0, the number of the first place that they cover.
  const int32_t* motif;  // [2, M]
  int32_t* site;         // [tile_count, 8]; 0 where there is no motif
  TileGroup* group;      // [tile_count, 8]
  int32_t* group_count;  // [tile_count]

  __host__ __device__ int64_t Numbers() const { return static_cast<int64_t>(width_count) * stride; }
};

// What has the same odds wherever it lies within a sequence.
struct CompetitorInput {
  int32_t count;               // Q
  const int32_t* width;        // [Q]
  const int32_t* width_index;  // [Q]
  const float* log_odds;       // [Q]
};

// Sums over the configurations of the places before each place, or of those behind it, times two
// to the power of -kScalePower power; [N, stride + 1].
struct ConfigurationSums {
  double* sum;
  double* gain;  // of mean gains, or null
  int32_t* power;
};

struct ExclusiveParams {
  PreparedMotifs motifs;
  ScanShape shape;
  SpanInput span;
  const uint8_t* sequence;  // [N, L]
  PlaceLayout places;
  CompetitorInput competitors;
  // [parts, N, widths, stride]; with gains pairs. What follows the first scan has one part.
  float* sums;
  int32_t parts;  // tiles are dealt to them in turn
  ConfigurationSums before, behind;
  // Gradients with respect to outputs; null forward.
  const float* bound_gradient;          // [N, 2, M]
  const float* weighted_gradient;       // [N, 2, M], or null
  const float* log_partition_gradient;  // [N]
  const float* competitor_gradient;     // [N, Q], or null
  // Outputs; null backward.
  float* log_partition;  // [N]
  float* bound;          // [N, strips, 2, M]
  float* weighted;       // [N, strips, 2, M], or null
  // Bound competitors, or the gradients by their log odds.
  float* competitor_sums;  // [N, Q]

  __host__ __device__ bool HasGains() const { return bound_gradient != nullptr; }
  __host__ __device__ int64_t SequenceFloats() const {
    return places.Numbers() * (HasGains() ? 2 : 1);
  }
};

// Strips of windows of the scans, for sequences of up to so many windows.
int64_t ExclusiveStrips(int64_t windows);

// Bytes of shared memory of a block of the scans.
int64_t ExclusiveScanBytes(const PreparedMotifs& motifs);

cudaError_t FindSites(const ExclusiveParams& params, cudaStream_t stream);
cudaError_t SumOdds(const ExclusiveParams& params, int64_t shared_limit, cudaStream_t stream);
cudaError_t CollectOdds(const ExclusiveParams& params, cudaStream_t stream);
cudaError_t SumSequences(const ExclusiveParams& params, cudaStream_t stream);
cudaError_t SumBound(const ExclusiveParams& params, int64_t shared_limit, cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_EXCLUSIVE_CUH_
