// CPU kernels of the ops of sites that exclude each other: check, allocate, launch.

#include <optional>
#include <string>

#include "exclusive/checks.h"
#include "exclusive/launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/execution.h"
#include "tensorflow/occupancy_attributes.h"
#include "tensorflow/tensors.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_CPU;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;

struct Problem {
  OccupancyShape shape;
  exclusive::Inputs inputs;

  Dimensions sums() const { return {shape.sequence_count, kStrands, shape.motif_count}; }
  Dimensions competitors() const { return {shape.sequence_count, inputs.competitor_count}; }
  bool has_competitors() const { return inputs.competitor_width != nullptr; }
};

// What both ops share: attributes, checks, launches.
class ExclusiveOpBase : public OpKernel {
 public:
  explicit ExclusiveOpBase(OpKernelConstruction* context) : OpKernel(context) {
    std::string padding;
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
    attributes_.same_padding = padding == "same";
    OP_REQUIRES_OK(context, ReadCount(context, "weight_count", &attributes_.weight_count));
    OP_REQUIRES_OK(context, ReadCount(context, "range_count", &attributes_.range_count));
    OP_REQUIRES_OK(context, ReadCount(context, "span_count", &attributes_.span_count));
    OP_REQUIRES_OK(context, ReadCount(context, "length_count", &attributes_.length_count));
    OP_REQUIRES_OK(context, ReadCount(context, "footprint_count", &footprint_count_));
    OP_REQUIRES_OK(context, ReadCount(context, "competitor_count", &competitor_count_));
  }

 protected:
  absl::Status CheckInputs(OpKernelContext* context, Problem* problem) const {
    InputDimensions dimensions;
    exclusive::Inputs& inputs = problem->inputs;
    inputs = {};
    OccupancyInputs& scan = inputs.scan;
    const OccupancyAttributes& has = attributes_;
    const ScanPlaces places = {PlaceOfOptional(has.ranges_at(), has.range_count),
                               PlaceOfOptional(has.span_at(), has.span_count),
                               PlaceOfOptional(has.length_at(), has.length_count)};
    TakeScan(context, places, &dimensions, &scan);
    if (has.weight_count > 0) {
      dimensions.position_weight = DimensionsOf(context->input(has.weights_at()));
      inputs.position_weight = FloatsOf(context, has.weights_at());
    }
    TF_RETURN_IF_ERROR(
        FromCheck(CheckDimensions(dimensions, attributes_.same_padding, &problem->shape)));
    std::optional<Dimensions> footprint;
    if (footprint_count_ > 0) {
      footprint = DimensionsOf(context->input(footprint_at()));
      inputs.footprint = IntegersOf(context, footprint_at());
    }
    TF_RETURN_IF_ERROR(
        FromCheck(exclusive::CheckExclusiveDimensions(dimensions, footprint, problem->shape)));
    CountInputs(dimensions, &scan);
    scan.position_weight = inputs.position_weight;
    TF_RETURN_IF_ERROR(FromCheck(CheckValues(problem->shape, scan)));
    // The kernels have weights of their own.
    scan.weight_sets = 0;
    scan.position_weight = nullptr;
    TF_RETURN_IF_ERROR(FromCheck(exclusive::CheckFootprints(problem->shape, inputs)));
    if (competitor_count_ == 0) return absl::OkStatus();
    inputs.competitor_width = IntegersOf(context, competitors_at());
    inputs.competitor_log_odds = FloatsOf(context, competitors_at() + 1);
    return FromCheck(exclusive::CheckCompetitors(DimensionsOf(context->input(competitors_at())),
                                                 DimensionsOf(context->input(competitors_at() + 1)),
                                                 &inputs));
  }

  int competitors_at() const { return footprint_at() + footprint_count_; }
  int upstream_at() const { return competitors_at() + 2 * competitor_count_; }

 private:
  int footprint_at() const { return attributes_.upstream_at(); }

  OccupancyAttributes attributes_;
  int footprint_count_ = 0;
  int competitor_count_ = 0;
};

class ExclusiveOp : public ExclusiveOpBase {
 public:
  using ExclusiveOpBase::ExclusiveOpBase;

  void Compute(OpKernelContext* context) override {
    Problem problem;
    exclusive::Outputs outputs = {};
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    int output = 0;
    OP_REQUIRES_OK(context, AllocateOutput(context, output++, problem.sums(), &outputs.bound));
    if (problem.inputs.position_weight != nullptr) {
      OP_REQUIRES_OK(context, AllocateOutput(context, output++, problem.sums(), &outputs.weighted));
    }
    OP_REQUIRES_OK(context, AllocateOutput(context, output++, {problem.shape.sequence_count},
                                           &outputs.log_partition));
    if (problem.has_competitors()) {
      OP_REQUIRES_OK(context,
                     AllocateOutput(context, output, problem.competitors(), &outputs.competitors));
    }
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
    Problem problem;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    const bool weighted = problem.inputs.position_weight != nullptr;
    exclusive::Upstream upstream = {};
    int input = upstream_at();
    const auto take = [&](const char* name, const Dimensions& expected, const float** gradient) {
      return TakeInput(context, input++, name, expected, gradient);
    };
    OP_REQUIRES_OK(context, take("bound_gradient", problem.sums(), &upstream.bound));
    if (weighted) {
      OP_REQUIRES_OK(context, take("weighted_gradient", problem.sums(), &upstream.weighted));
    }
    OP_REQUIRES_OK(context, take("log_partition_gradient", {problem.shape.sequence_count},
                                 &upstream.log_partition));
    if (problem.has_competitors()) {
      OP_REQUIRES_OK(context,
                     take("competitor_gradient", problem.competitors(), &upstream.competitors));
    }
    exclusive::Gradients gradients = {};
    OP_REQUIRES_OK(context,
                   AllocateOutput(context, 0, DimensionsOf(context->input(1)), &gradients.log_kd));
    OP_REQUIRES_OK(context, AllocateOutput(context, 1, DimensionsOf(context->input(2)),
                                           &gradients.log_concentration));
    if (weighted) {
      OP_REQUIRES_OK(context, AllocateOutput(context, 2, DimensionsOf(context->input(3)),
                                             &gradients.position_weight));
    }
    if (problem.has_competitors()) {
      OP_REQUIRES_OK(context,
                     AllocateOutput(context, weighted ? 3 : 2, {problem.inputs.competitor_count},
                                    &gradients.competitors));
    }
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
