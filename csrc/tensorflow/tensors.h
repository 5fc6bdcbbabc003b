// Tensors of the ops of pairs and of sites that exclude each other: their sizes, outputs, checked
// inputs.

#ifndef CISREG_CSRC_TENSORFLOW_TENSORS_H_
#define CISREG_CSRC_TENSORFLOW_TENSORS_H_

#include <optional>

#include "occupancy/checks.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/occupancy_attributes.h"

namespace cisreg {

inline Dimensions DimensionsOf(const tensorflow::Tensor& tensor) {
  const auto sizes = tensor.shape().dim_sizes();
  return {sizes.begin(), sizes.end()};
}

inline absl::Status AllocateOutput(tensorflow::OpKernelContext* context, int output,
                                   const Dimensions& dimensions, float** memory) {
  tensorflow::Tensor* tensor = nullptr;
  TF_RETURN_IF_ERROR(
      context->allocate_output(output, tensorflow::TensorShape(dimensions), &tensor));
  *memory = tensor->flat<float>().data();
  return absl::OkStatus();
}

inline const float* FloatsOf(tensorflow::OpKernelContext* context, int input) {
  return context->input(input).flat<float>().data();
}

inline const int32_t* IntegersOf(tensorflow::OpKernelContext* context, int input) {
  return context->input(input).flat<int32_t>().data();
}

// Numbers of the optional inputs of a scan; below 0: there is none.
struct ScanPlaces {
  int column_range, span, length;
};

// Of a list of optional inputs that begins at `first`.
inline int PlaceOfOptional(int first, int count) { return count > 0 ? first : -1; }

// The inputs of a scan, of which the first three are the first of the op. Fills their sizes and
// where their numbers are; nothing is checked.
inline void TakeScan(tensorflow::OpKernelContext* context, const ScanPlaces& at,
                     InputDimensions* dimensions, OccupancyInputs* inputs) {
  *inputs = {};
  inputs->sequence = context->input(0).flat<uint8_t>().data();
  inputs->log_kd = FloatsOf(context, 1);
  inputs->log_concentration = FloatsOf(context, 2);
  dimensions->sequence = DimensionsOf(context->input(0));
  dimensions->log_kd = DimensionsOf(context->input(1));
  dimensions->log_concentration = DimensionsOf(context->input(2));
  const auto take = [&](int input, std::optional<Dimensions>* sizes, const int32_t** numbers) {
    if (input < 0) return;
    *sizes = DimensionsOf(context->input(input));
    *numbers = IntegersOf(context, input);
  };
  take(at.column_range, &dimensions->column_range, &inputs->column_range);
  take(at.span, &dimensions->span, &inputs->span);
  take(at.length, &dimensions->length, &inputs->length);
}

// An input that must have these sizes.
inline absl::Status TakeInput(tensorflow::OpKernelContext* context, int input, const char* name,
                              const Dimensions& expected, const float** numbers) {
  const tensorflow::Tensor& tensor = context->input(input);
  *numbers = tensor.flat<float>().data();
  if (DimensionsOf(tensor) == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": expected shape ", DimensionText(expected),
                                                 ", got ", DimensionText(DimensionsOf(tensor))));
}

// The attribute that counts the tensors of a list of optional inputs.
inline absl::Status ReadCount(tensorflow::OpKernelConstruction* context, const char* name,
                              int* count) {
  const absl::Status status = context->GetAttr(name, count);
  if (!status.ok() || *count <= 1) return status;
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": expected at most one tensor, got ", *count));
}

}  // namespace cisreg

#endif  // CISREG_CSRC_TENSORFLOW_TENSORS_H_
