// The steps of a launch for pairs of factors: lay out the workspace, then go through the sequences,
// as many at a time as there is room for.

#include <algorithm>

#include "pair_launch.h"
#include "pairs.cuh"
#include "scan_launch.h"

namespace cisreg {
namespace {

using gpu::Arena;
using gpu::ErrorOf;
using gpu::PairParams;

struct Launch {
  PairParams params;
  int64_t sequences;  // at a time
  int64_t bytes;
};

// Sizes alone: they decide the order of all sums.
PairParams SizesOf(const OccupancyShape& shape, const pairs::Inputs& inputs) {
  PairParams params = {};
  const int64_t windows = std::max<int64_t>(shape.window_count, 0);
  params.shape = gpu::ScanShapeOf(shape, inputs.scan);
  params.shape.window_count = windows;
  params.motif_count = static_cast<int32_t>(shape.motif_count);
  params.pair_count = inputs.pair_count;
  params.knot_count = inputs.knot_count;
  params.distance = inputs.distance;
  params.spacing = 2 * inputs.distance / (inputs.knot_count + 1);
  params.tap_count = std::max<int64_t>(1, 2 * std::min(inputs.distance, windows) - 1);
  params.strip_count = (windows + gpu::kPairStrip - 1) / gpu::kPairStrip;
  const int64_t most = gpu::kPairSums / std::max<int64_t>(params.Columns(), 1);
  const int64_t items = shape.sequence_count * params.strip_count;
  params.slice_count = static_cast<int32_t>(
      std::max<int64_t>(1, std::min({int64_t{gpu::kPairSlices}, most, items})));
  return params;
}

Launch LayOut(const OccupancyShape& shape, const pairs::Inputs& inputs, bool backward,
              char* workspace) {
  Launch launch = {SizesOf(shape, inputs), 0, 0};
  PairParams& params = launch.params;
  const int64_t of_sequence = shape.motif_count * kStrands * params.shape.window_count;
  const int64_t most = gpu::kPairSites / std::max<int64_t>(of_sequence, 1);
  launch.sequences = std::max<int64_t>(1, std::min(shape.sequence_count, most));
  Arena arena(workspace);
  params.energy = arena.Take<float>(shape.motif_count * shape.width * kBases);
  params.offset = arena.Take<float>(shape.motif_count);
  params.effect = arena.Take<float>(inputs.pair_count * pairs::kOrientations * params.tap_count);
  params.site = arena.Take<float>(launch.sequences * of_sequence);
  if (backward) {
    params.slope = arena.Take<float>(launch.sequences * of_sequence);
    params.slice_sums = arena.Take<float>(params.slice_count * params.Columns());
    params.sums = arena.Take<float>(params.Columns());
  } else {
    params.part = arena.Take<float>(launch.sequences * inputs.pair_count * params.strip_count);
  }
  launch.bytes = arena.bytes();
  params.sequence = inputs.scan.sequence;
  params.log_kd = inputs.scan.log_kd;
  params.log_concentration = inputs.scan.log_concentration;
  params.column_range = inputs.scan.column_range;
  params.span = {inputs.scan.span, inputs.scan.span_stride};
  params.knots = inputs.effect;
  params.pair = inputs.pair;
  return launch;
}

// The largest number of blocks that a launch has: each is that of a grid's first axis.
GpuError CheckBlocks(const Launch& launch) {
  constexpr int64_t kMostBlocks = (int64_t{1} << 31) - 1;
  const PairParams& params = launch.params;
  const int64_t rows = std::max<int64_t>(params.motif_count, params.pair_count);
  const int64_t chunks =
      std::max<int64_t>(params.shape.width, params.tap_count) / gpu::kPairColumns;
  const int64_t blocks =
      rows * std::max({launch.sequences * params.strip_count, (chunks + 1) * params.slice_count,
                       pairs::kOrientations * params.knot_count});
  if (blocks <= kMostBlocks) return {};
  return "pair: Q = " + std::to_string(params.pair_count) +
         " pairs of these sizes take more blocks than a GPU has; place the operation on the CPU";
}

// Calls run(params) for some sequences after the others, at least once.
template <class RunSome>
cudaError_t ForSequences(const Launch& launch, const RunSome& run) {
  PairParams params = launch.params;
  params.is_first = true;
  do {
    params.end_sequence =
        std::min(params.first_sequence + launch.sequences, params.shape.sequence_count);
    const cudaError_t status = run(params);
    if (status != cudaSuccess) return status;
    params.first_sequence = params.end_sequence;
    params.is_first = false;
  } while (params.first_sequence < params.shape.sequence_count);
  return cudaSuccess;
}

}  // namespace

GpuError GpuPairWorkspaceBytes(const GpuDevice& device, const OccupancyShape& shape,
                               const pairs::Inputs& inputs, bool backward, int64_t* bytes) {
  *bytes = 0;
  GpuError error = gpu::CheckSizes(device, shape);
  if (!error.empty()) return error;
  if (shape.motif_count == 0 && inputs.pair_count > 0) {
    return "pair: expected places of motifs, of which there are none";
  }
  const Launch launch = LayOut(shape, inputs, backward, nullptr);
  error = CheckBlocks(launch);
  if (error.empty()) *bytes = launch.bytes;
  return error;
}

GpuError GpuPairForward(const OccupancyShape& shape, const pairs::Inputs& inputs, void* stream,
                        char* workspace, float* score) {
  Launch launch = LayOut(shape, inputs, false, workspace);
  launch.params.score = score;
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  const GpuError error =
      ErrorOf(PreparePairs(launch.params, cuda_stream), "preparing pairs of factors");
  if (!error.empty()) return error;
  const auto run = [&](const PairParams& params) {
    const cudaError_t status = FindPairSites(params, cuda_stream);
    return status == cudaSuccess ? SumPairs(params, cuda_stream) : status;
  };
  return ErrorOf(ForSequences(launch, run), "the kernels of pairs");
}

GpuError GpuPairBackward(const OccupancyShape& shape, const pairs::Inputs& inputs, void* stream,
                         char* workspace, const float* upstream,
                         const pairs::Gradients& gradients) {
  Launch launch = LayOut(shape, inputs, true, workspace);
  launch.params.upstream = upstream;
  launch.params.gradients = gradients;
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  GpuError error = ErrorOf(PreparePairs(launch.params, cuda_stream), "preparing pairs of factors");
  if (!error.empty()) return error;
  const auto run = [&](const PairParams& params) {
    cudaError_t status = FindPairSites(params, cuda_stream);
    if (status == cudaSuccess) status = TakePairGains(params, cuda_stream);
    return status == cudaSuccess ? AddPairGradients(params, cuda_stream) : status;
  };
  error = ErrorOf(ForSequences(launch, run), "the gradient kernels of pairs");
  if (!error.empty()) return error;
  return ErrorOf(FinishPairs(launch.params, cuda_stream), "the gradients of pairs");
}

}  // namespace cisreg
