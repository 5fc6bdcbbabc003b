// cisreg._native: the occupancy kernels on NumPy arrays without TensorFlow, and the functions that
// the other files bind.

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <vector>

#include "occupancy/launch.h"
#include "python/arguments.h"
#include "python/execution.h"

namespace py = pybind11;

namespace cisreg {

void BindCluster(py::module_& module);     // cluster.cc
void BindExclusive(py::module_& module);   // exclusive.cc
void BindFasta(py::module_& module);       // fasta.cc
void BindLines(py::module_& module);       // lines.cc
void BindMutations(py::module_& module);   // mutations.cc
void BindOneHotText(py::module_& module);  // one_hot_text.cc
void BindPairs(py::module_& module);       // pairs.cc
void BindReads(py::module_& module);       // reads.cc
void BindScan(py::module_& module);        // scan.cc
void BindSequence(py::module_& module);    // sequence.cc
#ifdef CISREG_HAVE_CUDA
void BindCuda(py::module_& module);           // cuda.cc
void BindCudaExclusive(py::module_& module);  // cuda_exclusive.cc
void BindCudaPairs(py::module_& module);      // cuda_pairs.cc
#else
void BindCuda(py::module_& module) {
  module.def("cuda_devices", [] { return py::list(); });
}
void BindCudaExclusive(py::module_&) {}
void BindCudaPairs(py::module_&) {}
#endif

namespace {

py::tuple OccupancyForward(
    const Array<uint8_t>& sequence, const Array<float>& log_kd,
    const Array<float>& log_concentration, const std::optional<Array<float>>& position_weight,
    const std::optional<Array<int32_t>>& column_range, const std::optional<Array<int32_t>>& span,
    const std::optional<Array<int32_t>>& length, const std::optional<Array<int32_t>>& condition,
    const std::string& reduction, const std::string& padding, const std::string& compute_dtype,
    const std::string& instruction_set, int threads) {
  const ArrayProblem problem =
      CheckArguments({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, condition, reduction, padding, compute_dtype});
  const OccupancyKernels& kernels = KernelsNamed(instruction_set);
  const OutputArrays outputs(problem);
  {
    py::gil_scoped_release release;
    OccupancyLaunch launch(kernels, problem.shape, problem.reduction, problem.inputs, false);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor).total());
    launch.Forward(executor, workspace.get(), outputs.pointers);
  }
  return outputs.ToTuple();
}

py::tuple OccupancyBackward(
    const Array<uint8_t>& sequence, const Array<float>& log_kd,
    const Array<float>& log_concentration, const std::optional<Array<float>>& position_weight,
    const Array<float>& bound_gradient, const std::optional<Array<float>>& weighted_gradient,
    const std::optional<Array<int32_t>>& column_range, const std::optional<Array<int32_t>>& span,
    const std::optional<Array<int32_t>>& length, const std::optional<Array<int32_t>>& condition,
    const std::string& reduction, const std::string& padding, const std::string& compute_dtype,
    const std::string& instruction_set, int threads) {
  const ArrayProblem problem =
      CheckArguments({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, condition, reduction, padding, compute_dtype});
  const OccupancyKernels& kernels = KernelsNamed(instruction_set);
  const OccupancyUpstream upstream = CheckUpstream(problem, bound_gradient, weighted_gradient);
  const GradientArrays gradients(problem);
  {
    py::gil_scoped_release release;
    OccupancyLaunch launch(kernels, problem.shape, problem.reduction, problem.inputs, true);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor).total());
    launch.Backward(executor, workspace.get(), upstream, gradients.pointers);
  }
  return gradients.ToTuple();
}

py::dict BuildInfo() {
  py::dict info;
  info["cuda"] = CISREG_CUDA;
  info["compiler"] = __VERSION__;
  return info;
}

std::vector<std::string> InstructionSets() {
  std::vector<std::string> names;
  for (const char* name : {"portable", "avx2", "avx512", "neon"}) {
    if (FindKernels(name) != nullptr) names.push_back(name);
  }
  return names;
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  module.doc() = "Native code of cisreg that does not need TensorFlow.";
  module.def("occupancy_forward", &OccupancyForward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("span") = py::none(),
             py::arg("length") = py::none(), py::arg("condition") = py::none(),
             py::arg("reduction") = "expected", py::arg("padding") = "same",
             py::arg("compute_dtype") = "float32", py::arg("instruction_set") = "",
             py::arg("threads") = 1, "The fused kernel's (bound, weighted), both [N, 2, M].");
  module.def("occupancy_backward", &OccupancyBackward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight"), py::arg("bound_gradient"),
             py::arg("weighted_gradient") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("span") = py::none(),
             py::arg("length") = py::none(), py::arg("condition") = py::none(),
             py::arg("reduction") = "expected", py::arg("padding") = "same",
             py::arg("compute_dtype") = "float32", py::arg("instruction_set") = "",
             py::arg("threads") = 1,
             "The fused kernel's gradients of log_kd, log_concentration and position_weight.");
  BindCluster(module);
  BindExclusive(module);
  BindFasta(module);
  BindLines(module);
  BindMutations(module);
  BindOneHotText(module);
  BindPairs(module);
  BindReads(module);
  BindScan(module);
  BindSequence(module);
  BindCuda(module);
  BindCudaExclusive(module);
  BindCudaPairs(module);
  module.def("build_info", &BuildInfo,
             "What the compiled libraries were built with: CUDA, compiler.");
  module.def("instruction_sets", &InstructionSets,
             "Names of the kernels that this build and this processor have.");
  module.def(
      "selected_instruction_set", [] { return SelectKernels().name; },
      "Name of the kernels that the TensorFlow op uses.");
}

}  // namespace cisreg
