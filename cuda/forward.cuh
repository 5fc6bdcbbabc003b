// Forward: scan, occupancy law and sum over windows.

#ifndef CISREG_CUDA_FORWARD_CUH_
#define CISREG_CUDA_FORWARD_CUH_

#include "layout.h"
#include "plan_forward.h"

namespace cisreg::gpu {

struct ForwardParams {
  PreparedMotifs motifs;
  ScanShape shape;
  const uint8_t* sequence;  // [N, L]
  SpanInput span;
  float* bound;     // [N, conditions of a sequence, 2, M]
  float* weighted;  // [N, conditions of a sequence, K, 2, M], or null
  // What follows is Forward's own: the part of the work that one launch does. Where sequences have
  // several strips, `bound` and `weighted` of a launch have these behind the sequences.
  ForwardSplit split;
  int64_t first_sequence, first_strip;
  int32_t slice_tiles;     // tiles of a block, whose energies lie in its shared memory
  int32_t warp_positions;  // positions of a strip, plus those that its words read beyond it
  int32_t tile_uint4s;     // of the energies of a tile
  int32_t chunk_count;     // of 32 columns
  int32_t weight_rows;     // of position weights in shared memory, for each tile; 0: not there
  int32_t set_rows;        // of these, those of one set
};

struct ForwardLaunch {
  ForwardPlan plan;
  bool takes_tall;
  int multiprocessors;
  int64_t shared_limit;  // of the device
  float* scratch;        // as many floats as ForwardScratchFloats says
};

// slice_count is 0 where not even one tile fits into the shared memory of a block.
ForwardPlan PlanForward(const PreparedMotifs& motifs, const ScanShape& shape, bool weighted,
                        int compute_capability, int multiprocessors, int64_t shared_bytes);

int64_t ForwardScratchFloats(const ForwardPlan& plan, const PreparedMotifs& motifs,
                             const ScanShape& shape, bool weighted);

cudaError_t Forward(const ForwardLaunch& launch, Reduction reduction, const ForwardParams& params,
                    cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_FORWARD_CUH_
