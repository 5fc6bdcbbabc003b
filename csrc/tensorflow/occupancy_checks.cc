#include "tensorflow/occupancy_checks.h"

namespace cisreg {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

namespace {

Dimensions DimensionsOf(const Tensor& tensor) {
  const auto sizes = tensor.shape().dim_sizes();
  return {sizes.begin(), sizes.end()};
}

absl::Status Allocate(OpKernelContext* context, int output, const Dimensions& dimensions,
                      float** memory) {
  Tensor* tensor = nullptr;
  TF_RETURN_IF_ERROR(context->allocate_output(output, TensorShape(dimensions), &tensor));
  *memory = tensor->flat<float>().data();
  return absl::OkStatus();
}

}  // namespace

OccupancyOpBase::OccupancyOpBase(OpKernelConstruction* context) : OpKernel(context) {
  OP_REQUIRES_OK(context, ReadAttributes(context, &attributes_));
}

InputDimensions OccupancyOpBase::DimensionsOfInputs(OpKernelContext* context) const {
  return ArrangeDimensions(attributes_, [&](int i) { return DimensionsOf(context->input(i)); });
}

absl::Status OccupancyOpBase::CheckInputs(OpKernelContext* context,
                                          OccupancyProblem* problem) const {
  const auto floats = [&](int i) { return context->input(i).flat<float>().data(); };
  const auto integers = [&](int i) { return context->input(i).flat<int32_t>().data(); };
  const InputDimensions dimensions = DimensionsOfInputs(context);
  TF_RETURN_IF_ERROR(
      FromCheck(CheckDimensions(dimensions, attributes_.same_padding, &problem->shape)));
  problem->reduction = attributes_.reduction;
  OccupancyInputs& inputs = problem->inputs;
  inputs = {};
  inputs.compute_type = attributes_.compute_type;
  inputs.sequence = context->input(0).flat<uint8_t>().data();
  inputs.log_kd = floats(1);
  inputs.log_concentration = floats(2);
  CountInputs(dimensions, &inputs);
  if (inputs.weighted()) inputs.position_weight = floats(attributes_.weights_at());
  if (dimensions.column_range) inputs.column_range = integers(attributes_.ranges_at());
  if (dimensions.span) inputs.span = integers(attributes_.span_at());
  if (dimensions.length) inputs.length = integers(attributes_.length_at());
  if (dimensions.condition) inputs.condition = integers(attributes_.condition_at());
  return absl::OkStatus();
}

absl::Status OccupancyOpBase::AllocateOutputs(OpKernelContext* context,
                                              const OccupancyProblem& problem,
                                              OccupancyOutputs* outputs) const {
  *outputs = {};
  const OutputDimensions dimensions = FindOutputDimensions(DimensionsOfInputs(context));
  TF_RETURN_IF_ERROR(Allocate(context, 0, dimensions.bound, &outputs->bound));
  if (!problem.inputs.weighted()) return absl::OkStatus();
  return Allocate(context, 1, dimensions.weighted, &outputs->weighted);
}

absl::Status OccupancyOpBase::CheckUpstream(OpKernelContext* context,
                                            const OccupancyProblem& problem,
                                            OccupancyUpstream* upstream) const {
  *upstream = {};
  const InputDimensions dimensions = DimensionsOfInputs(context);
  const Tensor& bound = context->input(attributes_.upstream_at());
  TF_RETURN_IF_ERROR(FromCheck(CheckBoundGradient(dimensions, DimensionsOf(bound))));
  upstream->bound = bound.flat<float>().data();
  if (!problem.inputs.weighted()) return absl::OkStatus();
  const Tensor& weighted = context->input(attributes_.upstream_at() + 1);
  TF_RETURN_IF_ERROR(FromCheck(CheckWeightedGradient(dimensions, DimensionsOf(weighted))));
  upstream->weighted = weighted.flat<float>().data();
  return absl::OkStatus();
}

absl::Status OccupancyOpBase::AllocateGradients(OpKernelContext* context,
                                                const OccupancyProblem& problem,
                                                OccupancyGradients* gradients) const {
  *gradients = {};
  const InputDimensions inputs = DimensionsOfInputs(context);
  TF_RETURN_IF_ERROR(Allocate(context, 0, inputs.log_kd, &gradients->log_kd));
  TF_RETURN_IF_ERROR(Allocate(context, 1, inputs.log_concentration, &gradients->log_concentration));
  if (!problem.inputs.weighted()) return absl::OkStatus();
  return Allocate(context, 2, *inputs.position_weight, &gradients->position_weight);
}

}  // namespace cisreg
