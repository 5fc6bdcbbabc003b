// cisreg._native: the CUDA kernels on NumPy arrays, checked and timed without TensorFlow.

#include <cuda_runtime.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "python/arguments.h"
#include "python/device_memory.h"

namespace py = pybind11;

namespace cisreg {
namespace {

class Event {
 public:
  Event() { Check(cudaEventCreate(&event_), "create an event"); }
  ~Event() {
    if (event_ != nullptr) cudaEventDestroy(event_);
  }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  void Record(const Stream& stream) const {
    Check(cudaEventRecord(event_, stream.get()), "record an event");
  }
  float MillisecondsSince(const Event& start) const {
    float milliseconds = 0;
    Check(cudaEventElapsedTime(&milliseconds, start.event_, event_), "read a time");
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// A problem on a device: memory for all that it reads and writes, and the stream it runs on.
class DeviceProblem : private DeviceBuffers {
 public:
  DeviceProblem(const OccupancyProblem& problem, bool backward, int ordinal)
      : shape_(problem.shape), inputs_(problem.inputs), reduction_(problem.reduction) {
    Check(cudaSetDevice(ordinal), "choose the device");
    Check(FindGpuDevice(ordinal, &device_));
    Begin();
    const OccupancyShape& s = shape_;
    Copy(&inputs_.sequence, s.sequence_count * s.length);
    Copy(&inputs_.log_kd, kd_count());
    Copy(&inputs_.log_concentration, concentration_count());
    Copy(&inputs_.position_weight, weight_count());
    if (inputs_.column_range != nullptr) Copy(&inputs_.column_range, 2 * s.motif_count);
    if (inputs_.span != nullptr) {
      Copy(&inputs_.span, inputs_.span_stride == 0 ? 2 : 2 * s.sequence_count);
    }
    if (inputs_.length != nullptr) Copy(&inputs_.length, s.sequence_count);
    if (inputs_.condition != nullptr) Copy(&inputs_.condition, s.sequence_count);
    int64_t bytes = 0;
    Check(GpuWorkspaceBytes(device_, shape_, inputs_, backward, &bytes));
    workspace_ = Allocate(bytes);
  }

  void Prepare(const OccupancyOutputs& host) {
    outputs_ = host;
    Reserve(&outputs_.bound, sum_count());
    if (inputs_.weighted()) Reserve(&outputs_.weighted, weighted_count());
  }

  void Prepare(const OccupancyUpstream& upstream, const OccupancyGradients& host) {
    upstream_ = upstream;
    gradients_ = host;
    Copy(&upstream_.bound, sum_count());
    if (inputs_.weighted()) Copy(&upstream_.weighted, weighted_count());
    Reserve(&gradients_.log_kd, kd_count());
    Reserve(&gradients_.log_concentration, concentration_count());
    if (inputs_.weighted()) Reserve(&gradients_.position_weight, weight_count());
  }

  void Forward() const {
    Check(GpuOccupancyForward(device_, shape_, reduction_, inputs_, stream().get(), workspace_,
                              outputs_));
  }

  void Backward() const {
    Check(GpuOccupancyBackward(device_, shape_, reduction_, inputs_, stream().get(), workspace_,
                               upstream_, gradients_));
  }

  using DeviceBuffers::Fetch;
  void Fetch(const OccupancyOutputs& host) const {
    Fetch(host.bound, outputs_.bound, sum_count());
    if (inputs_.weighted()) Fetch(host.weighted, outputs_.weighted, weighted_count());
    stream().Wait();
  }

  void Fetch(const OccupancyGradients& host) const {
    Fetch(host.log_kd, gradients_.log_kd, kd_count());
    Fetch(host.log_concentration, gradients_.log_concentration, concentration_count());
    if (inputs_.weighted()) Fetch(host.position_weight, gradients_.position_weight, weight_count());
    stream().Wait();
  }

  using DeviceBuffers::stream;

 private:
  int64_t sum_count() const {
    return shape_.sequence_count * inputs_.summed_conditions() * kStrands * shape_.motif_count;
  }
  int64_t weighted_count() const { return inputs_.weight_sets * sum_count(); }
  int64_t concentration_count() const { return inputs_.condition_count * shape_.motif_count; }
  int64_t kd_count() const { return shape_.width * kBases * shape_.motif_count; }
  int64_t weight_count() const {
    return inputs_.weight_sets * kStrands * shape_.window_count * shape_.motif_count;
  }

  OccupancyShape shape_;
  OccupancyInputs inputs_;
  Reduction reduction_;
  GpuDevice device_;
  char* workspace_ = nullptr;
  OccupancyOutputs outputs_ = {};
  OccupancyUpstream upstream_ = {};
  OccupancyGradients gradients_ = {};
};

py::tuple Forward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                  const Array<float>& log_concentration,
                  const std::optional<Array<float>>& position_weight,
                  const std::optional<Array<int32_t>>& column_range,
                  const std::optional<Array<int32_t>>& span,
                  const std::optional<Array<int32_t>>& length,
                  const std::optional<Array<int32_t>>& condition, const std::string& reduction,
                  const std::string& padding, const std::string& compute_dtype, int device) {
  const ArrayProblem problem =
      CheckArguments({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, condition, reduction, padding, compute_dtype});
  const OutputArrays outputs(problem);
  {
    py::gil_scoped_release release;
    DeviceProblem on_device(problem, false, device);
    on_device.Prepare(outputs.pointers);
    on_device.Forward();
    on_device.Fetch(outputs.pointers);
  }
  return outputs.ToTuple();
}

py::tuple Backward(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                   const Array<float>& log_concentration,
                   const std::optional<Array<float>>& position_weight,
                   const Array<float>& bound_gradient,
                   const std::optional<Array<float>>& weighted_gradient,
                   const std::optional<Array<int32_t>>& column_range,
                   const std::optional<Array<int32_t>>& span,
                   const std::optional<Array<int32_t>>& length,
                   const std::optional<Array<int32_t>>& condition, const std::string& reduction,
                   const std::string& padding, const std::string& compute_dtype, int device) {
  const ArrayProblem problem =
      CheckArguments({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, condition, reduction, padding, compute_dtype});
  const OccupancyUpstream upstream = CheckUpstream(problem, bound_gradient, weighted_gradient);
  const GradientArrays gradients(problem);
  {
    py::gil_scoped_release release;
    DeviceProblem on_device(problem, true, device);
    on_device.Prepare(upstream, gradients.pointers);
    on_device.Backward();
    on_device.Fetch(gradients.pointers);
  }
  return gradients.ToTuple();
}

// Overwrites the second-level cache, so that the next launch finds none of its data there.
class CacheFlush {
 public:
  CacheFlush() {
    int device = 0, bytes = 0;
    Check(cudaGetDevice(&device), "find the device");
    Check(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, device), "read the cache's size");
    bytes_ = 2 * static_cast<size_t>(bytes);
    void* memory = nullptr;
    Check(cudaMalloc(&memory, bytes_), "allocate device memory");
    memory_.reset(static_cast<char*>(memory));
  }
  void Queue(const Stream& stream) const {
    Check(cudaMemsetAsync(memory_.get(), 0, bytes_, stream.get()), "fill device memory");
  }

