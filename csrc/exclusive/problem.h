// Sites that exclude each other, as plain numbers and pointers: what the kernels see.
//
// A configuration is a set of sites no two of which cover the same base. Its weight is the product
// of the odds of its sites; a site's occupancy is the share of the configurations that have it.

#ifndef CISREG_CSRC_EXCLUSIVE_PROBLEM_H_
#define CISREG_CSRC_EXCLUSIVE_PROBLEM_H_

#include <cstdint>

#include "occupancy/problem.h"

namespace cisreg::exclusive {

// Odds above two to the power of this count as this, so that sums of odds stay within float32.
inline constexpr float kStrongestPower = 100.0f;

struct Inputs {
  OccupancyInputs scan;          // without position weights
  const float* position_weight;  // [2, P, M], or null where no weighted sums are asked for
  // [2, M]: the bases that a site covers, from the first base of its window on: the first of them
  // and the one behind the last, on the forward strand; mirrored on the other. They may begin
  // before the window and end behind it. Null: the motif's own columns.
  const int32_t* footprint;
};

struct Outputs {
  float* bound;          // [N, 2, M]
  float* weighted;       // [N, 2, M], or unused
  float* log_partition;  // [N]
};

// Gradients of a loss with respect to the outputs above.
struct Upstream {
  const float* bound;
  const float* weighted;  // or unused
  const float* log_partition;
};

struct Gradients {
  float* log_kd;             // [W, 4, M]
  float* log_concentration;  // [M]
  float* position_weight;    // [2, P, M], or unused
};

}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_PROBLEM_H_
