// cisreg._native: the CUDA kernels of sites that exclude each other on NumPy arrays, without
// TensorFlow.

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <tuple>

#include "cuda/exclusive_launch.h"
#include "python/device_memory.h"
#include "python/exclusive_arguments.h"

namespace py = pybind11;

namespace cisreg {
namespace {

// A problem on a device.
class DeviceExclusive : private DeviceBuffers {
 public:
  DeviceExclusive(const exclusive::Problem& problem, bool backward, int ordinal)
      : problem_(problem), inputs_(problem.inputs) {
    Check(cudaSetDevice(ordinal), "choose the device");
    Check(FindGpuDevice(ordinal, &device_));
    Begin();
    // What sites cover stays on the host.
    OccupancyInputs& scan = inputs_.scan;
    Copy(&scan.sequence, count() * shape().length);
    Copy(&scan.log_kd, kd_count());
    Copy(&scan.log_concentration, shape().motif_count);
    if (problem_.weighted()) Copy(&inputs_.position_weight, weight_count());
    if (scan.span != nullptr) Copy(&scan.span, scan.span_stride == 0 ? 2 : 2 * count());
    if (scan.length != nullptr) Copy(&scan.length, count());
    Copy(&inputs_.competitor_log_odds, inputs_.competitor_count);
    int64_t bytes = 0;
    Check(GpuExclusiveWorkspaceBytes(device_, shape(), inputs_, backward, &bytes));
    workspace_ = Allocate(bytes);
  }

  void Forward(const exclusive::Outputs& host) {
    exclusive::Outputs outputs = {};
    Reserve(&outputs.bound, sum_count());
    if (problem_.weighted()) Reserve(&outputs.weighted, sum_count());
    Reserve(&outputs.log_partition, count());
    Reserve(&outputs.competitors, competitor_count());
    Check(GpuExclusiveForward(device_, shape(), inputs_, stream().get(), workspace_, outputs));
    Fetch(host.bound, outputs.bound, sum_count());
    if (problem_.weighted()) Fetch(host.weighted, outputs.weighted, sum_count());
    Fetch(host.log_partition, outputs.log_partition, count());
    Fetch(host.competitors, outputs.competitors, competitor_count());
    stream().Wait();
  }

  void Backward(exclusive::Upstream upstream, const exclusive::Gradients& host) {
    exclusive::Gradients gradients = {};
    Copy(&upstream.bound, sum_count());
    if (problem_.weighted()) Copy(&upstream.weighted, sum_count());
    Copy(&upstream.log_partition, count());
    Copy(&upstream.competitors, competitor_count());
    Reserve(&gradients.log_kd, kd_count());
    Reserve(&gradients.log_concentration, shape().motif_count);
    if (problem_.weighted()) Reserve(&gradients.position_weight, weight_count());
    Reserve(&gradients.competitors, inputs_.competitor_count);
    Check(GpuExclusiveBackward(device_, shape(), inputs_, stream().get(), workspace_, upstream,
                               gradients));
    Fetch(host.log_kd, gradients.log_kd, kd_count());
    Fetch(host.log_concentration, gradients.log_concentration, shape().motif_count);
    if (problem_.weighted()) Fetch(host.position_weight, gradients.position_weight, weight_count());
    Fetch(host.competitors, gradients.competitors, inputs_.competitor_count);
    stream().Wait();
  }

 private:
  const OccupancyShape& shape() const { return problem_.shape; }
  int64_t count() const { return shape().sequence_count; }
  int64_t kd_count() const { return shape().width * kBases * shape().motif_count; }
  int64_t sum_count() const { return count() * kStrands * shape().motif_count; }
  int64_t weight_count() const { return kStrands * shape().window_count * shape().motif_count; }
  int64_t competitor_count() const { return count() * inputs_.competitor_count; }

  exclusive::Problem problem_;
  exclusive::Inputs inputs_;
  GpuDevice device_;
  char* workspace_ = nullptr;
};

py::tuple Forward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                  const Array<float>& log_concentration,
                  const std::optional<Array<float>>& position_weight,
                  const std::optional<Array<int32_t>>& column_range,
                  const std::optional<Array<int32_t>>& footprint,
                  const std::optional<Array<int32_t>>& competitor_width,
                  const std::optional<Array<float>>& competitor_log_odds,
                  const std::optional<Array<int32_t>>& span,
                  const std::optional<Array<int32_t>>& length, const std::string& padding,
                  int device) {
  const exclusive::Problem problem =
      CheckExclusive({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, std::nullopt, "expected", padding, "float32"},
                     {footprint, competitor_width, competitor_log_odds});
  const ExclusiveSumArrays sums(problem, false);
  {
    py::gil_scoped_release release;
    DeviceExclusive(problem, false, device).Forward(sums.pointers);
  }
  return py::make_tuple(sums.bound, sums.weighted, sums.log_partition, sums.competitors);
}

py::tuple Backward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
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
                   int device) {
  const exclusive::Problem problem =
      CheckExclusive({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, std::nullopt, "expected", padding, "float32"},
                     {footprint, competitor_width, competitor_log_odds});
  const exclusive::Upstream upstream = CheckExclusiveUpstream(
      problem, bound_gradient, weighted_gradient, log_partition_gradient, competitor_gradient);
  const ExclusiveGradientArrays gradients(problem);
  {
    py::gil_scoped_release release;
    DeviceExclusive(problem, true, device).Backward(upstream, gradients.pointers);
  }
  return gradients.ToTuple();
}

// Only sizes are looked at: the answer is the same without a device.
std::string Refusal(const std::tuple<int, int, int64_t>& limits,
                    const std::tuple<int64_t, int64_t, int64_t, int64_t>& sizes, bool weighted,
                    const std::string& padding) {
  const GpuDevice device = {std::get<0>(limits), std::get<1>(limits), std::get<2>(limits)};
  const auto [count, length, width, motifs] = sizes;
  const float some = 0.0f;
  exclusive::Inputs inputs = {};
  if (weighted) inputs.position_weight = &some;
  return GpuExclusiveRefusal(
      device, MakeOccupancyShape(count, length, width, motifs, padding == "same"), inputs);
}

}  // namespace

void BindCudaExclusive(py::module_& module) {
  module.def("cuda_exclusive_refusal", &Refusal, py::arg("limits"), py::arg("sizes"), py::kw_only(),
             py::arg("weighted") = false, py::arg("padding") = "same",
             "Why a device with these `cuda_limits` cannot compute sites that exclude each other "
             "of sizes (N, L, W, M), each of which covers W bases; empty where it can. The "
             "answer is the same where there is no device.");
  module.def("cuda_exclusive_forward", &Forward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("footprint") = py::none(),
             py::arg("competitor_width") = py::none(), py::arg("competitor_log_odds") = py::none(),
             py::arg("span") = py::none(), py::arg("length") = py::none(),
             py::arg("padding") = "same", py::arg("device") = 0,
             "What `exclusive_forward` computes, without the sites of competitors, by the CUDA "
             "kernels.");
  module.def("cuda_exclusive_backward", &Backward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight"), py::arg("bound_gradient"),
             py::arg("weighted_gradient"), py::arg("log_partition_gradient"),
             py::arg("competitor_gradient") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("footprint") = py::none(),
             py::arg("competitor_width") = py::none(), py::arg("competitor_log_odds") = py::none(),
             py::arg("span") = py::none(), py::arg("length") = py::none(),
             py::arg("padding") = "same", py::arg("device") = 0,
             "What `exclusive_backward` computes, by the CUDA kernels.");
}

}  // namespace cisreg
