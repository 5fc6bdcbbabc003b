// Sites that exclude each other, as plain numbers and pointers: what the kernels see.
//
// A configuration is a set of sites no two of which cover the same base. Its weight is the product
// of the odds of its sites; a site's occupancy is the share of the configurations that have it.
// Competitors, such as nucleosomes, cover bases too: any stretch of their width that lies within
// the sequence, always with the same odds.

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
  int64_t competitor_count;          // Q
  const int32_t* competitor_width;   // [Q], bases
  const float* competitor_log_odds;  // [Q], nats; minus infinity: there are none
};

struct Outputs {
  float* bound;             // [N, 2, M]
  float* weighted;          // [N, 2, M], or unused
  float* log_partition;     // [N]
  float* competitors;       // [N, Q], the expected number of bound ones, or unused
  float* competitor_sites;  // [N, Q, L], of these by the first base that they cover, or null
};

// Gradients of a loss with respect to the outputs above.
struct Upstream {
  const float* bound;
  const float* weighted;  // or unused
  const float* log_partition;
  const float* competitors;  // or unused
};

struct Gradients {
  float* log_kd;             // [W, 4, M]
  float* log_concentration;  // [M]
  float* position_weight;    // [2, P, M], or unused
  float* competitors;        // [Q], with respect to their log odds, or unused
};

}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_PROBLEM_H_
