// Prepares motifs for the scan: sorts them by width and writes their energies as operands.

#ifndef CISREG_CUDA_PREPARE_CUH_
#define CISREG_CUDA_PREPARE_CUH_

#include "layout.h"

namespace cisreg::gpu {

// Bits of a sort key that hold a motif's number, and a column.
inline constexpr int kMotifBits = 20;
inline constexpr int kColumnBits = 21;

struct PrepareParams {
  PreparedMotifs motifs;
  ScanShape shape;
  uint64_t* sort_keys;  // [2, M], for the sorting alone
  const float* log_kd;
  const float* log_concentration;  // [M], the largest of all conditions
  const float* position_weight;    // [K, 2, P, M], or null
  const int32_t* column_range;     // or null
};

// Compute capability that the running kernels were compiled for. It is older than that of the
// device if the driver translated PTX of an older one.
cudaError_t FindCodeCapability(int* capability);

// The first part of Prepare: the columns of all motifs, and the motif of each place.
cudaError_t SortMotifs(const PrepareParams& params, cudaStream_t stream);

// Fills all of `motifs` except the scale and what conditions need.
cudaError_t Prepare(const PrepareParams& params, cudaStream_t stream);

struct ScaleParams {
  PreparedMotifs motifs;
  ScanShape shape;
  const float* expected;  // occupancy summed over windows [N, C, 2, M]
  const float* bound;     // upstream gradients [N, C, 2, M]
  const float* weighted;  // [N, C, K, 2, M], or null
};

// Powers of two that keep the slopes of each motif within float16; for capability 7.5.
cudaError_t PrepareScale(const ScaleParams& params, cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_PREPARE_CUH_
