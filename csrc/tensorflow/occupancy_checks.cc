#include "tensorflow/occupancy_checks.h"

#include <string>

namespace cisreg {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

namespace {

absl::Status CheckShape(const char* name, const Tensor& tensor, const TensorShape& expected,
                        const char* dimensions) {
  if (tensor.shape() == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": expected shape ", dimensions, " = ",
                                                 expected.DebugString(), ", got ",
                                                 tensor.shape().DebugString()));
}

absl::Status CheckSpanShape(const Tensor& span, int64_t sequence_count) {
  if (span.shape() == TensorShape({2}) || span.shape() == TensorShape({sequence_count, 2})) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("span: expected shape [2], begin and end for all sequences, or [N, 2] = [",
                   sequence_count, ",2], one pair for each, got ", span.shape().DebugString()));
}

// Optional inputs are lists of one tensor or none.
absl::Status CheckCount(const char* name, int count) {
  if (count <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": expected at most one tensor, got ", count));
}

// The op's definition allows no other names.
ComputeType ComputeTypeNamed(const std::string& name) {
  if (name == "bfloat16") return ComputeType::kBfloat16;
  return name == "float16" ? ComputeType::kFloat16 : ComputeType::kFloat32;
}

TensorShape SumShape(const OccupancyShape& shape) {
  return TensorShape({shape.sequence_count, kStrands, shape.motif_count});
}

TensorShape WeightShape(const OccupancyShape& shape) {
  return TensorShape({kStrands, shape.window_count, shape.motif_count});
}

absl::Status Allocate(OpKernelContext* context, int output, const TensorShape& shape,
                      float** memory) {
  Tensor* tensor = nullptr;
  TF_RETURN_IF_ERROR(context->allocate_output(output, shape, &tensor));
  *memory = tensor->flat<float>().data();
  return absl::OkStatus();
}

}  // namespace

OccupancyOpBase::OccupancyOpBase(OpKernelConstruction* context) : OpKernel(context) {
  std::string reduction, padding, compute_dtype;
  OP_REQUIRES_OK(context, context->GetAttr("reduction", &reduction));
  OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
  OP_REQUIRES_OK(context, context->GetAttr("compute_dtype", &compute_dtype));
  OP_REQUIRES_OK(context, context->GetAttr("weight_count", &weight_count_));
  OP_REQUIRES_OK(context, context->GetAttr("range_count", &range_count_));
  OP_REQUIRES_OK(context, context->GetAttr("span_count", &span_count_));
  OP_REQUIRES_OK(context, CheckCount("position_weight", weight_count_));
  OP_REQUIRES_OK(context, CheckCount("column_range", range_count_));
  OP_REQUIRES_OK(context, CheckCount("span", span_count_));
  reduction_ = reduction == "expected" ? Reduction::kExpected : Reduction::kLogUnbound;
  same_padding_ = padding == "same";
  compute_type_ = ComputeTypeNamed(compute_dtype);
}

absl::Status OccupancyOpBase::CheckRanks(const Tensor& sequence, const Tensor& log_kd) const {
  if (sequence.dims() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sequence: expected base codes [N, L], got shape ", sequence.shape().DebugString()));
  }
  if (log_kd.dims() != 3 || log_kd.dim_size(1) != kBases || log_kd.dim_size(0) == 0 ||
      log_kd.dim_size(2) == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("log_kd: expected [W, 4, M] with W and M of at least 1, got shape ",
                     log_kd.shape().DebugString()));
  }
  if (!same_padding_ && sequence.dim_size(1) < log_kd.dim_size(0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "padding: 'valid' expects sequences at least as long as the motifs, got L = ",
        sequence.dim_size(1), " and W = ", log_kd.dim_size(0), "; use padding = 'same'"));
  }
  return absl::OkStatus();
}

