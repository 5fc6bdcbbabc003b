// cuda/exclusive_launch.h for ctypes: addresses, then plain numbers; texts of errors out.

#include <string>

#include "exclusive_launch.h"
#include "fibers.h"

namespace {

std::string last_error;

const char* Finish(const cisreg::GpuError& error) {
  const std::string failure = cisreg::shim::TakeFailure();
  last_error = error.empty() || failure.empty() ? error + failure : error + ": " + failure;
  return last_error.c_str();
}

template <class T>
const T* If(int64_t given, const T* input) {
  return given != 0 ? input : nullptr;
}

}  // namespace

extern "C" {

// `host`: column ranges, footprints and widths of competitors, as far as they are `given`, one
// after the other. `given` has a bit for each optional input, in the order of the arguments; with
// no workspace, only its size is written. Sums hold the upstream gradients backward.
const char* cisreg_shim_exclusive(
    const int32_t* host, const uint8_t* sequence, const float* log_kd,
    const float* log_concentration, const float* position_weight, const int32_t* span,
    const int32_t* length, const float* competitor_log_odds, char* workspace, int64_t* bytes,
    float* bound, float* weighted, float* log_partition, float* competitors, float* log_kd_gradient,
    float* log_concentration_gradient, float* position_weight_gradient,
    float* competitor_log_odds_gradient, int64_t has_range, int64_t has_footprint,
    int64_t has_weight, int64_t span_stride, int64_t has_length, int64_t competitor_count,
    int64_t count, int64_t bases, int64_t width, int64_t motifs, int64_t same_padding,
    int64_t backward, int64_t runs, int64_t capability, int64_t multiprocessors, int64_t shared) {
  const cisreg::GpuDevice device = {static_cast<int>(capability), static_cast<int>(multiprocessors),
                                    shared};
  cisreg::shim::SetDevice({device.compute_capability, device.multiprocessor_count,
                           static_cast<int>(device.shared_memory_per_block)});
  cisreg::exclusive::Inputs inputs = {};
  inputs.scan.sequence = sequence;
  inputs.scan.log_kd = log_kd;
  inputs.scan.log_concentration = log_concentration;
  inputs.scan.column_range = If(has_range, host);
  inputs.footprint = If(has_footprint, host + has_range * 2 * motifs);
  inputs.competitor_width = host + (has_range + has_footprint) * 2 * motifs;
  inputs.competitor_count = competitor_count;
  inputs.competitor_log_odds = competitor_log_odds;
  inputs.position_weight = If(has_weight, position_weight);
  inputs.scan.span = span_stride >= 0 ? span : nullptr;
  inputs.scan.span_stride = span_stride;
  inputs.scan.length = If(has_length, length);
  const auto shape = cisreg::MakeOccupancyShape(count, bases, width, motifs, same_padding != 0);
  if (runs == 0) {
    return Finish(cisreg::GpuExclusiveWorkspaceBytes(device, shape, inputs, backward != 0, bytes));
  }
  if (backward == 0) {
    return Finish(
        cisreg::GpuExclusiveForward(device, shape, inputs, nullptr, workspace,
                                    {bound, weighted, log_partition, competitors, nullptr}));
  }
  return Finish(cisreg::GpuExclusiveBackward(
      device, shape, inputs, nullptr, workspace, {bound, weighted, log_partition, competitors},
      {log_kd_gradient, log_concentration_gradient, position_weight_gradient,
       competitor_log_odds_gradient}));
}

}  // extern "C"
