// Attributes of the occupancy ops and the order of their inputs, for kernels of every kind.

#ifndef CISREG_CSRC_TENSORFLOW_OCCUPANCY_ATTRIBUTES_H_
#define CISREG_CSRC_TENSORFLOW_OCCUPANCY_ATTRIBUTES_H_

#include "occupancy/checks.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace cisreg {

struct OccupancyAttributes {
  Reduction reduction = Reduction::kExpected;
  bool same_padding = true;
  ComputeType compute_type = ComputeType::kFloat32;
  // Tensors in the lists of optional inputs: one or none.
  int weight_count = 0;
  int range_count = 0;
  int span_count = 0;
  int length_count = 0;
  int condition_count = 0;

  // Numbers of the optional inputs, and of the first behind them in the gradient.
  int weights_at() const { return 3; }
  int ranges_at() const { return weights_at() + weight_count; }
  int span_at() const { return ranges_at() + range_count; }
  int length_at() const { return span_at() + span_count; }
  int condition_at() const { return length_at() + length_count; }
  int upstream_at() const { return condition_at() + condition_count; }
};

absl::Status ReadAttributes(tensorflow::OpKernelConstruction* context,
                            OccupancyAttributes* attributes);

// Sizes of the inputs; `sizes_of(number)` gives those of one.
template <class SizesOf>
InputDimensions ArrangeDimensions(const OccupancyAttributes& attributes, const SizesOf& sizes_of) {
  InputDimensions dimensions;
  dimensions.sequence = sizes_of(0);
  dimensions.log_kd = sizes_of(1);
  dimensions.log_concentration = sizes_of(2);
  if (attributes.weight_count > 0) dimensions.position_weight = sizes_of(attributes.weights_at());
  if (attributes.range_count > 0) dimensions.column_range = sizes_of(attributes.ranges_at());
  if (attributes.span_count > 0) dimensions.span = sizes_of(attributes.span_at());
  if (attributes.length_count > 0) dimensions.length = sizes_of(attributes.length_at());
  if (attributes.condition_count > 0) dimensions.condition = sizes_of(attributes.condition_at());
  return dimensions;
}

inline absl::Status FromCheck(const InputError& error) {
  return error.empty() ? absl::OkStatus() : absl::InvalidArgumentError(error);
}

}  // namespace cisreg

#endif  // CISREG_CSRC_TENSORFLOW_OCCUPANCY_ATTRIBUTES_H_
