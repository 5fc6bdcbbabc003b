// The steps of a launch: check the limits of the device, lay out the workspace, prepare the motifs,
// run the kernels.

#include "backward.cuh"
#include "forward.cuh"
#include "launch.h"
#include "prepare.cuh"

namespace cisreg {
namespace {

using gpu::BackwardCut;
using gpu::BackwardParams;
using gpu::ForwardParams;
using gpu::ForwardPlan;
using gpu::MotifColumns;
using gpu::PreparedMotifs;
using gpu::ScanShape;
using gpu::TileColumns;

constexpr int kOldestCapability = 75;
// Limits of CUDA: blocks in the last two dimensions of a grid.
constexpr int64_t kMostStrips = 65535;
constexpr int64_t kMostMotifs = 4 * int64_t{65535};
constexpr int64_t kMostWidth = int64_t{1} << 20;

GpuError ErrorOf(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return {};
  return std::string(what) + ": " + cudaGetErrorString(status);
}

// Hands out aligned pieces of the workspace; with no memory it only counts.
class Arena {
 public:
  explicit Arena(char* memory) : memory_(memory) {}

  template <class T>
  T* Take(int64_t count) {
    constexpr int64_t kAlignment = 256;
    const int64_t at = bytes_;
    bytes_ += (count * static_cast<int64_t>(sizeof(T)) + kAlignment - 1) / kAlignment * kAlignment;
    return memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + at);
  }
  int64_t bytes() const { return bytes_; }

