// cisreg._native: sequence encoding, and the occupancy kernels on NumPy arrays without TensorFlow.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "occupancy/launch.h"
#include "sequence/encode.h"

namespace py = pybind11;

namespace cisreg {

void BindScan(py::module_& module);  // scan.cc

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

void Require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

py::tuple Encode(const Array<uint8_t>& data, const Array<int64_t>& offsets, int64_t length,
                 bool pad_left) {
  Require(offsets.ndim() == 1 && offsets.size() >= 1,
          "offsets: expected one more entry than there are sequences");
  Require(length >= 0, "length: expected 0 or more, got " + std::to_string(length));
  const int64_t count = offsets.size() - 1;
  for (int64_t i = 0; i < count; ++i) {
    Require(offsets.at(i) >= 0 && offsets.at(i) <= offsets.at(i + 1) &&
                offsets.at(i + 1) <= data.size(),
            "offsets: expected to rise within data, entry " + std::to_string(i) + " does not");
  }
  py::array_t<uint8_t> codes({count, length});
  const SequenceText text = {data.data(), offsets.data(), count};
  EncodeCounts counts;
  {
    py::gil_scoped_release release;
    counts = EncodeSequences(text, length, pad_left, codes.mutable_data());
  }
  return py::make_tuple(codes, counts.padded, counts.trimmed);
}

Executor ThreadExecutor(int threads) {
  Require(threads >= 1, "threads: expected 1 or more, got " + std::to_string(threads));
  Executor executor;
  executor.worker_count = threads;
  executor.parallel_for = [threads](int64_t count, int64_t,
                                    const std::function<void(int64_t, int)>& task) {
    std::atomic<int64_t> next{0};
    const auto work = [&](int worker) {
      for (int64_t i = next++; i < count; i = next++) task(i, worker);
    };
    std::vector<std::future<void>> others;
    for (int worker = 1; worker < threads; ++worker) {
      others.push_back(std::async(std::launch::async, work, worker));
    }
    work(0);
    for (std::future<void>& other : others) other.get();
  };
  return executor;
}

struct LineAligned {
  void operator()(char* memory) const { ::operator delete[](memory, std::align_val_t(64)); }
};
using Workspace = std::unique_ptr<char[], LineAligned>;

Workspace Allocate(size_t bytes) {
  return Workspace(static_cast<char*>(::operator new[](bytes, std::align_val_t(64))));
}

template <class T>
bool HasShape(const Array<T>& array, const std::vector<int64_t>& shape) {
  return std::equal(shape.begin(), shape.end(), array.shape(), array.shape() + array.ndim());
}

ComputeType ComputeTypeNamed(const std::string& name) {
  if (name == "float32") return ComputeType::kFloat32;
  if (name == "bfloat16") return ComputeType::kBfloat16;
  Require(name == "float16",
          "compute_dtype: expected 'float32', 'bfloat16' or 'float16', got '" + name + "'");
  return ComputeType::kFloat16;
}

struct KernelArguments {
  OccupancyShape shape;
  OccupancyInputs inputs;
  Reduction reduction;
  const OccupancyKernels* kernels;
};

KernelArguments CheckArguments(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                               const Array<float>& log_concentration,
                               const std::optional<Array<float>>& position_weight,
                               const std::optional<Array<int32_t>>& column_range,
                               const std::string& reduction, const std::string& padding,
                               const std::string& compute_dtype,
                               const std::string& instruction_set) {
  Require(sequence.ndim() == 2, "sequence: expected [N, L]");
  Require(log_kd.ndim() == 3 && log_kd.shape(1) == kBases, "log_kd: expected [W, 4, M]");
  Require(padding == "same" || padding == "valid", "padding: expected 'same' or 'valid'");
  Require(reduction == "expected" || reduction == "log_unbound",
          "reduction: expected 'expected' or 'log_unbound'");
  KernelArguments arguments;
  arguments.shape = MakeOccupancyShape(sequence.shape(0), sequence.shape(1), log_kd.shape(0),
                                       log_kd.shape(2), padding == "same");
  Require(arguments.shape.width > 0 && arguments.shape.motif_count > 0,
          "log_kd: expected W and M of at least 1");
  Require(padding == "same" || arguments.shape.window_count >= 1,
          "padding: 'valid' wants W of at most L");
  const int64_t motifs = arguments.shape.motif_count;
  Require(HasShape(log_concentration, {motifs}), "log_concentration: expected [M]");
  Require(!position_weight ||
              HasShape(*position_weight, {kStrands, arguments.shape.window_count, motifs}),
          "position_weight: expected [2, P, M]");
  Require(!column_range || HasShape(*column_range, {2, motifs}), "column_range: expected [2, M]");
  for (int64_t motif = 0; column_range && motif < motifs; ++motif) {
    const int64_t first = column_range->at(0, motif), end = column_range->at(1, motif);
    Require(0 <= first && first <= end && end <= arguments.shape.width,
            "column_range: expected 0 <= first <= end <= W");
  }
  for (ssize_t i = 0; i < sequence.size(); ++i) {
    Require(sequence.data()[i] <= kUnknownBase, "sequence: expected codes of at most 4");
  }
  arguments.inputs = {};
  arguments.inputs.compute_type = ComputeTypeNamed(compute_dtype);
  arguments.inputs.weighted = position_weight.has_value();
  arguments.inputs.sequence = sequence.data();
  arguments.inputs.log_kd = log_kd.data();
  arguments.inputs.log_concentration = log_concentration.data();
  if (position_weight) arguments.inputs.position_weight = position_weight->data();
  if (column_range) arguments.inputs.column_range = column_range->data();
  arguments.reduction = reduction == "expected" ? Reduction::kExpected : Reduction::kLogUnbound;
  arguments.kernels =
      instruction_set.empty() ? &SelectKernels() : FindKernels(instruction_set.c_str());
  Require(arguments.kernels != nullptr,
          "instruction_set: this processor or build has no '" + instruction_set + "' kernels");
  return arguments;
}

py::tuple OccupancyForward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                           const Array<float>& log_concentration,
                           const std::optional<Array<float>>& position_weight,
                           const std::optional<Array<int32_t>>& column_range,
                           const std::string& reduction, const std::string& padding,
                           const std::string& compute_dtype, const std::string& instruction_set,
                           int threads) {
  const KernelArguments arguments =
      CheckArguments(sequence, log_kd, log_concentration, position_weight, column_range, reduction,
                     padding, compute_dtype, instruction_set);
  const std::vector<int64_t> shape = {arguments.shape.sequence_count, kStrands,
                                      arguments.shape.motif_count};
  py::array_t<float> bound(shape);
  std::optional<py::array_t<float>> weighted;
  if (position_weight) weighted.emplace(shape);
  const OccupancyOutputs outputs = {bound.mutable_data(),
                                    weighted ? weighted->mutable_data() : nullptr};
  {
    py::gil_scoped_release release;
    OccupancyLaunch launch(*arguments.kernels, arguments.shape, arguments.reduction,
                           arguments.inputs, false);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor).total());
    launch.Forward(executor, workspace.get(), outputs);
  }
  return py::make_tuple(bound, weighted);
}