absl::Status OccupancyOpBase::CheckInputs(OpKernelContext* context,
                                          OccupancyProblem* problem) const {
  const Tensor& sequence = context->input(0);
  const Tensor& log_kd = context->input(1);
  const Tensor& log_concentration = context->input(2);
  TF_RETURN_IF_ERROR(CheckRanks(sequence, log_kd));
  OccupancyShape& shape = problem->shape;
  shape = MakeOccupancyShape(sequence.dim_size(0), sequence.dim_size(1), log_kd.dim_size(0),
                             log_kd.dim_size(2), same_padding_);
  TF_RETURN_IF_ERROR(
      CheckShape("log_concentration", log_concentration, TensorShape({shape.motif_count}), "[M]"));
  problem->reduction = reduction_;
  OccupancyInputs& inputs = problem->inputs;
  inputs = {};
  inputs.compute_type = compute_type_;
  inputs.weighted = weight_count_ > 0;
  inputs.sequence = sequence.flat<uint8_t>().data();
  inputs.log_kd = log_kd.flat<float>().data();
  inputs.log_concentration = log_concentration.flat<float>().data();
  if (inputs.weighted) {
    const Tensor& position_weight = context->input(3);
    TF_RETURN_IF_ERROR(
        CheckShape("position_weight", position_weight, WeightShape(shape), "[2, P, M]"));
    inputs.position_weight = position_weight.flat<float>().data();
  }
  if (range_count_ > 0) {
    const Tensor& column_range = context->input(3 + weight_count_);
    TF_RETURN_IF_ERROR(
        CheckShape("column_range", column_range, TensorShape({2, shape.motif_count}), "[2, M]"));
    inputs.column_range = column_range.flat<int32_t>().data();
  }
  if (span_count_ > 0) {
    const Tensor& span = context->input(3 + weight_count_ + range_count_);
    TF_RETURN_IF_ERROR(CheckSpanShape(span, shape.sequence_count));
    inputs.span = span.flat<int32_t>().data();
    inputs.span_stride = span.dims() == 2 ? 2 : 0;
  }
  return absl::OkStatus();
}

absl::Status OccupancyOpBase::AllocateOutputs(OpKernelContext* context,
                                              const OccupancyProblem& problem,
                                              OccupancyOutputs* outputs) const {
  *outputs = {};
  const TensorShape sums = SumShape(problem.shape);
  TF_RETURN_IF_ERROR(Allocate(context, 0, sums, &outputs->bound));
  if (!problem.inputs.weighted) return absl::OkStatus();
  return Allocate(context, 1, sums, &outputs->weighted);
}

absl::Status OccupancyOpBase::CheckUpstream(OpKernelContext* context,
                                            const OccupancyProblem& problem,
                                            OccupancyUpstream* upstream) const {
  *upstream = {};
  const TensorShape sums = SumShape(problem.shape);
  const int first = 3 + weight_count_ + range_count_ + span_count_;
  TF_RETURN_IF_ERROR(CheckShape("bound_gradient", context->input(first), sums, "[N, 2, M]"));
  upstream->bound = context->input(first).flat<float>().data();
  if (!problem.inputs.weighted) return absl::OkStatus();
  const Tensor& weighted_gradient = context->input(first + 1);
  TF_RETURN_IF_ERROR(CheckShape("weighted_gradient", weighted_gradient, sums, "[N, 2, M]"));
  upstream->weighted = weighted_gradient.flat<float>().data();
  return absl::OkStatus();
}

absl::Status OccupancyOpBase::AllocateGradients(OpKernelContext* context,
                                                const OccupancyProblem& problem,
                                                OccupancyGradients* gradients) const {
  *gradients = {};
  TF_RETURN_IF_ERROR(Allocate(context, 0, context->input(1).shape(), &gradients->log_kd));
  TF_RETURN_IF_ERROR(
      Allocate(context, 1, context->input(2).shape(), &gradients->log_concentration));
  if (!problem.inputs.weighted) return absl::OkStatus();
  return Allocate(context, 2, WeightShape(problem.shape), &gradients->position_weight);
}

}  // namespace cisreg
