// The steps of a launch: check the limits of the device, lay out the workspace, prepare the motifs,
// run the kernels.

#include <algorithm>

#include "arena.h"
#include "backward.cuh"
#include "conditions.cuh"
#include "forward.cuh"
#include "launch.h"
#include "prepare.cuh"
#include "scan_launch.h"

namespace cisreg {
namespace {

using gpu::Arena;
using gpu::BackwardParams;
using gpu::BackwardProblem;
using gpu::BackwardShared;
using gpu::CheckSizes;
using gpu::ErrorOf;
using gpu::ForwardLaunch;
using gpu::ForwardParams;
using gpu::ForwardPlan;
using gpu::Number;
using gpu::PreparedMotifs;
using gpu::ScanShape;

struct Launch {
  PreparedMotifs motifs;
  ScanShape shape;
  gpu::BackwardSplit split;
  BackwardShared shared;
  uint64_t* sort_keys;
  float* largest;   // log concentration of each motif under all conditions, where they differ
  float* expected;  // occupancy, where slopes are scaled by it
  float* forward_scratch;  // sums of strips
  gpu::GradientParts parts;
  gpu::ConcentrationParams concentration;  // its gradient, where concentrations differ
  cudaError_t status;                      // of asking the runtime
  int64_t bytes;
};

ForwardPlan PlanFor(const GpuDevice& device, const PreparedMotifs& motifs, const ScanShape& shape,
                    bool weighted) {
  return PlanForward(motifs, shape, weighted, device.compute_capability,
                     device.multiprocessor_count, device.shared_memory_per_block);
}

// What the forward kernel needs for the sums of strips, whether or not there will be lengths: who
// asks for the size may not have them yet.
int64_t ForwardFloats(const GpuDevice& device, const Launch& launch, bool weighted) {
  int64_t most = 0;
  ScanShape shape = launch.shape;
  const int32_t some = 0;
  for (const int32_t* lengths : {static_cast<const int32_t*>(nullptr), &some}) {
    shape.own_length = lengths;
    const ForwardPlan plan = PlanFor(device, launch.motifs, shape, weighted);
    most = std::max(most, ForwardScratchFloats(plan, launch.motifs, shape, weighted));
  }
  return most;
}

// Takes memory for the gradient of concentrations that differ.
void LayOutConcentrations(Arena* arena, Launch* launch) {
  const ScanShape& shape = launch->shape;
  gpu::ConcentrationParams& params = launch->concentration;
  params.motifs = launch->motifs;
  params.conditions = shape.conditions;
  params.sequence_count = shape.sequence_count;
  params.strips = shape.window_count > 0 ? launch->split.strip_count : 0;
  if (shape.conditions.own != nullptr) {
    constexpr int32_t kNumberBits = 32;
    params.sorted = {arena->Take<uint64_t>(2 * shape.sequence_count),
                     arena->Take<int32_t>(shape.sequence_count),
                     static_cast<int32_t>(shape.sequence_count), kNumberBits};
  }
  const int64_t columns = params.Columns();
  params.totals = arena->Take<float>(params.Rows() * columns);
  params.parts = arena->Take<float>(ConcentrationParts(params) * columns);
}

// Cuts the gradient's work and takes memory for what it writes in between.
void LayOutBackward(const GpuDevice& device, Arena* arena, Launch* launch) {
  PreparedMotifs& motifs = launch->motifs;
  const ScanShape& shape = launch->shape;
  const int64_t tiles = motifs.tile_count;
  if (device.compute_capability < gpu::kSparseCapability) {
    motifs.scale = arena->Take<float>(tiles * gpu::kTileMotifs);
    launch->expected = arena->Take<float>(shape.sequence_count * shape.conditions.Each() *
                                          kStrands * motifs.motif_count);
  }
  const bool differ = shape.conditions.Differ();
  const BackwardProblem problem = {shape.sequence_count,
                                   shape.window_count,
                                   motifs.tile_count,
                                   motifs.step_count,
                                   motifs.term_count,
                                   motifs.weight_sets,
                                   shape.conditions.Each(),
                                   differ || motifs.weight_sets > 1,
                                   differ,
                                   device.compute_capability,
                                   device.shared_memory_per_block};
  launch->status =
      PlanBackward(problem, device.multiprocessor_count, &launch->split, &launch->shared);
  launch->parts = gpu::LayOutParts(launch->split, motifs, arena);
  if (differ) LayOutConcentrations(arena, launch);
}

// Sizes first, then memory: `motifs.weight` and `parts.weight` are null exactly where there are
// no position weights, so pointers alone tell kernels what to do.
Launch LayOut(const GpuDevice& device, const OccupancyShape& shape, const OccupancyInputs& inputs,
              bool backward, char* workspace) {
  Launch launch = {};
  launch.shape = gpu::ScanShapeOf(shape, inputs);
  Arena arena(workspace);
  launch.motifs = gpu::LayOutMotifs(shape, inputs, &arena, &launch.sort_keys);
  PreparedMotifs& motifs = launch.motifs;
  const int64_t tiles = motifs.tile_count;
  if (launch.shape.conditions.Differ()) {
    launch.largest = arena.Take<float>(shape.motif_count);
    motifs.relative = arena.Take<float>(inputs.condition_count * tiles * gpu::kTileMotifs);
  }
  // Before the gradient the forward kernel has no weights.
  if (!backward || device.compute_capability < gpu::kSparseCapability) {
    launch.forward_scratch =
        arena.Take<float>(ForwardFloats(device, launch, inputs.weighted() && !backward));
  }
  if (backward) LayOutBackward(device, &arena, &launch);
  launch.bytes = arena.bytes();
  return launch;
}

// The same where one set of position weights, or one condition, may fit.
GpuError TooMany(const OccupancyShape& shape, const GpuDevice& device, const Launch& launch) {
  const int64_t sets = launch.motifs.weight_sets, conditions = launch.shape.conditions.Each();
  const std::string of_sets =
      "K = " + Number(sets) + " sets of weights of P = " + Number(shape.window_count) + " windows";
  const std::string of_conditions = "C = " + Number(conditions) + " conditions of each sequence";
  std::string what = "position_weight: " + of_sets;
  if (sets == 0) what = "log_concentration: " + of_conditions;
  if (sets > 0 && conditions > 1) {
    what = "position_weight, log_concentration: " + of_sets + " under " + of_conditions;
  }
  return what + ", with motifs of W = " + Number(shape.width) + " columns, do not fit into the " +
         Number(device.shared_memory_per_block) +
         " bytes of shared memory of this GPU; use fewer of them, shorter sequences or narrower "
         "motifs, or place the operation on the CPU";
}

GpuError TooLarge(const OccupancyShape& shape, const GpuDevice& device, const Launch& launch) {
  const bool several = launch.motifs.weight_sets > 1 || launch.shape.conditions.Differ();
  return several ? TooMany(shape, device, launch) : gpu::TooWide(shape, device);
}

GpuError CheckForward(const GpuDevice& device, const OccupancyShape& shape, const Launch& launch,
                      bool weighted) {
  const ForwardPlan plan = PlanFor(device, launch.motifs, launch.shape, weighted);
  return plan.slice_count == 0 ? TooLarge(shape, device, launch) : GpuError();
}

GpuError CheckBackward(const GpuDevice& device, const OccupancyShape& shape, const Launch& launch) {
  return launch.shared.total > device.shared_memory_per_block ? TooLarge(shape, device, launch)
                                                              : GpuError();
}

// Why the device cannot run one direction of the problem, by sizes alone.
GpuError CheckDirection(const GpuDevice& device, const OccupancyShape& shape, const Launch& launch,
                        bool weighted, bool backward) {
  GpuError error;
  const bool scaled = device.compute_capability < gpu::kSparseCapability;
  if (!backward || scaled) error = CheckForward(device, shape, launch, weighted && !backward);
  if (backward && error.empty()) error = CheckBackward(device, shape, launch);
  return error;
}

GpuError CheckAnswer(const Launch& launch) {
  return ErrorOf(launch.status, "asking how many blocks of the gradient kernel fit");
}

GpuError PrepareMotifs(const Launch& launch, const OccupancyInputs& inputs, cudaStream_t stream) {
  const bool differ = launch.shape.conditions.Differ();
  const gpu::ConditionParams conditions = {launch.motifs, launch.shape.conditions.count,
                                           inputs.log_concentration, launch.largest};
  const gpu::PrepareParams params = {launch.motifs,
                                     launch.shape,
                                     launch.sort_keys,
                                     inputs.log_kd,
                                     differ ? launch.largest : inputs.log_concentration,
                                     inputs.weighted() ? inputs.position_weight : nullptr,
                                     inputs.column_range};
  cudaError_t status = differ ? FindLargest(conditions, stream) : cudaSuccess;
  if (status == cudaSuccess) status = Prepare(params, stream);
  if (status == cudaSuccess && differ) status = FillRelative(conditions, stream);
  return ErrorOf(status, "preparing motifs");
}

// Without weighted outputs, position weights are left alone.
GpuError RunForward(const GpuDevice& device, const Launch& launch, Reduction reduction,
                    const OccupancyInputs& inputs, const OccupancyOutputs& outputs,
                    cudaStream_t stream) {
  ForwardParams params = {};
  params.motifs = launch.motifs;
  params.shape = launch.shape;
  params.sequence = inputs.sequence;
  params.span = {inputs.span, inputs.span_stride};
  params.bound = outputs.bound;
  params.weighted = outputs.weighted;
  const bool weighted = outputs.weighted != nullptr;
  const ForwardLaunch forward = {PlanFor(device, launch.motifs, launch.shape, weighted),
                                 device.compute_capability >= gpu::kSparseCapability,
                                 device.multiprocessor_count, device.shared_memory_per_block,
                                 launch.forward_scratch};
  return ErrorOf(Forward(forward, reduction, params, stream), "the forward kernel");
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

GpuError GpuRefusal(const GpuDevice& device, const OccupancyShape& shape,
                    const OccupancyInputs& inputs) {
  GpuError error = CheckSizes(device, shape);
  for (const bool backward : {false, true}) {
    if (!error.empty()) return error;
    const Launch launch = LayOut(device, shape, inputs, backward, nullptr);
    error = CheckDirection(device, shape, launch, inputs.weighted(), backward);
  }
  return error;
}

GpuError GpuWorkspaceBytes(const GpuDevice& device, const OccupancyShape& shape,
                           const OccupancyInputs& inputs, bool backward, int64_t* bytes) {
  *bytes = 0;
  GpuError error = CheckSizes(device, shape);
  if (!error.empty()) return error;
  const Launch launch = LayOut(device, shape, inputs, backward, nullptr);
  error = CheckDirection(device, shape, launch, inputs.weighted(), backward);
  if (error.empty()) error = CheckAnswer(launch);
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
                    {outputs.bound, inputs.weighted() ? outputs.weighted : nullptr}, cuda_stream);
}

GpuError GpuOccupancyBackward(const GpuDevice& device, const OccupancyShape& shape,
                              Reduction reduction, const OccupancyInputs& inputs, void* stream,
                              char* workspace, const OccupancyUpstream& upstream,
                              const OccupancyGradients& gradients) {
  const Launch launch = LayOut(device, shape, inputs, true, workspace);
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  GpuError error = CheckBackward(device, shape, launch);
  if (error.empty()) error = CheckAnswer(launch);
  if (error.empty()) error = PrepareMotifs(launch, inputs, cuda_stream);
  const float* const weighted = inputs.weighted() ? upstream.weighted : nullptr;
  if (error.empty() && launch.motifs.scale != nullptr) {
    error = ScaleSlopes(device, launch, inputs, upstream.bound, weighted, cuda_stream);
  }
  if (!error.empty()) return error;
  BackwardParams params = {};
  params.motifs = launch.motifs;
  params.shape = launch.shape;
  params.split = launch.split;
  params.shared = launch.shared;
  params.sequence = inputs.sequence;
  params.bound_gradient = upstream.bound;
  params.weighted_gradient = weighted;
  params.column_range = inputs.column_range;
  params.span = {inputs.span, inputs.span_stride};
  params.parts = launch.parts;
  params.item_totals = launch.concentration.totals;
  params.gradients = gradients;
  error = ErrorOf(Backward(reduction, params, device.shared_memory_per_block, cuda_stream),
                  "the gradient kernels");
  if (!error.empty() || !launch.shape.conditions.Differ()) return error;
  gpu::ConcentrationParams concentration = launch.concentration;
  concentration.gradient = gradients.log_concentration;
  return ErrorOf(SumConcentrations(concentration, cuda_stream), "the gradient of concentrations");
}

}  // namespace cisreg
