// GPU kernels of the occupancy ops: check, allocate, launch on TensorFlow's own stream.
//
// Values are not checked: they are on the device, and reading them would mean waiting for it. The
// CUDA kernels add in a fixed order, so results are deterministic with or without TensorFlow's op
// determinism.

#include "common/gpu_devices.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/occupancy_checks.h"
#include "xla/stream_executor/stream.h"
#include "xla/stream_executor/stream_executor.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_GPU;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

absl::Status FromLaunch(const GpuError& error) {
  return error.empty() ? absl::OkStatus() : absl::InternalError(error);
}

// What both ops share on a GPU: the device, its stream, and memory on it.
class OccupancyGpuOpBase : public OccupancyOpBase {
 public:
  using OccupancyOpBase::OccupancyOpBase;

 protected:
  struct Launch {
    GpuDevice device;
    void* stream;  // cudaStream_t
    Tensor workspace;
    char* memory;
  };

  static absl::Status Prepare(OpKernelContext* context, const OccupancyProblem& problem,
                              bool backward, Launch* launch) {
    stream_executor::Stream* const stream = context->op_device_context()->stream();
    launch->stream = stream->platform_specific_handle().stream;
    GpuError error = KnownGpuDevice(stream->parent()->device_ordinal(), &launch->device);
    if (!error.empty()) return absl::UnimplementedError(error);
    int64_t bytes = 0;
    error = GpuWorkspaceBytes(launch->device, problem.shape, problem.inputs, backward, &bytes);
    if (!error.empty()) return absl::UnimplementedError(error);
    // Freed when the op returns, though the kernels still run: whoever gets the memory next writes
    // to it on the same stream.
    TF_RETURN_IF_ERROR(
        context->allocate_temp(tensorflow::DT_INT8, TensorShape({bytes}), &launch->workspace));
    launch->memory = reinterpret_cast<char*>(launch->workspace.flat<int8_t>().data());
    return absl::OkStatus();
  }
};

class OccupancyGpuOp : public OccupancyGpuOpBase {
 public:
  using OccupancyGpuOpBase::OccupancyGpuOpBase;

  void Compute(OpKernelContext* context) override {
    OccupancyProblem problem;
    OccupancyOutputs outputs;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    OP_REQUIRES_OK(context, AllocateOutputs(context, problem, &outputs));
    if (problem.shape.sequence_count == 0) return;
    Launch launch;
    OP_REQUIRES_OK(context, Prepare(context, problem, false, &launch));
    OP_REQUIRES_OK(context, FromLaunch(GpuOccupancyForward(launch.device, problem.shape,
                                                           problem.reduction, problem.inputs,
                                                           launch.stream, launch.memory, outputs)));
  }
};

class OccupancyGradGpuOp : public OccupancyGpuOpBase {
 public:
  using OccupancyGpuOpBase::OccupancyGpuOpBase;

  void Compute(OpKernelContext* context) override {
    OccupancyProblem problem;
    OccupancyUpstream upstream;
    OccupancyGradients gradients;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    OP_REQUIRES_OK(context, CheckUpstream(context, problem, &upstream));
    OP_REQUIRES_OK(context, AllocateGradients(context, problem, &gradients));
    Launch launch;
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
