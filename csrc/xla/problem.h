// The occupancy problem that a call from XLA describes, on whatever device its numbers are.
//
// Arguments: sequence, log_kd, log_concentration, then those of position_weight, column_range,
// span, length and condition that there are; in the gradient bound_gradient and weighted_gradient
// follow.
// Attributes, all i32: `reduction` and `compute_type` as the enumerations number them,
// `same_padding`, and one with the name of each optional argument: 1 where it is there, else 0.

#ifndef CISREG_CSRC_XLA_PROBLEM_H_
#define CISREG_CSRC_XLA_PROBLEM_H_

#include "occupancy/checks.h"
#include "xla/call.h"

namespace cisreg {

// Names of the custom calls in compiled programs.
inline constexpr char kForwardCall[] = "cisreg.occupancy";
inline constexpr char kBackwardCall[] = "cisreg.occupancy_gradient";

// What the handler of the operation works on.
struct ForwardCall {
  OccupancyProblem problem;
  OccupancyOutputs outputs;
};

// What the handler of its gradient works on.
struct BackwardCall {
  OccupancyProblem problem;
  OccupancyUpstream upstream;
  OccupancyGradients gradients;
};

// Fill `read`, which points into the call. The error names what does not fit.
InputError ReadForward(const XlaCall& call, ForwardCall* read);
InputError ReadBackward(const XlaCall& call, BackwardCall* read);

}  // namespace cisreg

#endif  // CISREG_CSRC_XLA_PROBLEM_H_
