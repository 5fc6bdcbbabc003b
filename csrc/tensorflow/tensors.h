// Tensors of the ops that compute on CPUs alone: their sizes, outputs, checked inputs.

#ifndef CISREG_CSRC_TENSORFLOW_TENSORS_H_
#define CISREG_CSRC_TENSORFLOW_TENSORS_H_

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
