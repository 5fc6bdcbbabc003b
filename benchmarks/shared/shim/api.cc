// cuda/launch.h for ctypes: plain numbers and addresses in, texts of errors out.

#include <string>

#include "fibers.h"
#include "launch.h"

namespace {

using cisreg::shim::Device;

// As the Python side fills it, all addresses in one place.
struct Problem {
  int64_t sequence_count, length, width, motif_count;
  int32_t same_padding, log_unbound, compute_type, weight_sets;
  int32_t compute_capability, multiprocessor_count;
  int64_t shared_memory_per_block, span_stride, condition_count;
  const uint8_t* sequence;
  const float *log_kd, *log_concentration, *position_weight;
  const int32_t *column_range, *span, *own_length, *condition;
  char* workspace;
  // Outputs forward, upstream gradients backward.
  float *bound, *weighted_sums;
  // Gradients, backward alone.
  float *log_kd_gradient, *log_concentration_gradient, *position_weight_gradient;
};

std::string last_error;

const char* Finish(const cisreg::GpuError& error) {
  const std::string failure = cisreg::shim::TakeFailure();
  last_error = error.empty() || failure.empty() ? error + failure : error + ": " + failure;
  return last_error.c_str();
}

cisreg::GpuDevice DeviceOf(const Problem& problem) {
  cisreg::shim::SetDevice({problem.compute_capability, problem.multiprocessor_count,
                           static_cast<int>(problem.shared_memory_per_block)});
  return {problem.compute_capability, problem.multiprocessor_count,
          problem.shared_memory_per_block};
}

cisreg::OccupancyShape ShapeOf(const Problem& problem) {
  return cisreg::MakeOccupancyShape(problem.sequence_count, problem.length, problem.width,
                                    problem.motif_count, problem.same_padding != 0);
}

cisreg::OccupancyInputs InputsOf(const Problem& problem) {
  return {static_cast<cisreg::ComputeType>(problem.compute_type),
          problem.weight_sets,
          problem.condition_count,
          problem.sequence,
          problem.log_kd,
          problem.log_concentration,
          problem.position_weight,
          problem.column_range,
          problem.span,
          problem.span_stride,
          problem.own_length,
          problem.condition};
}

cisreg::Reduction ReductionOf(const Problem& problem) {
  return problem.log_unbound ? cisreg::Reduction::kLogUnbound : cisreg::Reduction::kExpected;
}

}  // namespace

extern "C" {

const char* cisreg_shim_workspace(const Problem* problem, int backward, int64_t* bytes) {
  return Finish(cisreg::GpuWorkspaceBytes(DeviceOf(*problem), ShapeOf(*problem), InputsOf(*problem),
                                          backward != 0, bytes));
}

const char* cisreg_shim_forward(const Problem* problem) {
  return Finish(cisreg::GpuOccupancyForward(
      DeviceOf(*problem), ShapeOf(*problem), ReductionOf(*problem), InputsOf(*problem), nullptr,
      problem->workspace, {problem->bound, problem->weighted_sums}));
}

const char* cisreg_shim_backward(const Problem* problem) {
  return Finish(cisreg::GpuOccupancyBackward(
      DeviceOf(*problem), ShapeOf(*problem), ReductionOf(*problem), InputsOf(*problem), nullptr,
      problem->workspace, {problem->bound, problem->weighted_sums},
      {problem->log_kd_gradient, problem->log_concentration_gradient,
       problem->position_weight_gradient}));
}

// What FindGpuDevice makes of the device that the last problem named.
const char* cisreg_shim_device(int32_t* capability, int32_t* multiprocessors, int64_t* shared) {
  cisreg::GpuDevice device = {};
  const cisreg::GpuError error = cisreg::FindGpuDevice(0, &device);
  *capability = device.compute_capability;
  *multiprocessors = device.multiprocessor_count;
  *shared = device.shared_memory_per_block;
  return Finish(error);
}

}  // extern "C"
