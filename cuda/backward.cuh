// Backward: recomputes the scan and sums the gradients, in two stages of fixed order.

#ifndef CISREG_CUDA_BACKWARD_CUH_
#define CISREG_CUDA_BACKWARD_CUH_

#include "layout.h"

namespace cisreg::gpu {

// How the work is cut: a block has kBlockTiles tiles of motifs, one slice of the sequences, one
// strip of the windows; each chunk of columns has a launch of its own.
struct BackwardCut {
  int32_t slice_count;
  int32_t strip_count;
  int32_t strip_tiles;  // of 16 windows
  int32_t column_chunks;
  int32_t sum_sequences;    // after this many, sums are moved out of registers
  int32_t moves_to_shared;  // whether sums wait in shared memory, else in the parts themselves
  int64_t slice_sequences;

  __host__ __device__ int64_t part_count() const {
    return static_cast<int64_t>(slice_count) * strip_count;
  }
};

// Layout of the shared memory of a block of the gradient kernel, in bytes.
struct BackwardShared {
  int32_t positions;    // of a strip, plus those that its words read beyond it
  int32_t pair_stride;  // words between the bases of the second product's operand
  int64_t sequence_bytes, sums_bytes, weight_bytes, tiles_bytes;
  int64_t limit;  // of the device

  __host__ __device__ int64_t total() const {
    return 2 * sequence_bytes + sums_bytes + weight_bytes + tiles_bytes;
  }
};

struct BackwardParams {
  PreparedMotifs motifs;
  ScanShape shape;
  BackwardCut cut;
  BackwardShared shared;
  int32_t column_chunk;            // of this launch
  const uint8_t* sequence;         // [N, L]
  const float* bound_gradient;     // [N, 2, M]
  const float* weighted_gradient;  // [N, 2, M], or null
  const int32_t* column_range;     // [2, M], or null
  SpanInput span;
  // Partial sums; a part is a slice of sequences and a strip of windows.
  float* partial_log_kd;             // [parts, tiles, column_chunks, 32 numbers, 32 lanes]
  float* partial_log_concentration;  // [parts, tiles, 8]
  float* partial_weight;             // [slices, tiles, P, 8], or null
  OccupancyGradients gradients;
};

BackwardShared ShareBackward(const BackwardCut& cut, int step_count, bool weighted);

BackwardCut CutBackward(const PreparedMotifs& motifs, const ScanShape& shape,
                        int compute_capability, int multiprocessors, int64_t shared_bytes);

// Adds up the parts; all gradients are 0 where there are none.
cudaError_t Finish(const BackwardParams& params, cudaStream_t stream);

cudaError_t Backward(Reduction reduction, const BackwardParams& params, cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_BACKWARD_CUH_
