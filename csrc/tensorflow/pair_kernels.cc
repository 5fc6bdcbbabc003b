// CPU kernels of the ops of pairs of factors: check, allocate, launch.

#include <string>

#include "pairs/checks.h"
#include "pairs/launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/execution.h"
#include "tensorflow/tensors.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_CPU;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;

struct Problem {
  OccupancyShape shape;
  pairs::Inputs inputs;
};

// What both ops share: attributes, checks, launches.
class PairOpBase : public OpKernel {
 public:
  explicit PairOpBase(OpKernelConstruction* context) : OpKernel(context) {
    std::string padding;
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
    same_padding_ = padding == "same";
    OP_REQUIRES_OK(context, context->GetAttr("distance", &distance_));
    OP_REQUIRES_OK(context, ReadCount(context, "range_count", &range_count_));
    OP_REQUIRES_OK(context, ReadCount(context, "span_count", &span_count_));
  }

 protected:
  absl::Status CheckInputs(OpKernelContext* context, Problem* problem) const {
    InputDimensions dimensions;
    pairs::Inputs& inputs = problem->inputs;
    inputs = {};
    const ScanPlaces places = {PlaceOfOptional(ranges_at(), range_count_),
                               PlaceOfOptional(span_at(), span_count_), -1};
    TakeScan(context, places, &dimensions, &inputs.scan);
    TF_RETURN_IF_ERROR(FromCheck(CheckDimensions(dimensions, same_padding_, &problem->shape)));
    CountInputs(dimensions, &inputs.scan);
    inputs.effect = FloatsOf(context, 3);
    inputs.pair = IntegersOf(context, 4);
    inputs.distance = distance_;
    TF_RETURN_IF_ERROR(
        FromCheck(pairs::CheckPairs(dimensions, DimensionsOf(context->input(4)),
                                    DimensionsOf(context->input(3)), problem->shape, &inputs)));
    return FromCheck(CheckValues(problem->shape, inputs.scan));
  }

  int upstream_at() const { return span_at() + span_count_; }

 private:
  int ranges_at() const { return 5; }
  int span_at() const { return ranges_at() + range_count_; }

  bool same_padding_ = true;
  int64_t distance_ = 0;
  int range_count_ = 0;
  int span_count_ = 0;
};

class PairOp : public PairOpBase {
 public:
  using PairOpBase::PairOpBase;

  void Compute(OpKernelContext* context) override {
    Problem problem;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    float* score = nullptr;
    OP_REQUIRES_OK(context, AllocateOutput(context, 0, {problem.shape.sequence_count}, &score));
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
    Problem problem;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    const float* upstream = nullptr;
    OP_REQUIRES_OK(context, TakeInput(context, upstream_at(), "score_gradient",
                                      {problem.shape.sequence_count}, &upstream));
    pairs::Gradients gradients = {};
    float** const outputs[] = {&gradients.log_kd, &gradients.log_concentration, &gradients.effect};
    for (int i = 0; i < 3; ++i) {
      const Dimensions sizes = DimensionsOf(context->input(1 + i));
      OP_REQUIRES_OK(context, AllocateOutput(context, i, sizes, outputs[i]));
    }
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
