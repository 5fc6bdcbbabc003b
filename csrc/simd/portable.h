// Four floats in plain C++ (GCC and Clang vector extensions): any processor, and the fallback.

#ifndef CISREG_CSRC_SIMD_PORTABLE_H_
#define CISREG_CSRC_SIMD_PORTABLE_H_

#include <cstdint>
#include <cstring>

namespace cisreg::simd {

struct PortableFloats {
  static constexpr int kLanes = 4;
  // Windows of a block scanned together, and vectors of sums kept in registers together.
  static constexpr int kWindowsInFlight = 4;
  static constexpr int kSumsInFlight = 12;
  // Whether Reciprocal() is there, and faster than a part of a division.
  static constexpr bool kHasReciprocal = false;
  // Sites whose gradients lie together, see tile.h.
  static constexpr int kStripSites = 8;
  typedef float Floats __attribute__((vector_size(16)));
  typedef int32_t Integers __attribute__((vector_size(16)));

  Floats value;

  static PortableFloats Load(const float* from) {
    PortableFloats loaded;
    std::memcpy(&loaded.value, from, sizeof(Floats));
    return loaded;
  }
  static PortableFloats Broadcast(float x) { return {x - Floats{}}; }
  void Store(float* to) const { std::memcpy(to, &value, sizeof(Floats)); }

  friend PortableFloats operator+(PortableFloats a, PortableFloats b) {
    return {a.value + b.value};
  }
  friend PortableFloats operator-(PortableFloats a, PortableFloats b) {
    return {a.value - b.value};
  }
  friend PortableFloats operator*(PortableFloats a, PortableFloats b) {
    return {a.value * b.value};
  }
  friend PortableFloats operator/(PortableFloats a, PortableFloats b) {
    return {a.value / b.value};
  }
};

inline PortableFloats MultiplyAdd(PortableFloats a, PortableFloats b, PortableFloats c) {
  return a * b + c;
}

inline PortableFloats Min(PortableFloats a, PortableFloats b) {
  return {a.value < b.value ? a.value : b.value};
}

inline PortableFloats Max(PortableFloats a, PortableFloats b) {
  return {a.value > b.value ? a.value : b.value};
}

// value * 2^n, where n is the integer that the low mantissa bits of `rounded` hold.
inline PortableFloats ScaleByPower(PortableFloats value, PortableFloats rounded) {
  PortableFloats::Integers bits;
  PortableFloats::Integers power;
  std::memcpy(&bits, &value.value, sizeof(bits));
  std::memcpy(&power, &rounded.value, sizeof(power));
  bits += power << 23;
  PortableFloats scaled;
  std::memcpy(&scaled.value, &bits, sizeof(bits));
  return scaled;
}

// The integer n for which value / 2^n lies between the square roots of 1/2 and 2, and 2^-n.
inline void SplitPower(PortableFloats value, PortableFloats* power, PortableFloats* inverse) {
  PortableFloats::Integers bits;
  std::memcpy(&bits, &value.value, sizeof(bits));
  const PortableFloats::Integers n = (bits - 0x3f3504f3) >> 23;
  power->value = __builtin_convertvector(n, PortableFloats::Floats);
  bits = 0x3f800000 - (n << 23);
  std::memcpy(&inverse->value, &bits, sizeof(bits));
}

// Stores a row for each lane: the numbers that the vectors have there. Rows are `stride` floats
// apart.
inline void StoreByLane(const PortableFloats (&of)[PortableFloats::kWindowsInFlight], float* to,
                        int64_t stride) {
  for (int lane = 0; lane < PortableFloats::kLanes; ++lane) {
    for (int i = 0; i < PortableFloats::kWindowsInFlight; ++i) {
      to[lane * stride + i] = of[i].value[lane];
    }
  }
}

}  // namespace cisreg::simd

#endif  // CISREG_CSRC_SIMD_PORTABLE_H_
