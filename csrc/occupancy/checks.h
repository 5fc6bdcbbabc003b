// Checks of what a caller hands in, with the sentences that users read.
//
// Every glue calls these: the TensorFlow operation, the XLA handlers. Nothing here knows them.

#ifndef CISREG_CSRC_OCCUPANCY_CHECKS_H_
#define CISREG_CSRC_OCCUPANCY_CHECKS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/export.h"
#include "occupancy/problem.h"

namespace cisreg {

// Empty, or what is wrong with which argument.
using InputError = std::string;

// Sizes of a tensor.
using Dimensions = std::vector<int64_t>;

// Sizes of all inputs; optional ones may be absent.
struct InputDimensions {
  Dimensions sequence;
  Dimensions log_kd;
  Dimensions log_concentration;
  std::optional<Dimensions> position_weight;
  std::optional<Dimensions> column_range;
  std::optional<Dimensions> span;
  std::optional<Dimensions> length;
};

// Sizes of the outputs and of the gradients that have the size of no input.
CISREG_EXPORT Dimensions SumDimensions(const OccupancyShape& shape);
CISREG_EXPORT Dimensions WeightDimensions(const OccupancyShape& shape);

// "[2,110]", as TensorFlow writes it.
CISREG_EXPORT std::string DimensionText(const Dimensions& dimensions);

// Checks that the inputs fit together. Fills `shape`.
CISREG_EXPORT InputError CheckDimensions(const InputDimensions& inputs, bool same_padding,
                                         OccupancyShape* shape);

// Checks a gradient with respect to an output; `name` is the argument's.
CISREG_EXPORT InputError CheckUpstreamDimensions(const char* name, const Dimensions& upstream,
                                                 const OccupancyShape& shape);

// Checks the numbers that say where something is: codes, columns, spans, lengths. The kernels read
// out of bounds where these are wrong.
CISREG_EXPORT InputError CheckPlaces(const OccupancyShape& shape, const OccupancyInputs& inputs);

// Checks all numbers of inputs that are in host memory.
CISREG_EXPORT InputError CheckValues(const OccupancyShape& shape, const OccupancyInputs& inputs);

}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_CHECKS_H_
