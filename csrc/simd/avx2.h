// Eight floats in AVX2 and FMA instructions. Include it only in units compiled for them.

#ifndef CISREG_CSRC_SIMD_AVX2_H_
#define CISREG_CSRC_SIMD_AVX2_H_

#include <immintrin.h>

#include <cstdint>

namespace cisreg::simd {

struct Avx2Floats {
  static constexpr int kLanes = 8;
  // Windows of a block scanned together, and vectors of sums kept in registers together.
  static constexpr int kWindowsInFlight = 4;
  static constexpr int kSumsInFlight = 12;
  // Whether Reciprocal() is there, and faster than a part of a division.
  static constexpr bool kHasReciprocal = false;
  // Sites whose gradients lie together, see tile.h.
  static constexpr int kStripSites = 8;

  __m256 value;

  static Avx2Floats Load(const float* from) { return {_mm256_loadu_ps(from)}; }
  static Avx2Floats Broadcast(float x) { return {_mm256_set1_ps(x)}; }
  void Store(float* to) const { _mm256_storeu_ps(to, value); }

  friend Avx2Floats operator+(Avx2Floats a, Avx2Floats b) {
    return {_mm256_add_ps(a.value, b.value)};
  }
  friend Avx2Floats operator-(Avx2Floats a, Avx2Floats b) {
    return {_mm256_sub_ps(a.value, b.value)};
  }
  friend Avx2Floats operator*(Avx2Floats a, Avx2Floats b) {
    return {_mm256_mul_ps(a.value, b.value)};
  }
  friend Avx2Floats operator/(Avx2Floats a, Avx2Floats b) {
    return {_mm256_div_ps(a.value, b.value)};
  }
};

inline Avx2Floats MultiplyAdd(Avx2Floats a, Avx2Floats b, Avx2Floats c) {
  return {_mm256_fmadd_ps(a.value, b.value, c.value)};
}

inline Avx2Floats Min(Avx2Floats a, Avx2Floats b) { return {_mm256_min_ps(a.value, b.value)}; }

inline Avx2Floats Max(Avx2Floats a, Avx2Floats b) { return {_mm256_max_ps(a.value, b.value)}; }

// value * 2^n, where n is the integer that the low mantissa bits of `rounded` hold.
inline Avx2Floats ScaleByPower(Avx2Floats value, Avx2Floats rounded) {
  const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(rounded.value), 23);
  return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(value.value), power))};
}

// The integer n for which value / 2^n lies between the square roots of 1/2 and 2, and 2^-n.
inline void SplitPower(Avx2Floats value, Avx2Floats* power, Avx2Floats* inverse) {
  const __m256i root = _mm256_set1_epi32(0x3f3504f3);
  const __m256i n = _mm256_srai_epi32(_mm256_sub_epi32(_mm256_castps_si256(value.value), root), 23);
  power->value = _mm256_cvtepi32_ps(n);
  inverse->value = _mm256_castsi256_ps(
      _mm256_sub_epi32(_mm256_set1_epi32(0x3f800000), _mm256_slli_epi32(n, 23)));
}

// Stores a row for each lane: the numbers that the vectors have there. Rows are `stride` floats
// apart.
inline void StoreByLane(const Avx2Floats (&of)[Avx2Floats::kWindowsInFlight], float* to,
                        int64_t stride) {
  const __m256 low01 = _mm256_unpacklo_ps(of[0].value, of[1].value);
  const __m256 high01 = _mm256_unpackhi_ps(of[0].value, of[1].value);
  const __m256 low23 = _mm256_unpacklo_ps(of[2].value, of[3].value);
  const __m256 high23 = _mm256_unpackhi_ps(of[2].value, of[3].value);
  // Lane i and lane i + 4 of all vectors.
  const __m256 lanes[4] = {
      _mm256_shuffle_ps(low01, low23, 0x44), _mm256_shuffle_ps(low01, low23, 0xee),
      _mm256_shuffle_ps(high01, high23, 0x44), _mm256_shuffle_ps(high01, high23, 0xee)};
  for (int i = 0; i < 4; ++i) {
    _mm_storeu_ps(to + i * stride, _mm256_castps256_ps128(lanes[i]));
    _mm_storeu_ps(to + (i + 4) * stride, _mm256_extractf128_ps(lanes[i], 1));
  }
}

}  // namespace cisreg::simd

#endif  // CISREG_CSRC_SIMD_AVX2_H_
