// cisreg._native: sites that exclude each other.

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <vector>

#include "exclusive/checks.h"
#include "exclusive/launch.h"
#include "python/arguments.h"
#include "python/execution.h"

namespace py = pybind11;

namespace cisreg {
namespace {

using exclusive::Gradients;
using exclusive::Inputs;
using exclusive::Launch;
using exclusive::Outputs;
using exclusive::Upstream;

struct Problem {
  OccupancyShape shape;
  Inputs inputs;
};

Problem CheckExclusive(const OccupancyArrays& arrays,
                       const std::optional<Array<int32_t>>& footprint) {
  const ArrayProblem occupancy = CheckArguments(arrays);
  Problem problem = {occupancy.shape, {}};
  Inputs& inputs = problem.inputs;
  inputs.scan = occupancy.inputs;
  inputs.position_weight = occupancy.inputs.position_weight;
  inputs.scan.position_weight = nullptr;
  inputs.scan.weight_sets = 0;
  std::optional<Dimensions> sizes;
  if (footprint) {
    inputs.footprint = footprint->data();
    sizes = Dimensions(footprint->shape(), footprint->shape() + footprint->ndim());
  }
  InputError error =
      exclusive::CheckExclusiveDimensions(occupancy.dimensions, sizes, problem.shape);
  if (error.empty()) error = exclusive::CheckFootprints(problem.shape, inputs);
  Require(error.empty(), error);
  return problem;
}

// A new array, or none.
std::optional<py::array_t<float>> NewArray(bool wanted, const Dimensions& sizes) {
  if (!wanted) return {};
  return py::array_t<float>(sizes);
}

float* DataOf(std::optional<py::array_t<float>>& array) {
  return array ? array->mutable_data() : nullptr;
}

py::tuple ExclusiveForward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                           const Array<float>& log_concentration,
                           const std::optional<Array<float>>& position_weight,
                           const std::optional<Array<int32_t>>& column_range,
                           const std::optional<Array<int32_t>>& footprint,
                           const std::optional<Array<int32_t>>& span,
                           const std::optional<Array<int32_t>>& length, const std::string& padding,
                           const std::string& instruction_set, int threads) {
  const Problem problem =
      CheckExclusive({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, std::nullopt, "expected", padding, "float32"},
                     footprint);
  const OccupancyKernels& kernels = KernelsNamed(instruction_set);
  const Dimensions sums = {problem.shape.sequence_count, kStrands, problem.shape.motif_count};
  py::array_t<float> bound(sums), log_partition(problem.shape.sequence_count);
  std::optional<py::array_t<float>> weighted = NewArray(position_weight.has_value(), sums);
  const Outputs outputs = {bound.mutable_data(), DataOf(weighted), log_partition.mutable_data()};
  {
    py::gil_scoped_release release;
    Launch launch(kernels, problem.shape, problem.inputs, false);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor));
    launch.Forward(executor, workspace.get(), outputs);
  }
  return py::make_tuple(bound, weighted, log_partition);
}

// A gradient with respect to an output, of the output's sizes.
const float* CheckGradient(const char* name, const Array<float>& gradient,
                           const Dimensions& expected) {
  const Dimensions sizes(gradient.shape(), gradient.shape() + gradient.ndim());
  Require(sizes == expected, std::string(name) + ": expected shape " + DimensionText(expected) +
                                 ", got " + DimensionText(sizes));
  return gradient.data();
}

py::tuple ExclusiveBackward(
    const Array<uint8_t>& sequence, const Array<float>& log_kd,
    const Array<float>& log_concentration, const std::optional<Array<float>>& position_weight,
    const Array<float>& bound_gradient, const std::optional<Array<float>>& weighted_gradient,
    const Array<float>& log_partition_gradient, const std::optional<Array<int32_t>>& column_range,
    const std::optional<Array<int32_t>>& footprint, const std::optional<Array<int32_t>>& span,
    const std::optional<Array<int32_t>>& length, const std::string& padding,
    const std::string& instruction_set, int threads) {
  const Problem problem =
      CheckExclusive({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, std::nullopt, "expected", padding, "float32"},
                     footprint);
  const OccupancyKernels& kernels = KernelsNamed(instruction_set);
  const OccupancyShape& shape = problem.shape;
  const bool weighted = position_weight.has_value();
  Require(weighted_gradient.has_value() == weighted,
          "weighted_gradient: expected [N, 2, M] exactly where position_weight is given");
  const Dimensions sums = {shape.sequence_count, kStrands, shape.motif_count};
  const Upstream upstream = {
      CheckGradient("bound_gradient", bound_gradient, sums),
      weighted ? CheckGradient("weighted_gradient", *weighted_gradient, sums) : nullptr,
      CheckGradient("log_partition_gradient", log_partition_gradient, {shape.sequence_count})};
  py::array_t<float> log_kd_gradient(Dimensions{shape.width, kBases, shape.motif_count});
  py::array_t<float> concentration_gradient(shape.motif_count);
  std::optional<py::array_t<float>> weight_gradient =
      NewArray(weighted, {kStrands, shape.window_count, shape.motif_count});
  const Gradients gradients = {log_kd_gradient.mutable_data(),
                               concentration_gradient.mutable_data(), DataOf(weight_gradient)};
  {
    py::gil_scoped_release release;
    Launch launch(kernels, shape, problem.inputs, true);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor));
    launch.Backward(executor, workspace.get(), upstream, gradients);
  }
  return py::make_tuple(log_kd_gradient, concentration_gradient, weight_gradient);
}

}  // namespace

void BindExclusive(py::module_& module) {
  module.def("exclusive_forward", &ExclusiveForward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("footprint") = py::none(),
             py::arg("span") = py::none(), py::arg("length") = py::none(),
             py::arg("padding") = "same", py::arg("instruction_set") = "", py::arg("threads") = 1,
             "(bound, weighted, log_partition) of sites that exclude each other: [N, 2, M], "
             "[N, 2, M] and [N].");
  module.def("exclusive_backward", &ExclusiveBackward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight"), py::arg("bound_gradient"),
             py::arg("weighted_gradient"), py::arg("log_partition_gradient"), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("footprint") = py::none(),
             py::arg("span") = py::none(), py::arg("length") = py::none(),
             py::arg("padding") = "same", py::arg("instruction_set") = "", py::arg("threads") = 1,
             "Their gradients with respect to log_kd, log_concentration and position_weight.");
}

}  // namespace cisreg
