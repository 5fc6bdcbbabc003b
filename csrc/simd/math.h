// The two transcendental functions of the occupancy law, for any vector type of this folder.

#ifndef CISREG_CSRC_SIMD_MATH_H_
#define CISREG_CSRC_SIMD_MATH_H_

namespace cisreg::simd {

// 2^x stays a normal float, and so does its reciprocal, for exponents of at most this size.
inline constexpr float kMaxExponent = 126.0f;

template <class V>
V ClampExponent(V x) {
  return Max(Min(x, V::Broadcast(kMaxExponent)), V::Broadcast(-kMaxExponent));
}

// 2^x for |x| <= kMaxExponent; relative error below 2e-7. Minimax polynomial of degree 5 on
// [-1/2, 1/2] (Remez), the power of two added to the exponent field.
template <class V>
V Exp2(V x) {
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits.
  const V magic = V::Broadcast(12582912.0f);
  const V rounded = x + magic;
  const V fraction = x - (rounded - magic);
  V power = V::Broadcast(0.0013276472f);
  power = MultiplyAdd(power, fraction, V::Broadcast(0.009675541f));
  power = MultiplyAdd(power, fraction, V::Broadcast(0.05550713f));
  power = MultiplyAdd(power, fraction, V::Broadcast(0.2402212f));
  power = MultiplyAdd(power, fraction, V::Broadcast(0.69314694f));
  power = MultiplyAdd(power, fraction, V::Broadcast(1.0000001f));
  return ScaleByPower(power, rounded);
}

// log2(1 + u) for u in [0, 1], accurate relative to the result however small u is:
// 2/ln 2 * atanh(u / (2 + u)), minimax polynomial in the square of the argument (Remez).
template <class V>
V Log2OnePlus(V u) {
  const V s = u / (u + V::Broadcast(2.0f));
  const V s2 = s * s;
  V series = V::Broadcast(0.40652746f);
  series = MultiplyAdd(series, s2, V::Broadcast(0.40338624f));
  series = MultiplyAdd(series, s2, V::Broadcast(0.5774374f));
  series = MultiplyAdd(series, s2, V::Broadcast(0.96179163f));
  series = MultiplyAdd(series, s2, V::Broadcast(2.88539f));
  return s * series;
}

}  // namespace cisreg::simd

#endif  // CISREG_CSRC_SIMD_MATH_H_
