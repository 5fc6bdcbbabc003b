// cisreg._native: pairs of factors whose sites act together.

#include <pybind11/pybind11.h>

#include <optional>
#include <string>

#include "pairs/launch.h"
#include "python/execution.h"
#include "python/pair_arguments.h"

namespace py = pybind11;

namespace cisreg {
namespace {

py::array_t<float> PairForward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                               const Array<float>& log_concentration, const Array<float>& effect,
                               const Array<int32_t>& pair, int64_t distance,
                               const std::optional<Array<int32_t>>& column_range,
                               const std::optional<Array<int32_t>>& span,
                               const std::string& padding, const std::string& instruction_set,
                               int threads) {
  const pairs::Problem problem =
      CheckPairArrays({sequence, log_kd, log_concentration, std::nullopt, column_range, span,
                       std::nullopt, std::nullopt, "expected", padding, "float32"},
                      {effect, pair, distance});
  const OccupancyKernels& kernels = KernelsNamed(instruction_set);
  py::array_t<float> score(problem.shape.sequence_count);
  float* const to = score.mutable_data();
  {
    py::gil_scoped_release release;
    pairs::Launch launch(kernels, problem.shape, problem.inputs, false);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor));
    launch.Forward(executor, workspace.get(), to);
  }
  return score;
}

py::tuple PairBackward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                       const Array<float>& log_concentration, const Array<float>& effect,
                       const Array<int32_t>& pair, const Array<float>& score_gradient,
                       int64_t distance, const std::optional<Array<int32_t>>& column_range,
                       const std::optional<Array<int32_t>>& span, const std::string& padding,
                       const std::string& instruction_set, int threads) {
  const pairs::Problem problem =
      CheckPairArrays({sequence, log_kd, log_concentration, std::nullopt, column_range, span,
                       std::nullopt, std::nullopt, "expected", padding, "float32"},
                      {effect, pair, distance});
  const OccupancyKernels& kernels = KernelsNamed(instruction_set);
  const float* const upstream =
      CheckGradient("score_gradient", score_gradient, {problem.shape.sequence_count});
  py::array_t<float> of_log_kd(SizesOf(log_kd)), of_concentration(SizesOf(log_concentration));
  py::array_t<float> of_effect(SizesOf(effect));
  const pairs::Gradients gradients = {of_log_kd.mutable_data(), of_concentration.mutable_data(),
                                      of_effect.mutable_data()};
  {
    py::gil_scoped_release release;
    pairs::Launch launch(kernels, problem.shape, problem.inputs, true);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor));
    launch.Backward(executor, workspace.get(), upstream, gradients);
  }
  return py::make_tuple(of_log_kd, of_concentration, of_effect);
}

}  // namespace

void BindPairs(py::module_& module) {
  module.def("pair_forward", &PairForward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("effect"), py::arg("pair"), py::kw_only(),
             py::arg("distance"), py::arg("column_range") = py::none(),
             py::arg("span") = py::none(), py::arg("padding") = "same",
             py::arg("instruction_set") = "", py::arg("threads") = 1,
             "What pairs of factors do together on each sequence, [N].");
  module.def("pair_backward", &PairBackward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("effect"), py::arg("pair"),
             py::arg("score_gradient"), py::kw_only(), py::arg("distance"),
             py::arg("column_range") = py::none(), py::arg("span") = py::none(),
             py::arg("padding") = "same", py::arg("instruction_set") = "", py::arg("threads") = 1,
             "Its gradients with respect to log_kd, log_concentration and effect.");
}

}  // namespace cisreg
