// GPU kernels of the ops of pairs of factors: check, allocate, launch on TensorFlow's own stream.
//
// Values are not checked, as for the occupancy.

#include "cuda/pair_launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/gpu_execution.h"
#include "tensorflow/pair_checks.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_GPU;
using tensorflow::OpKernelContext;

absl::Status Prepare(OpKernelContext* context, const pairs::Problem& problem, bool backward,
                     GpuLaunch* launch) {
  const auto bytes = [&](const GpuDevice& device, int64_t* count) {
    return GpuPairWorkspaceBytes(device, problem.shape, problem.inputs, backward, count);
  };
  return PrepareGpuLaunch(context, bytes, launch);
}

class PairGpuOp : public PairOpBase {
 public:
  using PairOpBase::PairOpBase;

  void Compute(OpKernelContext* context) override {
    pairs::Problem problem;
    GpuLaunch launch;
    float* score = nullptr;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    OP_REQUIRES_OK(context, AllocateScore(context, problem, &score));
    if (problem.shape.sequence_count == 0) return;
    OP_REQUIRES_OK(context, Prepare(context, problem, false, &launch));
    OP_REQUIRES_OK(context, FromLaunch(GpuPairForward(problem.shape, problem.inputs, launch.stream,
                                                      launch.memory, score)));
  }
};

class PairGradGpuOp : public PairOpBase {
 public:
  using PairOpBase::PairOpBase;

  void Compute(OpKernelContext* context) override {
    pairs::Problem problem;
    GpuLaunch launch;
    const float* upstream = nullptr;
    pairs::Gradients gradients;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    OP_REQUIRES_OK(context, CheckUpstream(context, problem, &upstream));
    OP_REQUIRES_OK(context, AllocateGradients(context, &gradients));
    OP_REQUIRES_OK(context, Prepare(context, problem, true, &launch));
    OP_REQUIRES_OK(context, FromLaunch(GpuPairBackward(problem.shape, problem.inputs, launch.stream,
                                                       launch.memory, upstream, gradients)));
  }
};

REGISTER_KERNEL_BUILDER(Name("Cisreg>PairEffects").Device(DEVICE_GPU), PairGpuOp);
REGISTER_KERNEL_BUILDER(Name("Cisreg>PairEffectsGrad").Device(DEVICE_GPU), PairGradGpuOp);

}  // namespace
}  // namespace cisreg
