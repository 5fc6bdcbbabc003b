// GPU kernels of the ops of sites that exclude each other: check, allocate, launch on TensorFlow's
// own stream.
//
// The numbers that say where sites lie are kept on the host, which needs them; the others are not
// checked, as for the occupancy.

#include "cuda/exclusive_launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/exclusive_checks.h"
#include "tensorflow/gpu_execution.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_GPU;
using tensorflow::OpKernelContext;

absl::Status Prepare(OpKernelContext* context, const exclusive::Problem& problem, bool backward,
                     GpuLaunch* launch) {
  const auto bytes = [&](const GpuDevice& device, int64_t* count) {
    return GpuExclusiveWorkspaceBytes(device, problem.shape, problem.inputs, backward, count);
  };
  return PrepareGpuLaunch(context, bytes, launch);
}

class ExclusiveGpuOp : public ExclusiveOpBase {
 public:
  using ExclusiveOpBase::ExclusiveOpBase;

  void Compute(OpKernelContext* context) override {
    exclusive::Problem problem;
    exclusive::Outputs outputs;
    GpuLaunch launch;
    OP_REQUIRES_OK(context, CheckInputs(context, false, &problem));
    OP_REQUIRES_OK(context, AllocateOutputs(context, problem, &outputs));
    if (problem.shape.sequence_count == 0) return;
    OP_REQUIRES_OK(context, Prepare(context, problem, false, &launch));
    OP_REQUIRES_OK(context,
                   FromLaunch(GpuExclusiveForward(launch.device, problem.shape, problem.inputs,
                                                  launch.stream, launch.memory, outputs)));
  }
};

class ExclusiveGradGpuOp : public ExclusiveOpBase {
 public:
  using ExclusiveOpBase::ExclusiveOpBase;

  void Compute(OpKernelContext* context) override {
    exclusive::Problem problem;
    exclusive::Upstream upstream;
    exclusive::Gradients gradients;
    GpuLaunch launch;
    OP_REQUIRES_OK(context, CheckInputs(context, false, &problem));
    OP_REQUIRES_OK(context, CheckUpstream(context, problem, &upstream));
    OP_REQUIRES_OK(context, AllocateGradients(context, problem, &gradients));
    OP_REQUIRES_OK(context, Prepare(context, problem, true, &launch));
    OP_REQUIRES_OK(context, FromLaunch(GpuExclusiveBackward(launch.device, problem.shape,
                                                            problem.inputs, launch.stream,
                                                            launch.memory, upstream, gradients)));
  }
};

REGISTER_KERNEL_BUILDER(Name("Cisreg>ExclusiveOccupancy")
                            .Device(DEVICE_GPU)
                            .HostMemory("column_range")
                            .HostMemory("footprint")
                            .HostMemory("competitor_width"),
                        ExclusiveGpuOp);
REGISTER_KERNEL_BUILDER(Name("Cisreg>ExclusiveOccupancyGrad")
                            .Device(DEVICE_GPU)
                            .HostMemory("column_range")
                            .HostMemory("footprint")
                            .HostMemory("competitor_width"),
                        ExclusiveGradGpuOp);

}  // namespace
}  // namespace cisreg
