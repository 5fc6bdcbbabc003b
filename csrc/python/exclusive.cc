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

  Dimensions competitors() const { return {shape.sequence_count, inputs.competitor_count}; }
};

// What sites that exclude each other take beside the occupancy's arguments.
struct ExclusiveArrays {
  const std::optional<Array<int32_t>>& footprint;
  const std::optional<Array<int32_t>>& competitor_width;
  const std::optional<Array<float>>& competitor_log_odds;
};

Problem CheckExclusive(const OccupancyArrays& arrays, const ExclusiveArrays& more) {
  const ArrayProblem occupancy = CheckArguments(arrays);
  Problem problem = {occupancy.shape, {}};
  Inputs& inputs = problem.inputs;
  inputs.scan = occupancy.inputs;
  inputs.position_weight = occupancy.inputs.position_weight;
  inputs.scan.position_weight = nullptr;
  inputs.scan.weight_sets = 0;
  std::optional<Dimensions> sizes;
  if (more.footprint) {
    inputs.footprint = more.footprint->data();
    sizes = SizesOf(*more.footprint);
  }
  InputError error =
      exclusive::CheckExclusiveDimensions(occupancy.dimensions, sizes, problem.shape);
  if (error.empty()) error = exclusive::CheckFootprints(problem.shape, inputs);
  Require(more.competitor_width.has_value() == more.competitor_log_odds.has_value(),
          "competitor_width, competitor_log_odds: expected both or neither, got one");
  if (error.empty() && more.competitor_width) {
    inputs.competitor_width = more.competitor_width->data();
    inputs.competitor_log_odds = more.competitor_log_odds->data();
    error = exclusive::CheckCompetitors(SizesOf(*more.competitor_width),
                                        SizesOf(*more.competitor_log_odds), &inputs);
  }
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
                           const std::optional<Array<int32_t>>& competitor_width,
                           const std::optional<Array<float>>& competitor_log_odds,
                           const std::optional<Array<int32_t>>& span,
                           const std::optional<Array<int32_t>>& length, const std::string& padding,
                           bool competitor_sites, const std::string& instruction_set, int threads) {
  const Problem problem =
      CheckExclusive({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, std::nullopt, "expected", padding, "float32"},
                     {footprint, competitor_width, competitor_log_odds});
  const OccupancyKernels& kernels = KernelsNamed(instruction_set);
  const Dimensions sums = {problem.shape.sequence_count, kStrands, problem.shape.motif_count};
  py::array_t<float> bound(sums), log_partition(problem.shape.sequence_count);
  std::optional<py::array_t<float>> weighted = NewArray(position_weight.has_value(), sums);
  std::optional<py::array_t<float>> competitors =
      NewArray(competitor_width.has_value(), problem.competitors());
  Require(competitors || !competitor_sites, "competitor_sites: expected competitors, got none");
  std::optional<py::array_t<float>> sites = NewArray(
      competitor_sites,
      {problem.shape.sequence_count, problem.inputs.competitor_count, problem.shape.length});
  const Outputs outputs = {bound.mutable_data(), DataOf(weighted), log_partition.mutable_data(),
                           DataOf(competitors), DataOf(sites)};
  {
    py::gil_scoped_release release;
    Launch launch(kernels, problem.shape, problem.inputs, false);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor));
    launch.Forward(executor, workspace.get(), outputs);
  }
  return py::make_tuple(bound, weighted, log_partition, competitors, sites);
}

