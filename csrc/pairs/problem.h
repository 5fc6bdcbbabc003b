// Pairs of factors whose sites act together, as plain numbers and pointers: what the kernels see.
//
// The effect of a pair is the sum over the sites of both of p * p' * f(orientation, distance): the
// distance is that of the windows, as the first site reads, and f a straight line from knot to
// knot. Of a pair of a factor with itself, every two sites count once, and two sites in the same
// window do not count.

#ifndef CISREG_CSRC_PAIRS_PROBLEM_H_
#define CISREG_CSRC_PAIRS_PROBLEM_H_

#include <cstdint>

#include "occupancy/problem.h"

namespace cisreg::pairs {

inline constexpr int kOrientations = 2;  // same, opposite

struct Inputs {
  OccupancyInputs scan;  // without position weights, lengths and conditions
  int64_t pair_count;    // Q
  const int32_t* pair;   // [Q, 2], places of motifs
  int64_t knot_count;    // K
  const float* effect;   // [Q, 2, K], f at the knots; they lie evenly between both ends
  int64_t distance;      // f ends at this many bases, on both sides
};

struct Problem {
  OccupancyShape shape;
  Inputs inputs;
};

struct Gradients {
  float* log_kd;             // [W, 4, M]
  float* log_concentration;  // [M]
  float* effect;             // [Q, 2, K]
};

}  // namespace cisreg::pairs

#endif  // CISREG_CSRC_PAIRS_PROBLEM_H_
