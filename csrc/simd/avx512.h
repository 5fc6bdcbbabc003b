// Sixteen floats in AVX-512 (F and DQ) instructions. Include it only in units compiled for them.

#ifndef CISREG_CSRC_SIMD_AVX512_H_
#define CISREG_CSRC_SIMD_AVX512_H_

#include <immintrin.h>

#include <cstdint>

namespace cisreg::simd {

struct Avx512Floats {
  static constexpr int kLanes = 16;
  // Windows of a block scanned together, and vectors of sums kept in registers together.
  static constexpr int kWindowsInFlight = 8;
  static constexpr int kSumsInFlight = 20;
  // Whether Reciprocal() is there, and faster than a part of a division.
  static constexpr bool kHasReciprocal = true;
  // Sites whose gradients lie together, see tile.h.
  static constexpr int kStripSites = 16;

  __m512 value;

  static Avx512Floats Load(const float* from) { return {_mm512_loadu_ps(from)}; }
  static Avx512Floats Broadcast(float x) { return {_mm512_set1_ps(x)}; }
  void Store(float* to) const { _mm512_storeu_ps(to, value); }

  friend Avx512Floats operator+(Avx512Floats a, Avx512Floats b) {
    return {_mm512_add_ps(a.value, b.value)};
  }
  friend Avx512Floats operator-(Avx512Floats a, Avx512Floats b) {
    return {_mm512_sub_ps(a.value, b.value)};
  }
  friend Avx512Floats operator*(Avx512Floats a, Avx512Floats b) {
    return {_mm512_mul_ps(a.value, b.value)};
  }
  friend Avx512Floats operator/(Avx512Floats a, Avx512Floats b) {
    return {_mm512_div_ps(a.value, b.value)};
  }
};

inline Avx512Floats MultiplyAdd(Avx512Floats a, Avx512Floats b, Avx512Floats c) {
  return {_mm512_fmadd_ps(a.value, b.value, c.value)};
}

inline Avx512Floats Min(Avx512Floats a, Avx512Floats b) {
  return {_mm512_min_ps(a.value, b.value)};
}

inline Avx512Floats Max(Avx512Floats a, Avx512Floats b) {
  return {_mm512_max_ps(a.value, b.value)};
}

// 1 / value, with a relative error below 2e-7, for 2^-125 < value < 2^125: 14 bits of the
// processor's guess, doubled by a step of Newton's method.
inline Avx512Floats Reciprocal(Avx512Floats value) {
  const __m512 guess = _mm512_rcp14_ps(value.value);
  const __m512 error = _mm512_fnmadd_ps(value.value, guess, _mm512_set1_ps(1.0f));
  return {_mm512_fmadd_ps(guess, error, guess)};
}

// value * 2^n, where n is the integer that the low mantissa bits of `rounded` hold.
inline Avx512Floats ScaleByPower(Avx512Floats value, Avx512Floats rounded) {
  const __m512i power = _mm512_slli_epi32(_mm512_castps_si512(rounded.value), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(value.value), power))};
}

// The integer n for which value / 2^n lies between the square roots of 1/2 and 2, and 2^-n.
inline void SplitPower(Avx512Floats value, Avx512Floats* power, Avx512Floats* inverse) {
  const __m512i root = _mm512_set1_epi32(0x3f3504f3);
  const __m512i n = _mm512_srai_epi32(_mm512_sub_epi32(_mm512_castps_si512(value.value), root), 23);
  power->value = _mm512_cvtepi32_ps(n);
  inverse->value = _mm512_castsi512_ps(
      _mm512_sub_epi32(_mm512_set1_epi32(0x3f800000), _mm512_slli_epi32(n, 23)));
}

// Stores a row for each lane: the numbers that the vectors have there. Rows are `stride` floats
// apart.
inline void StoreByLane(const Avx512Floats (&of)[Avx512Floats::kWindowsInFlight], float* to,
                        int64_t stride) {
  // Of the vectors 0 to 3, then 4 to 7: the lanes i, i + 4, i + 8 and i + 12.
  __m512 lanes[2][4];
  for (int half = 0; half < 2; ++half) {
    const Avx512Floats* four = of + 4 * half;
    const __m512 low01 = _mm512_unpacklo_ps(four[0].value, four[1].value);
    const __m512 high01 = _mm512_unpackhi_ps(four[0].value, four[1].value);
    const __m512 low23 = _mm512_unpacklo_ps(four[2].value, four[3].value);
    const __m512 high23 = _mm512_unpackhi_ps(four[2].value, four[3].value);
    lanes[half][0] = _mm512_shuffle_ps(low01, low23, 0x44);
    lanes[half][1] = _mm512_shuffle_ps(low01, low23, 0xee);
    lanes[half][2] = _mm512_shuffle_ps(high01, high23, 0x44);
    lanes[half][3] = _mm512_shuffle_ps(high01, high23, 0xee);
  }
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  for (int i = 0; i < 4; ++i) {
    const __m512d a = _mm512_castps_pd(lanes[0][i]), b = _mm512_castps_pd(lanes[1][i]);
    const __m512 low = _mm512_castpd_ps(_mm512_permutex2var_pd(a, first, b));
    const __m512 high = _mm512_castpd_ps(_mm512_permutex2var_pd(a, second, b));
    _mm256_storeu_ps(to + i * stride, _mm512_castps512_ps256(low));
    _mm256_storeu_ps(to + (i + 4) * stride, _mm512_extractf32x8_ps(low, 1));
    _mm256_storeu_ps(to + (i + 8) * stride, _mm512_castps512_ps256(high));
    _mm256_storeu_ps(to + (i + 12) * stride, _mm512_extractf32x8_ps(high, 1));
  }
}

}  // namespace cisreg::simd

#endif  // CISREG_CSRC_SIMD_AVX512_H_
