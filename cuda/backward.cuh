// Backward: recomputes the scan and sums the gradients, in two stages of fixed order.

#ifndef CISREG_CUDA_BACKWARD_CUH_
#define CISREG_CUDA_BACKWARD_CUH_

#include "layout.h"
#include "plan_backward.h"

namespace cisreg::gpu {

// Partial sums, see plan_backward.h.
struct GradientParts {
  float* log_kd;             // [parts, tiles of a block, column_chunks, 32 numbers, 32 lanes]
  float* log_concentration;  // [parts, tiles of a block, 8]
  float* weight;             // [weight parts, tiles of a block, K, windows of a strip, 8], or null
};

// What a site that excludes others is multiplied by: its factor and its slope, see exclusive.cuh.
struct SiteNumbers {
  const float2* numbers;  // [N, sequence_numbers], by the site's first place
  int64_t sequence_numbers;
  const int32_t* site;  // [tile_count, 8], the place of window 0
};

struct BackwardParams {
  PreparedMotifs motifs;
  ScanShape shape;
  BackwardSplit split;
  BackwardShared shared;
  int32_t column_chunk;            // of this launch
  const uint8_t* sequence;         // [N, L]
  const float* bound_gradient;     // [N, conditions of a sequence, 2, M]
  const float* weighted_gradient;  // [N, conditions of a sequence, K, 2, M], or null
  const int32_t* column_range;     // [2, M], or null
  SpanInput span;
  GradientParts parts;
  // Where concentrations differ, sums of slopes of every item in place of partial sums:
  // [N, strips, conditions of a sequence, tile_count * 8], or null.
  float* item_totals;
  OccupancyGradients gradients;
  SiteNumbers exclusive;  // of sites that exclude each other
};

// Cuts the work for the current device: everything that follows from the problem, then what the
// runtime says of the kernels' occupancy. `shared.total` above the limit: too much for the device.
cudaError_t PlanBackward(const BackwardProblem& problem, int multiprocessors, BackwardSplit* split,
                         BackwardShared* shared);

// Adds up the parts; all gradients are 0 where there are none.
cudaError_t Finish(const BackwardParams& params, cudaStream_t stream);

cudaError_t Backward(Reduction reduction, const BackwardParams& params, int64_t shared_limit,
                     cudaStream_t stream);

// The same of sites that exclude each other.
cudaError_t PlanExclusiveBackward(const BackwardProblem& problem, int multiprocessors,
                                  BackwardSplit* split, BackwardShared* shared);
cudaError_t ExclusiveBackward(const BackwardParams& params, int64_t shared_limit,
                              cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_BACKWARD_CUH_
