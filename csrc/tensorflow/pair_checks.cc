#include "tensorflow/pair_checks.h"

#include <string>

#include "pairs/checks.h"
#include "tensorflow/tensors.h"

namespace cisreg {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;

PairOpBase::PairOpBase(OpKernelConstruction* context) : OpKernel(context) {
  std::string padding;
  OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
  same_padding_ = padding == "same";
  OP_REQUIRES_OK(context, context->GetAttr("distance", &distance_));
  OP_REQUIRES_OK(context, ReadCount(context, "range_count", &range_count_));
  OP_REQUIRES_OK(context, ReadCount(context, "span_count", &span_count_));
}

absl::Status PairOpBase::CheckInputs(OpKernelContext* context, pairs::Problem* problem) const {
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
  return FromCheck(pairs::CheckPairSizes(dimensions, DimensionsOf(context->input(4)),
                                         DimensionsOf(context->input(3)), &inputs));
}

absl::Status PairOpBase::AllocateScore(OpKernelContext* context, const pairs::Problem& problem,
                                       float** score) const {
  return AllocateOutput(context, 0, {problem.shape.sequence_count}, score);
}

absl::Status PairOpBase::CheckUpstream(OpKernelContext* context, const pairs::Problem& problem,
                                       const float** upstream) const {
  return TakeInput(context, upstream_at(), "score_gradient", {problem.shape.sequence_count},
                   upstream);
}

absl::Status PairOpBase::AllocateGradients(OpKernelContext* context,
                                           pairs::Gradients* gradients) const {
  *gradients = {};
  float** const outputs[] = {&gradients->log_kd, &gradients->log_concentration, &gradients->effect};
  for (int i = 0; i < 3; ++i) {
    const Dimensions sizes = DimensionsOf(context->input(1 + i));
    TF_RETURN_IF_ERROR(AllocateOutput(context, i, sizes, outputs[i]));
  }
  return absl::OkStatus();
}

}  // namespace cisreg
