#include "tensorflow/occupancy_attributes.h"

#include <string>

namespace cisreg {
namespace {

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

}  // namespace

absl::Status ReadAttributes(tensorflow::OpKernelConstruction* context,
                            OccupancyAttributes* attributes) {
  std::string reduction, padding, compute_dtype;
  TF_RETURN_IF_ERROR(context->GetAttr("reduction", &reduction));
  TF_RETURN_IF_ERROR(context->GetAttr("padding", &padding));
  TF_RETURN_IF_ERROR(context->GetAttr("compute_dtype", &compute_dtype));
  TF_RETURN_IF_ERROR(context->GetAttr("weight_count", &attributes->weight_count));
  TF_RETURN_IF_ERROR(context->GetAttr("range_count", &attributes->range_count));
  TF_RETURN_IF_ERROR(context->GetAttr("span_count", &attributes->span_count));
  TF_RETURN_IF_ERROR(context->GetAttr("length_count", &attributes->length_count));
  TF_RETURN_IF_ERROR(context->GetAttr("condition_count", &attributes->condition_count));
  TF_RETURN_IF_ERROR(CheckCount("position_weight", attributes->weight_count));
  TF_RETURN_IF_ERROR(CheckCount("column_range", attributes->range_count));
  TF_RETURN_IF_ERROR(CheckCount("span", attributes->span_count));
  TF_RETURN_IF_ERROR(CheckCount("length", attributes->length_count));
  TF_RETURN_IF_ERROR(CheckCount("condition", attributes->condition_count));
  attributes->reduction = reduction == "expected" ? Reduction::kExpected : Reduction::kLogUnbound;
  attributes->same_padding = padding == "same";
  attributes->compute_type = ComputeTypeNamed(compute_dtype);
  return absl::OkStatus();
}

}  // namespace cisreg