 private:
  char* memory_;
  int64_t bytes_ = 0;
};

struct Launch {
  PreparedMotifs motifs;
  ScanShape shape;
  BackwardCut cut;
  float* expected;  // occupancy, where slopes are scaled by it
  float* partial_log_kd;
  float* partial_log_concentration;
  float* partial_weight;
  int64_t bytes;
};

// Sizes first, then memory: `motifs.weight` and `partial_weight` are null exactly where there are
// no position weights, so pointers alone tell kernels what to do.
Launch LayOut(const GpuDevice& device, const OccupancyShape& shape, const OccupancyInputs& inputs,
              bool backward, char* workspace) {
  Launch launch = {};
  launch.shape = {shape.sequence_count, shape.length, shape.window_count, shape.first_start,
                  static_cast<int32_t>(shape.width)};
  PreparedMotifs& motifs = launch.motifs;
  const int64_t groups = (shape.motif_count + gpu::kTileMotifs - 1) / gpu::kTileMotifs;
  motifs.motif_count = static_cast<int32_t>(shape.motif_count);
  motifs.tile_count = static_cast<int32_t>(kStrands * groups);
  motifs.step_count = static_cast<int32_t>((shape.width + gpu::kChunkColumns - 1) /
                                           gpu::kChunkColumns * gpu::kChunkSteps);
  motifs.term_count = inputs.compute_type == ComputeType::kFloat32 ? 2 : 1;
  Arena arena(workspace);
  const int64_t tiles = motifs.tile_count;
  motifs.motif = arena.Take<MotifColumns>(shape.motif_count);
  motifs.motif_at = arena.Take<int32_t>(groups * gpu::kTileMotifs);
  motifs.columns = arena.Take<TileColumns>(tiles);
  motifs.offset = arena.Take<float>(tiles * gpu::kTileMotifs);
  motifs.energies = arena.Take<uint4>(tiles * motifs.TileUint4s());
  motifs.sites = arena.Take<gpu::SiteColumns>(tiles * gpu::kTileMotifs);
  if (inputs.weighted) {
    motifs.weight = arena.Take<float>(tiles * shape.window_count * gpu::kTileMotifs);
  }
  if (backward) {
    launch.cut = CutBackward(motifs, launch.shape, device.compute_capability,
                             device.multiprocessor_count, device.shared_memory_per_block);
    if (device.compute_capability < gpu::kSparseCapability) {
      motifs.scale = arena.Take<float>(tiles * gpu::kTileMotifs);
      launch.expected = arena.Take<float>(shape.sequence_count * kStrands * shape.motif_count);
    }
    const int64_t part_tiles = launch.cut.part_count() * tiles;
    launch.partial_log_kd = arena.Take<float>(part_tiles * launch.cut.column_chunks *
                                              gpu::kChunkColumns * kBases * gpu::kTileMotifs);
    launch.partial_log_concentration = arena.Take<float>(part_tiles * gpu::kTileMotifs);
    if (inputs.weighted) {
      launch.partial_weight =
          arena.Take<float>(launch.cut.slice_count * tiles * shape.window_count * gpu::kTileMotifs);
    }
  }
  launch.bytes = arena.bytes();
  return launch;
}

std::string Number(int64_t number) { return std::to_string(number); }

GpuError CheckSizes(const GpuDevice& device, const OccupancyShape& shape) {
  if (device.compute_capability < kOldestCapability) {
    return "GPU: expected compute capability 7.5 or later, got " +
           Number(device.compute_capability / 10) + "." + Number(device.compute_capability % 10) +
           "; place the operation on the CPU";
  }
  if (shape.motif_count > kMostMotifs || shape.width > kMostWidth) {
    return "log_kd: the GPU kernels expect at most " + Number(kMostMotifs) + " motifs of " +
           Number(kMostWidth) + " columns, got " + Number(shape.motif_count) + " of " +
           Number(shape.width) + "; place the operation on the CPU";
  }
  return {};
}

GpuError TooWide(const OccupancyShape& shape, const GpuDevice& device) {
  return "log_kd: motifs of W = " + Number(shape.width) + " columns do not fit into the " +
         Number(device.shared_memory_per_block) +
         " bytes of shared memory of this GPU; use narrower motifs or place the operation on the "
         "CPU";
}

GpuError CheckForward(const GpuDevice& device, const OccupancyShape& shape, const Launch& launch) {
  const ForwardPlan plan = PlanForward(launch.motifs, launch.shape, device.compute_capability,
                                       device.multiprocessor_count, device.shared_memory_per_block);
  return plan.slice_tiles == 0 ? TooWide(shape, device) : GpuError();
}

GpuError CheckBackward(const GpuDevice& device, const OccupancyShape& shape,
                       const OccupancyInputs& inputs, const Launch& launch) {
  const BackwardCut& cut = launch.cut;
  if (static_cast<int64_t>(cut.strip_count) * cut.column_chunks > kMostStrips) {
    return "sequence: sequences of L = " + Number(shape.length) +
           " bases are too long for the gradient on this GPU; cut them, or place the operation on "
           "the CPU";
  }
  const int64_t bytes = ShareBackward(cut, launch.motifs.step_count, inputs.weighted).total();
  return bytes > device.shared_memory_per_block ? TooWide(shape, device) : GpuError();
}

GpuError PrepareMotifs(const Launch& launch, const OccupancyInputs& inputs, cudaStream_t stream) {
  const gpu::PrepareParams params = {launch.motifs,
                                     launch.shape,
                                     inputs.log_kd,
                                     inputs.log_concentration,
                                     inputs.weighted ? inputs.position_weight : nullptr,
                                     inputs.column_range};
  return ErrorOf(Prepare(params, stream), "preparing motifs");
}

// Without weighted outputs, position weights are left alone.
GpuError RunForward(const GpuDevice& device, const Launch& launch, Reduction reduction,
                    const OccupancyInputs& inputs, const OccupancyOutputs& outputs,
                    cudaStream_t stream) {
  PreparedMotifs motifs = launch.motifs;
  if (outputs.weighted == nullptr) motifs.weight = nullptr;
  const ForwardPlan plan = PlanForward(motifs, launch.shape, device.compute_capability,
                                       device.multiprocessor_count, device.shared_memory_per_block);
  const ForwardParams params = {motifs,           launch.shape,
                                plan.slice_tiles, plan.warp_positions,
                                inputs.sequence,  {inputs.span, inputs.span_stride},
                                outputs.bound,    outputs.weighted};
  return ErrorOf(Forward(plan, reduction, params, stream), "the forward kernel");
}

// float16 slopes are scaled by their largest possible value.
GpuError ScaleSlopes(const GpuDevice& device, const Launch& launch, const OccupancyInputs& inputs,
                     const float* bound, const float* weighted, cudaStream_t stream) {
  if (launch.shape.sequence_count > 0) {
    const GpuError error = RunForward(device, launch, Reduction::kExpected, inputs,
                                      {launch.expected, nullptr}, stream);
    if (!error.empty()) return error;
  }
  return ErrorOf(
      gpu::PrepareScale({launch.motifs, launch.shape, launch.expected, bound, weighted}, stream),
      "scaling the gradient");
}

}  // namespace