 private:
  size_t bytes_ = 0;
  DeviceMemory memory_;
};

// Milliseconds of each launch. All launches are queued before waiting for the first, so that the
// device never waits for the host.
template <class Launch>
std::vector<float> TimeLaunches(const Stream& stream, int repeats, const CacheFlush* flush,
                                const Launch& launch) {
  std::vector<Event> begins(repeats), ends(repeats);
  launch();
  for (int i = 0; i < repeats; ++i) {
    if (flush != nullptr) flush->Queue(stream);
    begins[i].Record(stream);
    launch();
    ends[i].Record(stream);
  }
  stream.Wait();
  std::vector<float> times;
  for (int i = 0; i < repeats; ++i) times.push_back(ends[i].MillisecondsSince(begins[i]));
  return times;
}

std::vector<float> Time(
    const Array<uint8_t>& sequence, const Array<float>& log_kd,
    const Array<float>& log_concentration, const std::optional<Array<float>>& position_weight,
    const std::optional<Array<int32_t>>& column_range, const std::optional<Array<int32_t>>& span,
    const std::optional<Array<int32_t>>& length, const std::optional<Array<int32_t>>& condition,
    const std::string& reduction, const std::string& padding, const std::string& compute_dtype,
    const std::string& direction, int repeats, bool cold, int device) {
  const ArrayProblem problem =
      CheckArguments({sequence, log_kd, log_concentration, position_weight, column_range, span,
                      length, condition, reduction, padding, compute_dtype});
  const bool backward = direction == "backward";
  Require(backward || direction == "forward", "direction: expected 'forward' or 'backward'");
  Require(repeats >= 1, "repeats: expected 1 or more, got " + std::to_string(repeats));
  py::gil_scoped_release release;
  DeviceProblem on_device(problem, backward, device);
  std::optional<CacheFlush> flush;
  if (cold) flush.emplace();
  const CacheFlush* const each = cold ? &*flush : nullptr;
  if (!backward) {
    on_device.Prepare(OccupancyOutputs{});
    return TimeLaunches(on_device.stream(), repeats, each, [&] { on_device.Forward(); });
  }
  const OccupancyShape& shape = problem.shape;
  const int64_t sums = shape.sequence_count * problem.inputs.summed_conditions() * kStrands *
                       shape.motif_count * std::max<int64_t>(1, problem.inputs.weight_sets);
  const std::vector<float> ones(sums, 1.0f);
  on_device.Prepare(OccupancyUpstream{ones.data(), ones.data()}, OccupancyGradients{});
  return TimeLaunches(on_device.stream(), repeats, each, [&] { on_device.Backward(); });
}

py::dict DescribeDevice(int ordinal) {
  cudaDeviceProp properties;
  Check(cudaGetDeviceProperties(&properties, ordinal), "read the device's properties");
  int kilohertz = 0, cache = 0, shared_memory = 0;
  const struct {
    int* value;
    cudaDeviceAttr attribute;
  } wanted[] = {{&kilohertz, cudaDevAttrClockRate},
                {&cache, cudaDevAttrL2CacheSize},
                {&shared_memory, cudaDevAttrMaxSharedMemoryPerBlockOptin}};
  for (const auto& each : wanted) {
    Check(cudaDeviceGetAttribute(each.value, each.attribute, ordinal), "read its properties");
  }
  py::dict device;
  device["name"] = std::string(properties.name);
  device["compute_capability"] =
      std::to_string(properties.major) + "." + std::to_string(properties.minor);
  device["multiprocessor_count"] = properties.multiProcessorCount;
  device["memory"] = properties.totalGlobalMem;
  device["clock_ghz"] = kilohertz / 1e6;
  device["cache_bytes"] = cache;
  device["shared_memory_per_block"] = shared_memory;
  return device;
}

py::list Devices() {
  py::list devices;
  int count = 0;
  // Without a driver or a device this call fails: then there are no devices.
  if (cudaGetDeviceCount(&count) != cudaSuccess) count = 0;
  cudaGetLastError();
  for (int ordinal = 0; ordinal < count; ++ordinal) devices.append(DescribeDevice(ordinal));
  return devices;
}

// What limits a launch on a device.
py::tuple Limits(int ordinal) {
  Check(cudaSetDevice(ordinal), "choose the device");
  GpuDevice device;
  Check(FindGpuDevice(ordinal, &device));
  return py::make_tuple(device.compute_capability, device.multiprocessor_count,
                        device.shared_memory_per_block);
}

// Only sizes are looked at: the answer is the same without a device.
std::string Refusal(const std::tuple<int, int, int64_t>& limits,
                    const std::tuple<int64_t, int64_t, int64_t, int64_t>& sizes,
                    int64_t weight_sets, int64_t condition_count, bool assigned,
                    const std::string& padding, const std::string& compute_dtype) {
  const GpuDevice device = {std::get<0>(limits), std::get<1>(limits), std::get<2>(limits)};
  const auto [count, length, width, motifs] = sizes;
  const OccupancyShape shape = MakeOccupancyShape(count, length, width, motifs, padding == "same");
  OccupancyInputs inputs = {};
  inputs.compute_type = compute_dtype == "float32" ? ComputeType::kFloat32 : ComputeType::kFloat16;
  inputs.weight_sets = weight_sets;
  inputs.condition_count = condition_count;
  // Sizes follow from whether there is such an input alone.
  const int32_t some = 0;
  if (assigned) inputs.condition = &some;
  return GpuRefusal(device, shape, inputs);
}

}  // namespace

void BindCuda(py::module_& module) {
  module.def(
      "cuda_devices", &Devices,
      "The GPUs that CUDA finds: name, compute_capability, multiprocessor_count, memory in "
      "bytes, clock_ghz, cache_bytes of the second level and shared_memory_per_block of each; "
      "none where there is no driver.");
  module.def("cuda_limits", &Limits, py::arg("device") = 0,
             "Of a device: compute capability of the code that runs there, as 90 for 9.0, number "
             "of multiprocessors, bytes of shared memory that a block can have.");
  module.def("cuda_refusal", &Refusal, py::arg("limits"), py::arg("sizes"), py::kw_only(),
             py::arg("weight_sets") = 0, py::arg("condition_count") = 1,
             py::arg("assigned") = false, py::arg("padding") = "same",
             py::arg("compute_dtype") = "float32",
             "Why a device with these `cuda_limits` cannot compute a problem of sizes (N, L, W, M) "
             "or its gradient; empty where it can. `assigned`: each sequence has one of the "
             "conditions. The answer is the same where there is no device.");
  module.def("cuda_occupancy_forward", &Forward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("span") = py::none(),
             py::arg("length") = py::none(), py::arg("condition") = py::none(),
             py::arg("reduction") = "expected", py::arg("padding") = "same",
             py::arg("compute_dtype") = "float32", py::arg("device") = 0,
             "The CUDA kernel's (bound, weighted), of the shapes of cisreg.occupancy.");
  module.def("cuda_occupancy_backward", &Backward, py::arg("sequence"), py::arg("log_kd"),
             py::arg("log_concentration"), py::arg("position_weight"), py::arg("bound_gradient"),
             py::arg("weighted_gradient") = py::none(), py::kw_only(),
             py::arg("column_range") = py::none(), py::arg("span") = py::none(),
             py::arg("length") = py::none(), py::arg("condition") = py::none(),
             py::arg("reduction") = "expected", py::arg("padding") = "same",
             py::arg("compute_dtype") = "float32", py::arg("device") = 0,
             "The CUDA kernel's gradients of log_kd, log_concentration and position_weight.");
  module.def(
      "cuda_time", &Time, py::arg("sequence"), py::arg("log_kd"), py::arg("log_concentration"),
      py::arg("position_weight") = py::none(), py::kw_only(), py::arg("column_range") = py::none(),
      py::arg("span") = py::none(), py::arg("length") = py::none(),
      py::arg("condition") = py::none(), py::arg("reduction") = "expected",
      py::arg("padding") = "same", py::arg("compute_dtype") = "float32",
      py::arg("direction") = "forward", py::arg("repeats") = 20, py::arg("cold") = false,
      py::arg("device") = 0,
      "Milliseconds of each launch of the CUDA kernel, its arrays on the device; with `cold` "
      "none of them is in the second-level cache when a launch begins.");
}

}  // namespace cisreg
