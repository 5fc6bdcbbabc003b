#include "run.h"
#include "sum_rows.cuh"

namespace cisreg::gpu {
namespace {

constexpr int kThreads = 128;
constexpr int64_t kMostColumnBlocks = 65535;

}  // namespace

// A block has one group of one sequence and some columns, a thread one column at a time.
__global__ void SumRowsKernel(const __grid_constant__ SumRowsParams params) {
  const int64_t groups = params.Groups();
  const int64_t sequence = blockIdx.x / groups, group = blockIdx.x % groups;
  const int64_t first = group * params.group_rows;
  const int64_t count = min(params.rows - first, params.group_rows);
  const int64_t stride = static_cast<int64_t>(gridDim.y) * blockDim.x;
  for (int64_t column = blockIdx.y * static_cast<int64_t>(blockDim.x) + threadIdx.x;
       column < params.columns; column += stride) {
    const float* const from =
        params.from + (sequence * params.rows + first) * params.columns + column;
    Compensated total;
    if (params.carried != nullptr && !params.is_first) {
      total.sum = params.carried[column];
      total.rest = params.carried[params.columns + column];
    }
#pragma unroll 16
    for (int64_t row = 0; row < count; ++row) total.Add(from[row * params.columns]);
    if (params.carried != nullptr && !params.is_last) {
      params.carried[column] = total.sum;
      params.carried[params.columns + column] = total.rest;
    } else {
      params.to[blockIdx.x * params.columns + column] = total.Total();
    }
  }
}

cudaError_t SumRows(const SumRowsParams& params, cudaStream_t stream) {
  const int64_t groups = params.Groups();
  const int64_t blocks = BlocksFor(params.columns, kThreads);
  const dim3 grid(static_cast<unsigned>(params.sequences * groups),
                  static_cast<unsigned>(blocks < kMostColumnBlocks ? blocks : kMostColumnBlocks));
  return Run(SumRowsKernel, grid, kThreads, 0, stream, params);
}

}  // namespace cisreg::gpu
