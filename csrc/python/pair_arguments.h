// Arguments of the kernels of pairs as NumPy arrays: checked and converted for the kernels.

#ifndef CISREG_CSRC_PYTHON_PAIR_ARGUMENTS_H_
#define CISREG_CSRC_PYTHON_PAIR_ARGUMENTS_H_

#include "pairs/checks.h"
#include "python/arguments.h"

namespace cisreg {

// What every function of pairs takes beside them.
struct PairArrays {
  const Array<float>& effect;
  const Array<int32_t>& pair;
  int64_t distance;
};

// The problem that the arrays describe; it points into them.
inline pairs::Problem CheckPairArrays(const OccupancyArrays& arrays, const PairArrays& pairs) {
  const ArrayProblem occupancy = CheckArguments(arrays);
  pairs::Problem problem = {occupancy.shape, {}};
  problem.inputs.scan = occupancy.inputs;
  problem.inputs.pair = pairs.pair.data();
  problem.inputs.effect = pairs.effect.data();
  problem.inputs.distance = pairs.distance;
  InputError error = pairs::CheckPairSizes(occupancy.dimensions, SizesOf(pairs.pair),
                                           SizesOf(pairs.effect), &problem.inputs);
  if (error.empty()) error = pairs::CheckPairPlaces(problem.shape, problem.inputs);
  Require(error.empty(), error);
  return problem;
}

}  // namespace cisreg

#endif  // CISREG_CSRC_PYTHON_PAIR_ARGUMENTS_H_
