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
  std::optional<Dimensions> condition;
};

// Sizes of the outputs. Each gradient has the size of its input.
struct OutputDimensions {
  Dimensions bound;     // [N, (C,) 2, M]
  Dimensions weighted;  // [N, (C, K,) 2, M], each axis where there is one; only with weights
};

// Whether sums have an axis of conditions: where log_concentration has one and sequences have no
// condition of their own. And whether weighted sums have an axis of sets: where the weights do.
CISREG_EXPORT bool HasConditionAxis(const InputDimensions& inputs);
CISREG_EXPORT bool HasSetAxis(const InputDimensions& inputs);

// Of inputs that have been checked.
CISREG_EXPORT OutputDimensions FindOutputDimensions(const InputDimensions& inputs);

// Fills the numbers of `inputs` that the sizes tell: of sets, of conditions, between spans.
CISREG_EXPORT void CountInputs(const InputDimensions& dimensions, OccupancyInputs* inputs);

// "[2,110]", as TensorFlow writes it.
CISREG_EXPORT std::string DimensionText(const Dimensions& dimensions);

// Checks that the inputs fit together. Fills `shape`.
CISREG_EXPORT InputError CheckDimensions(const InputDimensions& inputs, bool same_padding,
                                         OccupancyShape* shape);

// Checks the gradients with respect to the outputs.
CISREG_EXPORT InputError CheckBoundGradient(const InputDimensions& inputs,
                                            const Dimensions& gradient);
CISREG_EXPORT InputError CheckWeightedGradient(const InputDimensions& inputs,
                                               const Dimensions& gradient);

// Checks the columns of motifs: [2, M], in host memory.
CISREG_EXPORT InputError CheckColumnRange(const OccupancyShape& shape, const int32_t* first);

// Checks the numbers that say where something is: codes, columns, spans, lengths, conditions. The
// kernels read out of bounds where these are wrong.
CISREG_EXPORT InputError CheckPlaces(const OccupancyShape& shape, const OccupancyInputs& inputs);

// Checks all numbers of inputs that are in host memory.
CISREG_EXPORT InputError CheckValues(const OccupancyShape& shape, const OccupancyInputs& inputs);

}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_CHECKS_H_
