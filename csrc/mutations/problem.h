// The question as plain numbers and pointers: what each mutation of one base changes in the binding
// of each motif. Nothing here knows Python.

#ifndef CISREG_CSRC_MUTATIONS_PROBLEM_H_
#define CISREG_CSRC_MUTATIONS_PROBLEM_H_

#include <cstdint>

#include "occupancy/problem.h"

namespace cisreg::mutations {

// Changes are those of the outputs of the occupancy problem, see occupancy/problem.h: `bound`, and
// `weighted` where there are position weights. Its `length` is not used.
using Problem = OccupancyProblem;

// What the changes of all motifs are multiplied with before they are added up.
struct Factors {
  const float* bound;   // [2, M], of the first sum
  const float* acting;  // [2, M], of the second: of `weighted` where it is, else of `bound`
};

// Zero for the base that is there, and where the base is unknown.
struct Sums {
  double* bound;   // [N, L, 4]
  double* acting;  // [N, L, 4]
};

// The same without adding up.
struct Changes {
  float* bound;     // [N, L, 4, 2, M]
  float* weighted;  // [N, L, 4, 2, M], or unused
};

}  // namespace cisreg::mutations

#endif  // CISREG_CSRC_MUTATIONS_PROBLEM_H_
