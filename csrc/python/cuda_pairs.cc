// cisreg._native: the CUDA kernels of pairs of factors on NumPy arrays, without TensorFlow.

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <tuple>

#include "cuda/pair_launch.h"
#include "python/device_memory.h"
#include "python/pair_arguments.h"

namespace py = pybind11;

namespace cisreg {
namespace {

// A problem on a device.
class DevicePairs : private DeviceBuffers {
 public:
  DevicePairs(const pairs::Problem& problem, bool backward, int ordinal)
      : shape_(problem.shape), inputs_(problem.inputs) {
    Check(cudaSetDevice(ordinal), "choose the device");
    GpuDevice device;
    Check(FindGpuDevice(ordinal, &device));
    Begin();
    OccupancyInputs& scan = inputs_.scan;
    Copy(&scan.sequence, shape_.sequence_count * shape_.length);
    Copy(&scan.log_kd, kd_count());
    Copy(&scan.log_concentration, shape_.motif_count);
    if (scan.column_range != nullptr) Copy(&scan.column_range, 2 * shape_.motif_count);
    if (scan.span != nullptr) Copy(&scan.span, scan.span_stride == 0 ? 2 : 2 * count());
    Copy(&inputs_.effect, effect_count());
    Copy(&inputs_.pair, 2 * inputs_.pair_count);
    int64_t bytes = 0;
    Check(GpuPairWorkspaceBytes(device, shape_, inputs_, backward, &bytes));
    workspace_ = Allocate(bytes);
  }

  void Forward(float* host) {
    float* score = nullptr;
    Reserve(&score, count());
    Check(GpuPairForward(shape_, inputs_, stream().get(), workspace_, score));
    Fetch(host, score, count());
    stream().Wait();
  }

  void Backward(const float* upstream, const pairs::Gradients& host) {
    pairs::Gradients gradients = {};
    Copy(&upstream, count());
    Reserve(&gradients.log_kd, kd_count());
    Reserve(&gradients.log_concentration, shape_.motif_count);
    Reserve(&gradients.effect, effect_count());
    Check(GpuPairBackward(shape_, inputs_, stream().get(), workspace_, upstream, gradients));
    Fetch(host.log_kd, gradients.log_kd, kd_count());
    Fetch(host.log_concentration, gradients.log_concentration, shape_.motif_count);
    Fetch(host.effect, gradients.effect, effect_count());
    stream().Wait();
  }

 private:
  int64_t count() const { return shape_.sequence_count; }
  int64_t kd_count() const { return shape_.width * kBases * shape_.motif_count; }
  int64_t effect_count() const {
    return inputs_.pair_count * pairs::kOrientations * inputs_.knot_count;
  }

  OccupancyShape shape_;
  pairs::Inputs inputs_;
  char* workspace_ = nullptr;
};

py::array_t<float> Forward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                           const Array<float>& log_concentration, const Array<float>& effect,
                           const Array<int32_t>& pair, int64_t distance,
                           const std::optional<Array<int32_t>>& column_range,
                           const std::optional<Array<int32_t>>& span, const std::string& padding,
                           int device) {
  const pairs::Problem problem =
      CheckPairArrays({sequence, log_kd, log_concentration, std::nullopt, column_range, span,
                       std::nullopt, std::nullopt, "expected", padding, "float32"},
                      {effect, pair, distance});
  py::array_t<float> score(problem.shape.sequence_count);
  float* const to = score.mutable_data();
  {
    py::gil_scoped_release release;
    DevicePairs(problem, false, device).Forward(to);
  }
  return score;
}

py::tuple Backward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                   const Array<float>& log_concentration, const Array<float>& effect,
                   const Array<int32_t>& pair, const Array<float>& score_gradient, int64_t distance,
                   const std::optional<Array<int32_t>>& column_range,
                   const std::optional<Array<int32_t>>& span, const std::string& padding,
                   int device) {
  const pairs::Problem problem =
      CheckPairArrays({sequence, log_kd, log_concentration, std::nullopt, column_range, span,
                       std::nullopt, std::nullopt, "expected", padding, "float32"},
                      {effect, pair, distance});
  const float* const upstream =
      CheckGradient("score_gradient", score_gradient, {problem.shape.sequence_count});
  py::array_t<float> of_log_kd(SizesOf(log_kd)), of_concentration(SizesOf(log_concentration));
  py::array_t<float> of_effect(SizesOf(effect));
  const pairs::Gradients gradients = {of_log_kd.mutable_data(), of_concentration.mutable_data(),
                                      of_effect.mutable_data()};
  {
    py::gil_scoped_release release;
    DevicePairs(problem, true, device).Backward(upstream, gradients);
  }
  return py::make_tuple(of_log_kd, of_concentration, of_effect);
}

// Only sizes are looked at: no device is needed.
std::string Refusal(const std::tuple<int, int, int64_t>& limits,
                    const std::tuple<int64_t, int64_t, int64_t, int64_t>& sizes,
                    const std::tuple<int64_t, int64_t>& effects, int64_t distance,
                    const std::string& padding) {
  const GpuDevice device = {std::get<0>(limits), std::get<1>(limits), std::get<2>(limits)};
  const auto [count, length, width, motifs] = sizes;
  pairs::Inputs inputs = {};
  inputs.pair_count = std::get<0>(effects);
  inputs.knot_count = std::get<1>(effects);
  inputs.distance = distance;
  int64_t bytes = 0;
  return GpuPairWorkspaceBytes(device,
                               MakeOccupancyShape(count, length, width, motifs, padding == "same"),
                               inputs, true, &bytes);
}

}  // namespace

void BindCudaPairs(py::module_& module) {
  module.def(
      "cuda_pair_refusal", &Refusal, py::arg("limits"), py::arg("sizes"), py::arg("effects"),
      py::kw_only(), py::arg("distance"), py::arg("padding") = "same",
      "Why a device with these `cuda_limits` cannot compute pairs of factors of sizes (N, L, "
      "W, M) and (Q, K); empty where it can. It needs no device.");
  module.def("cuda_pair_forward", &Forward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("effect"), py::arg("pair"), py::kw_only(),
             py::arg("distance"), py::arg("column_range") = py::none(),
             py::arg("span") = py::none(), py::arg("padding") = "same", py::arg("device") = 0,
             "What `pair_forward` computes, by the CUDA kernels.");
  module.def("cuda_pair_backward", &Backward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("effect"), py::arg("pair"),
             py::arg("score_gradient"), py::kw_only(), py::arg("distance"),
             py::arg("column_range") = py::none(), py::arg("span") = py::none(),
             py::arg("padding") = "same", py::arg("device") = 0,
             "What `pair_backward` computes, by the CUDA kernels.");
}

}  // namespace cisreg
