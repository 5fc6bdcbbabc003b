// cisreg._native: the mutations of sequences.

#include <pybind11/pybind11.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "mutations/launch.h"
#include "occupancy/kernels.h"
#include "python/arguments.h"

namespace py = pybind11;

namespace cisreg {
namespace {

std::string InstructionSet(const std::string& name) {
  if (name.empty()) return SelectKernels().name;
  Require(FindKernels(name.c_str()) != nullptr,
          "instruction_set: this processor or build has no '" + name + "' kernels");
  return name;
}

// Ends the work on Ctrl-C, which Python only records until asked.
bool Interrupted() {
  py::gil_scoped_acquire acquire;
  return PyErr_CheckSignals() != 0;
}

const float* CheckFactor(const char* name, const Array<float>& factor,
                         const OccupancyShape& shape) {
  Require(factor.ndim() == 2 && factor.shape(0) == kStrands && factor.shape(1) == shape.motif_count,
          std::string(name) + ": expected [2, M], M = " + std::to_string(shape.motif_count));
  return factor.data();
}

// Mutations are scanned under one condition and with one set of position weights.
void RequirePlain(const OccupancyInputs& inputs) {
  Require(inputs.condition_count == 1, "log_concentration: expected [M] for mutations, got C = " +
                                           std::to_string(inputs.condition_count) +
                                           " conditions; give one row at a time");
  Require(inputs.weight_sets <= 1, "position_weight: expected [2, P, M] for mutations, got K = " +
                                       std::to_string(inputs.weight_sets) +
                                       " sets; give one set at a time");
}

// An array of zeros, and where it begins.
template <class T>
py::array_t<T> Zeros(const std::vector<int64_t>& dimensions) {
  py::array_t<T> zeros(dimensions);
  std::fill_n(zeros.mutable_data(), zeros.size(), T{0});
  return zeros;
}

py::tuple MutationSums(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                       const Array<float>& log_concentration, const Array<float>& bound_factor,
                       const Array<float>& acting_factor,
                       const std::optional<Array<float>>& position_weight,
                       const std::optional<Array<int32_t>>& column_range,
                       const std::optional<Array<int32_t>>& span, const std::string& reduction,
                       const std::string& padding, const std::string& instruction_set,
                       int threads) {
  const OccupancyProblem problem =
      CheckArguments({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      std::nullopt, std::nullopt, reduction, padding, "float32"});
  RequirePlain(problem.inputs);
  const OccupancyShape& shape = problem.shape;
  const mutations::Factors factors = {CheckFactor("bound_factor", bound_factor, shape),
                                      CheckFactor("acting_factor", acting_factor, shape)};
  const std::string kernels = InstructionSet(instruction_set);
  RequireThreads(threads);
  const std::vector<int64_t> dimensions = {shape.sequence_count, shape.length, kBases};
  py::array_t<double> bound = Zeros<double>(dimensions), acting = Zeros<double>(dimensions);
  const mutations::Sums sums = {bound.mutable_data(), acting.mutable_data()};
  bool done;
  {
    py::gil_scoped_release release;
    done = mutations::SumChanges(problem, factors, kernels, threads, Interrupted, sums);
  }
  if (!done) throw py::error_already_set();
  return py::make_tuple(bound, acting);
}

py::tuple MutationChanges(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                          const Array<float>& log_concentration,
                          const std::optional<Array<float>>& position_weight,
                          const std::optional<Array<int32_t>>& column_range,
                          const std::optional<Array<int32_t>>& span, const std::string& reduction,
                          const std::string& padding, const std::string& instruction_set,
                          int threads) {
  const OccupancyProblem problem =
      CheckArguments({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      std::nullopt, std::nullopt, reduction, padding, "float32"});
  RequirePlain(problem.inputs);
  const OccupancyShape& shape = problem.shape;
  const std::string kernels = InstructionSet(instruction_set);
  RequireThreads(threads);
  const std::vector<int64_t> dimensions = {shape.sequence_count, shape.length, kBases, kStrands,
                                           shape.motif_count};
  py::array_t<float> bound = Zeros<float>(dimensions);
  std::optional<py::array_t<float>> weighted;
  if (problem.inputs.weighted()) weighted = Zeros<float>(dimensions);
  const mutations::Changes changes = {bound.mutable_data(),
                                      weighted ? weighted->mutable_data() : nullptr};
  bool done;
  {
    py::gil_scoped_release release;
    done = mutations::FindChanges(problem, kernels, threads, Interrupted, changes);
  }
  if (!done) throw py::error_already_set();
  return py::make_tuple(bound, weighted);
}

}  // namespace

void BindMutations(py::module_& module) {
  module.def("mutation_sums", &MutationSums, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("bound_factor"), py::arg("acting_factor"),
             py::arg("position_weight") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("span") = py::none(),
             py::arg("reduction") = "expected", py::arg("padding") = "same",
             py::arg("instruction_set") = "", py::arg("threads") = 1,
             "For every base in the place of another, what it changes in the sum over motifs and "
             "strands of bound_factor * bound, and in that of acting_factor * weighted (or bound, "
             "without position weights): float64 [N, L, 4] each.");
  module.def("mutation_changes", &MutationChanges, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("span") = py::none(),
             py::arg("reduction") = "expected", py::arg("padding") = "same",
             py::arg("instruction_set") = "", py::arg("threads") = 1,
             "For every base in the place of another, what it changes in (bound, weighted) of "
             "occupancy_forward: float32 [N, L, 4, 2, M] each.");
}

}  // namespace cisreg
