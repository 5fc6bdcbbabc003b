#include "tensorflow/exclusive_checks.h"

#include <optional>
#include <string>

#include "tensorflow/tensors.h"

namespace cisreg {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;

ExclusiveOpBase::ExclusiveOpBase(OpKernelConstruction* context) : OpKernel(context) {
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

absl::Status ExclusiveOpBase::CheckInputs(OpKernelContext* context, bool on_host,
                                          exclusive::Problem* problem) const {
  InputDimensions dimensions;
  exclusive::Inputs& inputs = problem->inputs;
  inputs = {};
  const OccupancyAttributes& has = attributes_;
  const ScanPlaces places = {PlaceOfOptional(has.ranges_at(), has.range_count),
                             PlaceOfOptional(has.span_at(), has.span_count),
                             PlaceOfOptional(has.length_at(), has.length_count)};
  TakeScan(context, places, &dimensions, &inputs.scan);
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
  CountInputs(dimensions, &inputs.scan);
  inputs.scan.position_weight = inputs.position_weight;
  if (on_host) TF_RETURN_IF_ERROR(FromCheck(CheckValues(problem->shape, inputs.scan)));
  // The kernels have weights of their own.
  inputs.scan.weight_sets = 0;
  inputs.scan.position_weight = nullptr;
  TF_RETURN_IF_ERROR(FromCheck(exclusive::CheckFootprints(problem->shape, inputs)));
  if (competitor_count_ == 0) return absl::OkStatus();
  inputs.competitor_width = IntegersOf(context, competitors_at());
  inputs.competitor_log_odds = FloatsOf(context, competitors_at() + 1);
  TF_RETURN_IF_ERROR(FromCheck(
      exclusive::CheckCompetitors(DimensionsOf(context->input(competitors_at())),
                                  DimensionsOf(context->input(competitors_at() + 1)), &inputs)));
  return on_host ? FromCheck(exclusive::CheckCompetitorOdds(inputs)) : absl::OkStatus();
}

absl::Status ExclusiveOpBase::AllocateOutputs(OpKernelContext* context,
                                              const exclusive::Problem& problem,
                                              exclusive::Outputs* outputs) const {
  *outputs = {};
  int output = 0;
  TF_RETURN_IF_ERROR(AllocateOutput(context, output++, problem.sums(), &outputs->bound));
  if (problem.weighted()) {
    TF_RETURN_IF_ERROR(AllocateOutput(context, output++, problem.sums(), &outputs->weighted));
  }
  TF_RETURN_IF_ERROR(
      AllocateOutput(context, output++, {problem.shape.sequence_count}, &outputs->log_partition));
  if (!problem.has_competitors()) return absl::OkStatus();
  return AllocateOutput(context, output, problem.competitors(), &outputs->competitors);
}

absl::Status ExclusiveOpBase::CheckUpstream(OpKernelContext* context,
                                            const exclusive::Problem& problem,
                                            exclusive::Upstream* upstream) const {
  *upstream = {};
  int input = upstream_at();
  const auto take = [&](const char* name, const Dimensions& expected, const float** gradient) {
    return TakeInput(context, input++, name, expected, gradient);
  };
  TF_RETURN_IF_ERROR(take("bound_gradient", problem.sums(), &upstream->bound));
  if (problem.weighted()) {
    TF_RETURN_IF_ERROR(take("weighted_gradient", problem.sums(), &upstream->weighted));
  }
  TF_RETURN_IF_ERROR(
      take("log_partition_gradient", {problem.shape.sequence_count}, &upstream->log_partition));
  if (!problem.has_competitors()) return absl::OkStatus();
  return take("competitor_gradient", problem.competitors(), &upstream->competitors);
}

absl::Status ExclusiveOpBase::AllocateGradients(OpKernelContext* context,
                                                const exclusive::Problem& problem,
                                                exclusive::Gradients* gradients) const {
  *gradients = {};
  int output = 0;
  const auto allocate = [&](const Dimensions& sizes, float** gradient) {
    return AllocateOutput(context, output++, sizes, gradient);
  };
  TF_RETURN_IF_ERROR(allocate(DimensionsOf(context->input(1)), &gradients->log_kd));
  TF_RETURN_IF_ERROR(allocate(DimensionsOf(context->input(2)), &gradients->log_concentration));
  if (problem.weighted()) {
    const Dimensions sizes = DimensionsOf(context->input(attributes_.weights_at()));
    TF_RETURN_IF_ERROR(allocate(sizes, &gradients->position_weight));
  }
  if (!problem.has_competitors()) return absl::OkStatus();
  return allocate({problem.inputs.competitor_count}, &gradients->competitors);
}

}  // namespace cisreg