py::tuple ExclusiveBackward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                            const Array<float>& log_concentration,
                            const std::optional<Array<float>>& position_weight,
                            const Array<float>& bound_gradient,
                            const std::optional<Array<float>>& weighted_gradient,
                            const Array<float>& log_partition_gradient,
                            const std::optional<Array<float>>& competitor_gradient,
                            const std::optional<Array<int32_t>>& column_range,
                            const std::optional<Array<int32_t>>& footprint,
                            const std::optional<Array<int32_t>>& competitor_width,
                            const std::optional<Array<float>>& competitor_log_odds,
                            const std::optional<Array<int32_t>>& span,
                            const std::optional<Array<int32_t>>& length, const std::string& padding,
                            const std::string& instruction_set, int threads) {
  const Problem problem =
      CheckExclusive({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, std::nullopt, "expected", padding, "float32"},
                     {footprint, competitor_width, competitor_log_odds});
  const OccupancyKernels& kernels = KernelsNamed(instruction_set);
  const OccupancyShape& shape = problem.shape;
  const bool weighted = position_weight.has_value();
  Require(weighted_gradient.has_value() == weighted,
          "weighted_gradient: expected [N, 2, M] exactly where position_weight is given");
  Require(competitor_gradient.has_value() == competitor_width.has_value(),
          "competitor_gradient: expected [N, Q] exactly where there are competitors");
  const Dimensions sums = {shape.sequence_count, kStrands, shape.motif_count};
  const Upstream upstream = {
      CheckGradient("bound_gradient", bound_gradient, sums),
      weighted ? CheckGradient("weighted_gradient", *weighted_gradient, sums) : nullptr,
      CheckGradient("log_partition_gradient", log_partition_gradient, {shape.sequence_count}),
      competitor_gradient
          ? CheckGradient("competitor_gradient", *competitor_gradient, problem.competitors())
          : nullptr};
  py::array_t<float> log_kd_gradient(Dimensions{shape.width, kBases, shape.motif_count});
  py::array_t<float> concentration_gradient(shape.motif_count);
  std::optional<py::array_t<float>> weight_gradient =
      NewArray(weighted, {kStrands, shape.window_count, shape.motif_count});
  std::optional<py::array_t<float>> odds_gradient =
      NewArray(competitor_width.has_value(), {problem.inputs.competitor_count});
  const Gradients gradients = {log_kd_gradient.mutable_data(),
                               concentration_gradient.mutable_data(), DataOf(weight_gradient),
                               DataOf(odds_gradient)};
  {
    py::gil_scoped_release release;
    Launch launch(kernels, shape, problem.inputs, true);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor));
    launch.Backward(executor, workspace.get(), upstream, gradients);
  }
  return py::make_tuple(log_kd_gradient, concentration_gradient, weight_gradient, odds_gradient);
}

}  // namespace

void BindExclusive(py::module_& module) {
  module.def(
      "exclusive_forward", &ExclusiveForward, py::arg("sequence"), py::arg("log_kd"),
      py::arg("log_concentration"), py::arg("position_weight") = py::none(), py::kw_only(),
      py::arg("column_range") = py::none(), py::arg("footprint") = py::none(),
      py::arg("competitor_width") = py::none(), py::arg("competitor_log_odds") = py::none(),
      py::arg("span") = py::none(), py::arg("length") = py::none(), py::arg("padding") = "same",
      py::arg("competitor_sites") = false, py::arg("instruction_set") = "", py::arg("threads") = 1,
      "(bound, weighted, log_partition, competitors, sites) of sites that exclude each other: "
      "[N, 2, M], [N, 2, M], [N], [N, Q] and, if asked for, [N, Q, L].");
  module.def("exclusive_backward", &ExclusiveBackward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight"), py::arg("bound_gradient"),
             py::arg("weighted_gradient"), py::arg("log_partition_gradient"),
             py::arg("competitor_gradient") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("footprint") = py::none(),
             py::arg("competitor_width") = py::none(), py::arg("competitor_log_odds") = py::none(),
             py::arg("span") = py::none(), py::arg("length") = py::none(),
             py::arg("padding") = "same", py::arg("instruction_set") = "", py::arg("threads") = 1,
             "Their gradients with respect to log_kd, log_concentration, position_weight and "
             "competitor_log_odds.");
}

}  // namespace cisreg
