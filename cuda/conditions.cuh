// Conditions: what of the concentrations the kernels need, and the gradient of these.
//
// Odds of a site under a condition are those under the largest concentration of all, times a factor
// of at most 1, so that one scan serves all of them. A factor that is absent under every condition
// has a factor of 1: its odds are 0 already.

#ifndef CISREG_CUDA_CONDITIONS_CUH_
#define CISREG_CUDA_CONDITIONS_CUH_

#include "layout.h"
#include "sort.cuh"

namespace cisreg::gpu {

struct ConditionParams {
  PreparedMotifs motifs;
  int32_t condition_count;
  const float* log_concentration;  // [C, M]
  float* largest;                  // [M]
};

// The largest log concentration of each motif, not a number where any is none. Before the motifs
// are prepared.
cudaError_t FindLargest(const ConditionParams& params, cudaStream_t stream);

// Concentrations as parts of the largest. After the motifs are prepared.
cudaError_t FillRelative(const ConditionParams& params, cudaStream_t stream);

// Sums of slopes, one for each strip of a sequence, condition and place of a motif, are added in
// the order of conditions, sequences and strips: first so many rows at a time, each condition for
// itself. Rows k to k + 63 and condition c have part k / 64 + c.
inline constexpr int kPartRows = 64;

struct ConcentrationParams {
  PreparedMotifs motifs;
  ConditionInput conditions;
  int64_t sequence_count;
  int64_t strips;   // of a sequence; 0: nothing was scanned
  Sorted sorted;    // sequences in the order of their conditions, where each has its own
  float* totals;    // [N, strips, conditions of a sequence, tile_count * 8]
  float* parts;     // [ConcentrationParts, tile_count * 8]
  float* gradient;  // [C, M]

  __host__ __device__ int64_t Columns() const {
    return static_cast<int64_t>(motifs.tile_count) * kTileMotifs;
  }
  __host__ __device__ int64_t Rows() const { return sequence_count * strips * conditions.Each(); }
};

inline int64_t ConcentrationParts(const ConcentrationParams& params) {
  return (params.Rows() + kPartRows - 1) / kPartRows + params.conditions.count + 1;
}

cudaError_t SumConcentrations(const ConcentrationParams& params, cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_CONDITIONS_CUH_
