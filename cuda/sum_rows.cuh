// Sums over rows in their order, with compensation: the sums of strips of a sequence.

#ifndef CISREG_CUDA_SUM_ROWS_CUH_
#define CISREG_CUDA_SUM_ROWS_CUH_

#include <cuda_runtime.h>

#include <cstdint>

namespace cisreg::gpu {

// A sum and the part of it that float32 cannot hold, so that sums over a chromosome stay as exact
// as their terms.
struct Compensated {
  float sum = 0.0f, rest = 0.0f;

  __device__ __forceinline__ void Add(float x) {
    const float total = sum + x;
    const float added = total - sum;
    rest += (sum - (total - added)) + (x - added);
    sum = total;
  }
  // Beyond float32, or not a number, the rest says nothing.
  __device__ __forceinline__ float Total() const { return isfinite(rest) ? sum + rest : sum; }
};

// Rows of each sequence are added in groups; rows of zeros at the end change no bit. Without rows
// there is one group, whose sum is 0.
struct SumRowsParams {
  const float* from;  // [sequences, rows, columns]
  float* to;          // [sequences, groups, columns]
  int64_t sequences, rows, group_rows, columns;
  // Where a group comes in several launches: its sum and what rounding has left over, in between.
  float* carried;  // [2, columns], or null; one sequence and one group alone
  bool is_first, is_last;

  __host__ __device__ int64_t Groups() const {
    return rows == 0 ? 1 : (rows + group_rows - 1) / group_rows;
  }
};

cudaError_t SumRows(const SumRowsParams& params, cudaStream_t stream);

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_SUM_ROWS_CUH_
