// Arguments of the occupancy kernels as NumPy arrays: checked and converted for the kernels.

#ifndef CISREG_CSRC_PYTHON_ARGUMENTS_H_
#define CISREG_CSRC_PYTHON_ARGUMENTS_H_

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "occupancy/checks.h"
#include "occupancy/problem.h"

namespace cisreg {

// An array as all functions take it: contiguous, aligned, in the machine's byte order. Any other is
// copied into such a one, since a pointer into it must not be read as one to T.
template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style | pybind11::array::forcecast |
                                       pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_>;

template <class T>
Dimensions SizesOf(const Array<T>& array) {
  return Dimensions(array.shape(), array.shape() + array.ndim());
}

// Raises Python's ValueError if the condition is false.
void Require(bool condition, const std::string& message);

// Raises Python's ValueError unless this many threads may be started.
void RequireThreads(int threads);

// What every function of the occupancy takes, by the names that Python calls it.
struct OccupancyArrays {
  const Array<uint8_t>& sequence;
  const Array<float>& log_kd;
  const Array<float>& log_concentration;
  const std::optional<Array<float>>& position_weight;
  const std::optional<Array<int32_t>>& column_range;
  const std::optional<Array<int32_t>>& span;
  const std::optional<Array<int32_t>>& length;
  const std::optional<Array<int32_t>>& condition;
  const std::string& reduction;
  const std::string& padding;
  const std::string& compute_dtype;
};

// The problem that the arrays describe; it points into them.
struct ArrayProblem : OccupancyProblem {
  InputDimensions dimensions;
};
ArrayProblem CheckArguments(const OccupancyArrays& arrays);

// A gradient with respect to an output, of the output's sizes.
const float* CheckGradient(const char* name, const Array<float>& gradient,
                           const Dimensions& expected);

// Incoming gradients, of the outputs' shape.
OccupancyUpstream CheckUpstream(const ArrayProblem& problem, const Array<float>& bound_gradient,
                                const std::optional<Array<float>>& weighted_gradient);

// New arrays for what a function returns, and where the kernels write it.
struct OutputArrays {
  explicit OutputArrays(const ArrayProblem& problem);
  pybind11::tuple ToTuple() const { return pybind11::make_tuple(bound, weighted); }

  pybind11::array_t<float> bound;
  std::optional<pybind11::array_t<float>> weighted;
  OccupancyOutputs pointers;
};

struct GradientArrays {
  explicit GradientArrays(const ArrayProblem& problem);
  pybind11::tuple ToTuple() const {
    return pybind11::make_tuple(log_kd, log_concentration, position_weight);
  }

  pybind11::array_t<float> log_kd;
  pybind11::array_t<float> log_concentration;
  std::optional<pybind11::array_t<float>> position_weight;
  OccupancyGradients pointers;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_PYTHON_ARGUMENTS_H_
