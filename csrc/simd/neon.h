// Four floats in NEON instructions, which every 64-bit Arm processor has.

#ifndef CISREG_CSRC_SIMD_NEON_H_
#define CISREG_CSRC_SIMD_NEON_H_

#include <arm_neon.h>

#include <cstdint>

namespace cisreg::simd {

struct NeonFloats {
  static constexpr int kLanes = 4;
  // Windows of a block scanned together, and vectors of sums kept in registers together: as many
  // sites as with AVX2, so that sums are added in the same order and have the same bits. Some of
  // the 32 registers stay free.
  static constexpr int kWindowsInFlight = 4;
  static constexpr int kSumsInFlight = 24;
  // Whether Reciprocal() is there, and faster than a part of a division.
  static constexpr bool kHasReciprocal = false;
  // Sites whose gradients lie together, see tile.h.
  static constexpr int kStripSites = 8;

  float32x4_t value;

  static NeonFloats Load(const float* from) { return {vld1q_f32(from)}; }
  static NeonFloats Broadcast(float x) { return {vdupq_n_f32(x)}; }
  void Store(float* to) const { vst1q_f32(to, value); }

  friend NeonFloats operator+(NeonFloats a, NeonFloats b) { return {vaddq_f32(a.value, b.value)}; }
  friend NeonFloats operator-(NeonFloats a, NeonFloats b) { return {vsubq_f32(a.value, b.value)}; }
  friend NeonFloats operator*(NeonFloats a, NeonFloats b) { return {vmulq_f32(a.value, b.value)}; }
  friend NeonFloats operator/(NeonFloats a, NeonFloats b) { return {vdivq_f32(a.value, b.value)}; }
};

inline NeonFloats MultiplyAdd(NeonFloats a, NeonFloats b, NeonFloats c) {
  return {vfmaq_f32(c.value, a.value, b.value)};
}

inline NeonFloats Min(NeonFloats a, NeonFloats b) { return {vminq_f32(a.value, b.value)}; }

inline NeonFloats Max(NeonFloats a, NeonFloats b) { return {vmaxq_f32(a.value, b.value)}; }

// value * 2^n, where n is the integer that the low mantissa bits of `rounded` hold.
inline NeonFloats ScaleByPower(NeonFloats value, NeonFloats rounded) {
  const int32x4_t power = vshlq_n_s32(vreinterpretq_s32_f32(rounded.value), 23);
  return {vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(value.value), power))};
}

// The integer n for which value / 2^n lies between the square roots of 1/2 and 2, and 2^-n.
inline void SplitPower(NeonFloats value, NeonFloats* power, NeonFloats* inverse) {
  const int32x4_t root = vdupq_n_s32(0x3f3504f3);
  const int32x4_t n = vshrq_n_s32(vsubq_s32(vreinterpretq_s32_f32(value.value), root), 23);
  power->value = vcvtq_f32_s32(n);
  inverse->value = vreinterpretq_f32_s32(vsubq_s32(vdupq_n_s32(0x3f800000), vshlq_n_s32(n, 23)));
}

// Stores a row for each lane: the numbers that the vectors have there. Rows are `stride` floats
// apart.
inline void StoreByLane(const NeonFloats (&of)[NeonFloats::kWindowsInFlight], float* to,
                        int64_t stride) {
  float lanes[NeonFloats::kLanes * NeonFloats::kWindowsInFlight];
  // The interleaving store writes the first lanes of all vectors, then the second ones, ...
  vst4q_f32(lanes, {{of[0].value, of[1].value, of[2].value, of[3].value}});
  for (int lane = 0; lane < NeonFloats::kLanes; ++lane) {
    vst1q_f32(to + lane * stride, vld1q_f32(lanes + lane * NeonFloats::kWindowsInFlight));
  }
}

}  // namespace cisreg::simd

#endif  // CISREG_CSRC_SIMD_NEON_H_
