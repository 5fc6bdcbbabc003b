// Pairs of factors whose sites act together: what the kernels of one launch share.
//
// Sites are computed once for all pairs, in full float32, and lie in memory of the device for as
// many sequences as there is room for. Everything else goes by strips of windows, so that neither
// the length of a sequence nor that of a curve is bounded by shared memory.

#ifndef CISREG_CUDA_PAIRS_CUH_
#define CISREG_CUDA_PAIRS_CUH_

#include "layout.h"
#include "pairs/problem.h"

namespace cisreg::gpu {

struct PairParams {
  ScanShape shape;
  int32_t motif_count;
  int32_t slice_count;  // of the gradient's sums
  int64_t pair_count;
  int64_t knot_count;
  int64_t distance;
  int64_t spacing;    // bases from knot to knot
  int64_t tap_count;  // distances of two windows at which there may be effects: odd, 0 amid
  int64_t strip_count;
  // Sequences whose sites are in memory, and whether they are the first ones.
  int64_t first_sequence, end_sequence;
  bool is_first;

  const uint8_t* sequence;
  const float* log_kd;
  const float* log_concentration;
  const int32_t* column_range;  // or null
  SpanInput span;
  const float* knots;   // [Q, 2, K]
  const int32_t* pair;  // [Q, 2]

  float* energy;  // [M, W, 4], log2 of 1 / Kd, zero in columns that are held
  float*
      offset;  // [M], log2 of the concentration; NaN where a parameter of the motif is not finite
  float* effect;  // [Q, 2, taps]
  float* site;    // [n, M, 2, P], occupancies; zero where a window does not count
  float* part;    // [n, Q, strips], what pairs do; forward alone
  float* score;   // [N]; forward alone

  // Backward alone.
  float* slope;           // [n, M, 2, P], of sites by log odds; then of the loss
  const float* upstream;  // [N]
  float* slice_sums;      // [slices, columns]
  float* sums;            // [columns]
  pairs::Gradients gradients;

  __host__ __device__ int64_t Sequences() const { return end_sequence - first_sequence; }
  // Columns of the gradient's sums: [M, 2, W, 4] by the strand of the sites, as the windows show
  // them; [M]; [Q, 4, taps], see PairTapSumsKernel.
  __host__ __device__ int64_t KdColumns() const {
    return static_cast<int64_t>(motif_count) * kStrands * shape.width * kBases;
  }
  __host__ __device__ int64_t Columns() const {
    return KdColumns() + motif_count + pair_count * kStrands * kStrands * tap_count;
  }
};

// Whether there are motifs of a pair, in both places.
__device__ __forceinline__ bool HasMotifs(const PairParams& params, int64_t pair) {
  const int first = params.pair[2 * pair], second = params.pair[2 * pair + 1];
  return min(first, second) >= 0 && max(first, second) < params.motif_count;
}

// Energies of all motifs, and effects of all pairs.
cudaError_t PreparePairs(const PairParams& params, cudaStream_t stream);

// The sites of the sequences [first, end), and their slopes where there is memory for these.
cudaError_t FindPairSites(const PairParams& params, cudaStream_t stream);

// The scores of these sequences.
cudaError_t SumPairs(const PairParams& params, cudaStream_t stream);

// Their slopes become those of the loss.
cudaError_t TakePairGains(const PairParams& params, cudaStream_t stream);

// Adds what they give to the gradient's sums.
cudaError_t AddPairGradients(const PairParams& params, cudaStream_t stream);

// The gradients.
cudaError_t FinishPairs(const PairParams& params, cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_PAIRS_CUH_
