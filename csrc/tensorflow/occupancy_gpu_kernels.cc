// GPU kernels of the occupancy ops: check, allocate, launch on TensorFlow's own stream.
//
// Values are not checked: they are on the device, and reading them would mean waiting for it. The
// CUDA kernels add in a fixed order, so results are deterministic with or without TensorFlow's op
// determinism.

#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/gpu_execution.h"
#include "tensorflow/occupancy_checks.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_GPU;
using tensorflow::OpKernelContext;

absl::Status Prepare(OpKernelContext* context, const OccupancyProblem& problem, bool backward,
                     GpuLaunch* launch) {
  const auto bytes = [&](const GpuDevice& device, int64_t* count) {
    return GpuWorkspaceBytes(device, problem.shape, problem.inputs, backward, count);
  };
  return PrepareGpuLaunch(context, bytes, launch);
}

class OccupancyGpuOp : public OccupancyOpBase {
 public:
  using OccupancyOpBase::OccupancyOpBase;

  void Compute(OpKernelContext* context) override {
    OccupancyProblem problem;
    OccupancyOutputs outputs;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    OP_REQUIRES_OK(context, AllocateOutputs(context, problem, &outputs));
    if (problem.shape.sequence_count == 0) return;
    GpuLaunch launch;
    OP_REQUIRES_OK(context, Prepare(context, problem, false, &launch));
    OP_REQUIRES_OK(context, FromLaunch(GpuOccupancyForward(launch.device, problem.shape,
                                                           problem.reduction, problem.inputs,
                                                           launch.stream, launch.memory, outputs)));
  }
};

class OccupancyGradGpuOp : public OccupancyOpBase {
 public:
  using OccupancyOpBase::OccupancyOpBase;

  void Compute(OpKernelContext* context) override {
    OccupancyProblem problem;
    OccupancyUpstream upstream;
    OccupancyGradients gradients;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    OP_REQUIRES_OK(context, CheckUpstream(context, problem, &upstream));
    OP_REQUIRES_OK(context, AllocateGradients(context, problem, &gradients));
    GpuLaunch launch;
    OP_REQUIRES_OK(context, Prepare(context, problem, true, &launch));
    OP_REQUIRES_OK(context, FromLaunch(GpuOccupancyBackward(
                                launch.device, problem.shape, problem.reduction, problem.inputs,
                                launch.stream, launch.memory, upstream, gradients)));
  }
};

REGISTER_KERNEL_BUILDER(Name("Cisreg>Occupancy").Device(DEVICE_GPU), OccupancyGpuOp);
REGISTER_KERNEL_BUILDER(Name("Cisreg>OccupancyGrad").Device(DEVICE_GPU), OccupancyGradGpuOp);

}  // namespace
}  // namespace cisreg
