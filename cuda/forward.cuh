// Forward: scan, occupancy law and sum over windows in one kernel.

#ifndef CISREG_CUDA_FORWARD_CUH_
#define CISREG_CUDA_FORWARD_CUH_

#include "layout.h"

namespace cisreg::gpu {

struct ForwardParams {
  PreparedMotifs motifs;
  ScanShape shape;
  int32_t slice_tiles;  // tiles of a block, whose energies lie in its shared memory
  int32_t warp_positions;
  const uint8_t* sequence;  // [N, L]
  SpanInput span;
  float* bound;     // [N, 2, M]
  float* weighted;  // [N, 2, M], or null
};

struct ForwardPlan {
  int tall;  // tiles of a strip
  int slice_tiles;
  int warp_positions;  // positions of a strip, plus those that its words read beyond it
  dim3 grid;
  int64_t shared_bytes;
  int64_t shared_limit;  // of the device
};

// slice_tiles is 0 where not even one tile fits into the shared memory of a block.
ForwardPlan PlanForward(const PreparedMotifs& motifs, const ScanShape& shape,
                        int compute_capability, int multiprocessors, int64_t shared_bytes);

cudaError_t Forward(const ForwardPlan& plan, Reduction reduction, const ForwardParams& params,
                    cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_FORWARD_CUH_
