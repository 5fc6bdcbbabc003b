// CPU kernels of the ops of sites that exclude each other: check, allocate, launch.

#include "exclusive/launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/exclusive_checks.h"
#include "tensorflow/execution.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_CPU;
using tensorflow::OpKernelContext;

class ExclusiveOp : public ExclusiveOpBase {
 public:
  using ExclusiveOpBase::ExclusiveOpBase;

  void Compute(OpKernelContext* context) override {
    exclusive::Problem problem;
    exclusive::Outputs outputs;
    OP_REQUIRES_OK(context, CheckInputs(context, true, &problem));
    OP_REQUIRES_OK(context, AllocateOutputs(context, problem, &outputs));
    if (problem.shape.sequence_count == 0) return;
    StartLaunch<exclusive::Launch>(context, problem, false,
                                   [&](auto* launch, const Executor& executor, char* memory) {
                                     launch->Forward(executor, memory, outputs);
                                   });
  }
};

class ExclusiveGradOp : public ExclusiveOpBase {
 public:
  using ExclusiveOpBase::ExclusiveOpBase;

  void Compute(OpKernelContext* context) override {
    exclusive::Problem problem;
    exclusive::Upstream upstream;
    exclusive::Gradients gradients;
    OP_REQUIRES_OK(context, CheckInputs(context, true, &problem));
    OP_REQUIRES_OK(context, CheckUpstream(context, problem, &upstream));
    OP_REQUIRES_OK(context, AllocateGradients(context, problem, &gradients));
    StartLaunch<exclusive::Launch>(context, problem, true,
                                   [&](auto* launch, const Executor& executor, char* memory) {
                                     launch->Backward(executor, memory, upstream, gradients);
                                   });
  }
};

REGISTER_KERNEL_BUILDER(Name("Cisreg>ExclusiveOccupancy").Device(DEVICE_CPU), ExclusiveOp);
REGISTER_KERNEL_BUILDER(Name("Cisreg>ExclusiveOccupancyGrad").Device(DEVICE_CPU), ExclusiveGradOp);

}  // namespace
}  // namespace cisreg
