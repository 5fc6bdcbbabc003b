// The transcendental functions of the occupancy law, for any vector type of this folder.

#ifndef CISREG_CSRC_SIMD_MATH_H_
#define CISREG_CSRC_SIMD_MATH_H_

namespace cisreg::simd {

// 2^x stays a normal float, and so does its reciprocal, for exponents of at most this size, even if
// rounding makes it a little more.
inline constexpr float kMaxExponent = 125.0f;
// Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits.
inline constexpr float kRoundingMagic = 12582912.0f;

template <class V>
V ClampExponent(V x) {
  return Max(Min(x, V::Broadcast(kMaxExponent)), V::Broadcast(-kMaxExponent));
}

// The nearest integer, for |x| < 2^22.
template <class V>
V Round(V x) {
  const V magic = V::Broadcast(kRoundingMagic);
  return (x + magic) - magic;
}

// 2^x for |x| <= kMaxExponent; relative error below 3e-7. Minimax polynomial of degree 5 on
// [-1/2, 1/2] (Remez), the power of two added to the exponent field.
template <class V>
V Exp2(V x) {
  const V magic = V::Broadcast(kRoundingMagic);
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

// value = significand * 2^power, the power a whole number.
template <class V>
struct SplitFloat {
  V significand;
  V power;
};

// e^x to the last digit, for |x| of at most 1e4: x less the nearest multiple of ln 2,
// taken off in two parts so that no digit is lost, then the Taylor series.
template <class V>
SplitFloat<V> Exp(V x) {
  const V power = Round(x * V::Broadcast(1.44269504f));
  V rest = MultiplyAdd(power, V::Broadcast(-0.693359375f), x);
  rest = MultiplyAdd(power, V::Broadcast(2.12194440e-4f), rest);
  constexpr float kTerms[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f};
  V series = V::Broadcast(1.0f / 5040);
  for (const float term : kTerms) {
    series = MultiplyAdd(series, rest, V::Broadcast(term));
  }
  series = MultiplyAdd(series, rest * rest, rest) + V::Broadcast(1.0f);
  return {series, power};
}

// log2(1 + x) for x in [0, 2^kMaxExponent], accurate relative to the result however small x is:
// 1 + x is 2^n (1 + f) with f near zero, and log2(1 + f) = 2/ln 2 * atanh(f / (2 + f)), minimax
// polynomial in the square of the argument (Remez).
template <class V>
V Log2OnePlus(V x) {
  V power;
  V inverse;
  SplitPower(x + V::Broadcast(1.0f), &power, &inverse);
  const V f = MultiplyAdd(x, inverse, inverse - V::Broadcast(1.0f));
  const V s = f / (f + V::Broadcast(2.0f));
  const V s2 = s * s;
  V series = V::Broadcast(0.40652746f);
  series = MultiplyAdd(series, s2, V::Broadcast(0.40338624f));
  series = MultiplyAdd(series, s2, V::Broadcast(0.5774374f));
  series = MultiplyAdd(series, s2, V::Broadcast(0.96179163f));
  series = MultiplyAdd(series, s2, V::Broadcast(2.88539f));
  return MultiplyAdd(s, series, power);
}

}  // namespace cisreg::simd

#endif  // CISREG_CSRC_SIMD_MATH_H_
