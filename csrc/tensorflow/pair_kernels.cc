// CPU kernels of the ops of pairs of factors: check, allocate, launch.

#include "pairs/checks.h"
#include "pairs/launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/execution.h"
#include "tensorflow/occupancy_attributes.h"
#include "tensorflow/pair_checks.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_CPU;
using tensorflow::OpKernelContext;

absl::Status CheckNumbers(const pairs::Problem& problem) {
  TF_RETURN_IF_ERROR(FromCheck(pairs::CheckPairPlaces(problem.shape, problem.inputs)));
  return FromCheck(CheckValues(problem.shape, problem.inputs.scan));
}

class PairOp : public PairOpBase {
 public:
  using PairOpBase::PairOpBase;

  void Compute(OpKernelContext* context) override {
    pairs::Problem problem;
    float* score = nullptr;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    OP_REQUIRES_OK(context, CheckNumbers(problem));
    OP_REQUIRES_OK(context, AllocateScore(context, problem, &score));
    StartLaunch<pairs::Launch>(context, problem, false,
                               [&](auto* launch, const Executor& executor, char* memory) {
                                 launch->Forward(executor, memory, score);
                               });
  }
};

class PairGradOp : public PairOpBase {
 public:
  using PairOpBase::PairOpBase;

  void Compute(OpKernelContext* context) override {
    pairs::Problem problem;
    const float* upstream = nullptr;
    pairs::Gradients gradients;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    OP_REQUIRES_OK(context, CheckNumbers(problem));
    OP_REQUIRES_OK(context, CheckUpstream(context, problem, &upstream));
    OP_REQUIRES_OK(context, AllocateGradients(context, &gradients));
    StartLaunch<pairs::Launch>(context, problem, true,
                               [&](auto* launch, const Executor& executor, char* memory) {
                                 launch->Backward(executor, memory, upstream, gradients);
                               });
  }
};

REGISTER_KERNEL_BUILDER(Name("Cisreg>PairEffects").Device(DEVICE_CPU), PairOp);
REGISTER_KERNEL_BUILDER(Name("Cisreg>PairEffectsGrad").Device(DEVICE_CPU), PairGradOp);

}  // namespace
}  // namespace cisreg
