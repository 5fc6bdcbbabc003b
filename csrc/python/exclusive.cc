// cisreg._native: sites that exclude each other.

#include <pybind11/pybind11.h>

#include <optional>
#include <string>

#include "exclusive/launch.h"
#include "python/exclusive_arguments.h"
#include "python/execution.h"

namespace py = pybind11;

namespace cisreg {
namespace {

using exclusive::Launch;

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
  const exclusive::Problem problem =
      CheckExclusive({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, std::nullopt, "expected", padding, "float32"},
                     {footprint, competitor_width, competitor_log_odds});
  const OccupancyKernels& kernels = KernelsNamed(instruction_set);
  Require(problem.has_competitors() || !competitor_sites,
          "competitor_sites: expected competitors, got none");
  const ExclusiveSumArrays sums(problem, competitor_sites);
  {
    py::gil_scoped_release release;
    Launch launch(kernels, problem.shape, problem.inputs, false);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor));
    launch.Forward(executor, workspace.get(), sums.pointers);
  }
  return py::make_tuple(sums.bound, sums.weighted, sums.log_partition, sums.competitors,
                        sums.sites);
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
  const exclusive::Problem problem =
      CheckExclusive({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, std::nullopt, "expected", padding, "float32"},
                     {footprint, competitor_width, competitor_log_odds});
  const OccupancyKernels& kernels = KernelsNamed(instruction_set);
  const exclusive::Upstream upstream = CheckExclusiveUpstream(
      problem, bound_gradient, weighted_gradient, log_partition_gradient, competitor_gradient);
  const ExclusiveGradientArrays gradients(problem);
  {
    py::gil_scoped_release release;
    Launch launch(kernels, problem.shape, problem.inputs, true);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor));
    launch.Backward(executor, workspace.get(), upstream, gradients.pointers);
  }
  return gradients.ToTuple();
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