py::tuple OccupancyBackward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                            const Array<float>& log_concentration,
                            const std::optional<Array<float>>& position_weight,
                            const Array<float>& bound_gradient,
                            const std::optional<Array<float>>& weighted_gradient,
                            const std::optional<Array<int32_t>>& column_range,
                            const std::string& reduction, const std::string& padding,
                            const std::string& compute_dtype, const std::string& instruction_set,
                            int threads) {
  const KernelArguments arguments =
      CheckArguments(sequence, log_kd, log_concentration, position_weight, column_range, reduction,
                     padding, compute_dtype, instruction_set);
  const std::vector<int64_t> outputs = {arguments.shape.sequence_count, kStrands,
                                        arguments.shape.motif_count};
  Require(HasShape(bound_gradient, outputs), "bound_gradient: expected [N, 2, M]");
  Require(weighted_gradient.has_value() == position_weight.has_value() &&
              (!weighted_gradient || HasShape(*weighted_gradient, outputs)),
          "weighted_gradient: expected [N, 2, M] exactly where position_weight is given");
  py::array_t<float> log_kd_gradient({log_kd.shape(0), log_kd.shape(1), log_kd.shape(2)});
  py::array_t<float> log_concentration_gradient(log_concentration.size());
  std::optional<py::array_t<float>> position_gradient;
  if (position_weight) {
    position_gradient.emplace(
        std::vector<int64_t>{kStrands, arguments.shape.window_count, arguments.shape.motif_count});
  }
  const OccupancyUpstream upstream = {bound_gradient.data(),
                                      weighted_gradient ? weighted_gradient->data() : nullptr};
  const OccupancyGradients gradients = {
      log_kd_gradient.mutable_data(), log_concentration_gradient.mutable_data(),
      position_gradient ? position_gradient->mutable_data() : nullptr};
  {
    py::gil_scoped_release release;
    OccupancyLaunch launch(*arguments.kernels, arguments.shape, arguments.reduction,
                           arguments.inputs, true);
    const Executor executor = ThreadExecutor(threads);
    const Workspace workspace = Allocate(launch.Workspace(executor).total());
    launch.Backward(executor, workspace.get(), upstream, gradients);
  }
  return py::make_tuple(log_kd_gradient, log_concentration_gradient, position_gradient);
}

py::dict BuildInfo() {
  py::dict info;
  info["tensorflow_version"] = CISREG_TENSORFLOW_VERSION;
  info["cuda"] = CISREG_CUDA;
  info["compiler"] = __VERSION__;
  return info;
}

std::vector<std::string> InstructionSets() {
  std::vector<std::string> names;
  for (const char* name : {"portable", "avx2", "avx512"}) {
    if (FindKernels(name) != nullptr) names.push_back(name);
  }
  return names;
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  module.doc() = "Native code of cisreg that does not need TensorFlow.";
  module.def("encode", &Encode, py::arg("data"), py::arg("offsets"), py::arg("length"),
             py::arg("pad_left"),
             "Base codes [N, length] of texts given as Arrow data and offsets, and how many were "
             "padded and trimmed.");
  module.def("occupancy_forward", &OccupancyForward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("reduction") = "expected",
             py::arg("padding") = "same", py::arg("compute_dtype") = "float32",
             py::arg("instruction_set") = "", py::arg("threads") = 1,
             "The fused kernel's (bound, weighted), both [N, 2, M].");
  module.def("occupancy_backward", &OccupancyBackward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight"), py::arg("bound_gradient"),
             py::arg("weighted_gradient") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("reduction") = "expected",
             py::arg("padding") = "same", py::arg("compute_dtype") = "float32",
             py::arg("instruction_set") = "", py::arg("threads") = 1,
             "The fused kernel's gradients of log_kd, log_concentration and position_weight.");
  BindScan(module);
  module.def("build_info", &BuildInfo,
             "What the compiled libraries were built with: TensorFlow, CUDA, compiler.");
  module.def("instruction_sets", &InstructionSets,
             "Names of the kernels that this build and this processor have.");
  module.def(
      "selected_instruction_set", [] { return SelectKernels().name; },
      "Name of the kernels that the TensorFlow op uses.");
}

}  // namespace cisreg
