// cuda/pair_launch.h for ctypes: addresses, then plain numbers; texts of errors out.

#include <string>

#include "fibers.h"
#include "pair_launch.h"

namespace {

std::string last_error;

const char* Finish(const cisreg::GpuError& error) {
  const std::string failure = cisreg::shim::TakeFailure();
  last_error = error.empty() || failure.empty() ? error + failure : error + ": " + failure;
  return last_error.c_str();
}

}  // namespace

extern "C" {

const char* cisreg_shim_pair_workspace(int64_t* bytes, int64_t count, int64_t length, int64_t width,
                                       int64_t motifs, int64_t same_padding, int64_t pair_count,
                                       int64_t knot_count, int64_t distance, int64_t backward,
                                       int64_t capability) {
  cisreg::pairs::Inputs inputs = {};
  inputs.pair_count = pair_count;
  inputs.knot_count = knot_count;
  inputs.distance = distance;
  const cisreg::GpuDevice device = {static_cast<int>(capability), 12, 64 << 10};
  return Finish(cisreg::GpuPairWorkspaceBytes(
      device, cisreg::MakeOccupancyShape(count, length, width, motifs, same_padding != 0), inputs,
      backward != 0, bytes));
}

// `score` holds the upstream gradients backward; gradients are written then alone. `span_stride`
// below 0: there is no span.
const char* cisreg_shim_pairs(const uint8_t* sequence, const float* log_kd,
                              const float* log_concentration, const int32_t* column_range,
                              const int32_t* span, const float* effect, const int32_t* pair,
                              char* workspace, float* score, float* log_kd_gradient,
                              float* log_concentration_gradient, float* effect_gradient,
                              int64_t count, int64_t length, int64_t width, int64_t motifs,
                              int64_t same_padding, int64_t pair_count, int64_t knot_count,
                              int64_t distance, int64_t backward, int64_t has_range,
                              int64_t span_stride) {
  cisreg::shim::SetDevice({90, 12, 64 << 10});
  cisreg::pairs::Inputs inputs = {};
  inputs.scan.sequence = sequence;
  inputs.scan.log_kd = log_kd;
  inputs.scan.log_concentration = log_concentration;
  inputs.scan.column_range = has_range != 0 ? column_range : nullptr;
  inputs.scan.span = span_stride >= 0 ? span : nullptr;
  inputs.scan.span_stride = span_stride;
  inputs.pair_count = pair_count;
  inputs.pair = pair;
  inputs.knot_count = knot_count;
  inputs.effect = effect;
  inputs.distance = distance;
  const auto shape = cisreg::MakeOccupancyShape(count, length, width, motifs, same_padding != 0);
  if (backward == 0) {
    return Finish(cisreg::GpuPairForward(shape, inputs, nullptr, workspace, score));
  }
  return Finish(
      cisreg::GpuPairBackward(shape, inputs, nullptr, workspace, score,
                              {log_kd_gradient, log_concentration_gradient, effect_gradient}));
}

}  // extern "C"