GpuError FindGpuDevice(int ordinal, GpuDevice* device) {
  int major = 0, minor = 0, multiprocessors = 0, shared_memory = 0;
  const struct {
    int* value;
    cudaDeviceAttr attribute;
  } wanted[] = {{&major, cudaDevAttrComputeCapabilityMajor},
                {&minor, cudaDevAttrComputeCapabilityMinor},
                {&multiprocessors, cudaDevAttrMultiProcessorCount},
                {&shared_memory, cudaDevAttrMaxSharedMemoryPerBlockOptin}};
  for (const auto& each : wanted) {
    const cudaError_t status = cudaDeviceGetAttribute(each.value, each.attribute, ordinal);
    if (status != cudaSuccess) return ErrorOf(status, "reading the GPU's properties");
  }
  int code_capability = 0;
  const cudaError_t status = gpu::FindCodeCapability(&code_capability);
  if (status != cudaSuccess) {
    return ErrorOf(status, "finding kernels for this GPU (CISREG_CUDA_ARCHITECTURES of the build)");
  }
  const int own = 10 * major + minor;
  *device = {own < code_capability ? own : code_capability, multiprocessors, shared_memory};
  return {};
}

GpuError GpuWorkspaceBytes(const GpuDevice& device, const OccupancyShape& shape,
                           const OccupancyInputs& inputs, bool backward, int64_t* bytes) {
  *bytes = 0;
  GpuError error = CheckSizes(device, shape);
  if (!error.empty()) return error;
  const Launch launch = LayOut(device, shape, inputs, backward, nullptr);
  const bool scaled = device.compute_capability < gpu::kSparseCapability;
  if (!backward || scaled) error = CheckForward(device, shape, launch);
  if (backward && error.empty()) error = CheckBackward(device, shape, inputs, launch);
  if (error.empty()) *bytes = launch.bytes;
  return error;
}

GpuError GpuOccupancyForward(const GpuDevice& device, const OccupancyShape& shape,
                             Reduction reduction, const OccupancyInputs& inputs, void* stream,
                             char* workspace, const OccupancyOutputs& outputs) {
  if (shape.sequence_count == 0) return {};
  const Launch launch = LayOut(device, shape, inputs, false, workspace);
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  const GpuError error = PrepareMotifs(launch, inputs, cuda_stream);
  if (!error.empty()) return error;
  return RunForward(device, launch, reduction, inputs,
                    {outputs.bound, inputs.weighted ? outputs.weighted : nullptr}, cuda_stream);
}

GpuError GpuOccupancyBackward(const GpuDevice& device, const OccupancyShape& shape,
                              Reduction reduction, const OccupancyInputs& inputs, void* stream,
                              char* workspace, const OccupancyUpstream& upstream,
                              const OccupancyGradients& gradients) {
  const Launch launch = LayOut(device, shape, inputs, true, workspace);
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  GpuError error = PrepareMotifs(launch, inputs, cuda_stream);
  const float* const weighted = inputs.weighted ? upstream.weighted : nullptr;
  if (error.empty() && launch.motifs.scale != nullptr) {
    error = ScaleSlopes(device, launch, inputs, upstream.bound, weighted, cuda_stream);
  }
  if (!error.empty()) return error;
  BackwardParams params = {};
  params.motifs = launch.motifs;
  params.shape = launch.shape;
  params.cut = launch.cut;
  params.shared = ShareBackward(launch.cut, launch.motifs.step_count, inputs.weighted);
  params.shared.limit = device.shared_memory_per_block;
  params.sequence = inputs.sequence;
  params.bound_gradient = upstream.bound;
  params.weighted_gradient = weighted;
  params.column_range = inputs.column_range;
  params.span = {inputs.span, inputs.span_stride};
  params.partial_log_kd = launch.partial_log_kd;
  params.partial_log_concentration = launch.partial_log_concentration;
  params.partial_weight = launch.partial_weight;
  params.gradients = gradients;
  return ErrorOf(Backward(reduction, params, cuda_stream), "the gradient kernels");
}

}  // namespace cisreg
