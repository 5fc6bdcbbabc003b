// Compiled for 64-bit Arm: NEON looks 16 bytes up in a table of 64, k-mers of 3.

#include <arm_neon.h>

#include "scan/filter_loop.h"

namespace cisreg::scan {
namespace {

struct NeonBytes {
  static constexpr int kLanes = 16;
  static constexpr int kTableBytes = 128;

  uint8x16_t value;

  static NeonBytes Zero() { return {vdupq_n_u8(0)}; }
  static NeonBytes Set(uint8_t value) { return {vdupq_n_u8(value)}; }
  static NeonBytes Load(const uint8_t* source) { return {vld1q_u8(source)}; }
  void Store(uint8_t* target) const { vst1q_u8(target, value); }

  template <bool kAnyUnknown>
  struct Table;
};

// Codes of known bases are below 64.
template <>
struct NeonBytes::Table<false> {
  explicit Table(const uint8_t* source) : known(vld1q_u8_x4(source)) {}
  NeonBytes Lookup(NeonBytes codes) const { return {vqtbl4q_u8(known, codes.value)}; }
  uint8x16x4_t known;
};

template <>
struct NeonBytes::Table<true> {
  explicit Table(const uint8_t* source)
      : known(vld1q_u8_x4(source)), unknown(vld1q_u8_x4(source + 64)) {}
  NeonBytes Lookup(NeonBytes codes) const {
    // A code beyond its table gives 0 in the first, and leaves what there is in the second.
    const uint8x16_t behind = vsubq_u8(codes.value, vdupq_n_u8(64));
    return {vqtbx4q_u8(vqtbl4q_u8(known, codes.value), unknown, behind)};
  }
  uint8x16x4_t known, unknown;
};

inline NeonBytes AddSaturated(NeonBytes a, NeonBytes b) { return {vqaddq_u8(a.value, b.value)}; }
inline NeonBytes Min(NeonBytes a, NeonBytes b) { return {vminq_u8(a.value, b.value)}; }
inline uint64_t AtMost(NeonBytes a, NeonBytes b) {
  constexpr uint8_t kBit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t passed = vandq_u8(vcleq_u8(a.value, b.value), vld1q_u8(kBit));
  return vaddv_u8(vget_low_u8(passed)) | uint64_t{vaddv_u8(vget_high_u8(passed))} << 8;
}

}  // namespace

const FilterKernels kNeonFilter = {
    "neon", 3, NeonBytes::kTableBytes, 0.6 / 8, Select<NeonBytes>, Lowest<NeonBytes>,
};

}  // namespace cisreg::scan
