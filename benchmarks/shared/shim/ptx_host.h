// What the wrappers of cuda/ptx.cuh mean, on the host.
//
// Special functions are as exact as hardware can be: computed in double and rounded. Matrix
// products are as bad as tensor cores can be: what is added at a time is shifted to the largest of
// it, and cut off at the last place of a float; so is the sum.

#ifndef CISREG_TESTS_CUDA_SHIM_PTX_HOST_H_
#define CISREG_TESTS_CUDA_SHIM_PTX_HOST_H_

#include <cmath>
#include <cstdint>

#include "cuda_runtime.h"

namespace cisreg::ptx {

namespace host {

inline float Flush(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x; }

// The first 24 bits.
inline float Truncate(double x) {
  const float nearest = static_cast<float>(x);
  if (!(std::fabs(static_cast<double>(nearest)) > std::fabs(x))) return nearest;
  return nextafterf(nearest, 0.0f);
}

// Products that are added at a time: 4, 8 or 16 on various processors.
inline constexpr int kAdded = 8;

inline float AddTruncated(float sum, const double (&products)[kAdded]) {
  double largest = std::fabs(static_cast<double>(sum));
  double plain = static_cast<double>(sum);
  for (const double product : products) {
    largest = std::fmax(largest, std::fabs(product));
    plain += product;
  }
  // Nothing to cut off, or no number.
  if (largest == 0.0 || !std::isfinite(plain)) return static_cast<float>(plain);
  const double last_place = std::ldexp(1.0, std::ilogb(largest) - 23);
  double total = std::trunc(static_cast<double>(sum) / last_place);
  for (const double product : products) total += std::trunc(product / last_place);
  return Truncate(total * last_place);
}

inline uint32_t HalfBits(float x) {
  const uint32_t bits = __float_as_uint(x), sign = bits >> 16 & 0x8000;
  const float size = fabsf(x);
  if (size != size) return 0x7fff;
  if (size >= 65520.0f) return sign | 0x7c00;
  // Below the smallest normal number, units of 2^-24; else round away the last 13 bits.
  if (size < 0x1p-14f) return sign | static_cast<uint32_t>(rintf(size * 0x1p24f));
  const uint32_t rounded = (bits & 0x7fffffff) + 0xfff + (bits >> 13 & 1);
  return sign | ((rounded - (112u << 23)) >> 13);
}

inline float HalfValue(uint32_t bits) {
  const float sign = bits & 0x8000 ? -1.0f : 1.0f;
  const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 0) return sign * static_cast<float>(fraction) * 0x1p-24f;
  if (exponent == 31) return fraction == 0 ? sign * INFINITY : NAN;
  return __uint_as_float((bits & 0x8000) << 16 | (exponent + 112) << 23 | fraction << 13);
}

inline uint32_t BfloatBits(float x) {
  if (x != x) return 0x7fff;
  const uint32_t bits = __float_as_uint(x);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

inline float BfloatValue(uint32_t bits) { return __uint_as_float(bits << 16); }

// What a lane brings to a matrix product: registers of the fragments, and sums to add to.
struct MmaLane {
  float* d;
  uint32_t a[4], b[4];
  uint32_t metadata;
};

using Value = float (*)(uint32_t bits);

inline const MmaLane& At(void* const* lanes, int lane) {
  return *static_cast<const MmaLane*>(lanes[lane]);
}

// Halves of a register.
template <Value ValueOf>
void Unpack(uint32_t packed, double& low, double& high) {
  low = static_cast<double>(ValueOf(packed & 0xffff));
  high = static_cast<double>(ValueOf(packed >> 16));
}

template <Value ValueOf, int Registers>
void LoadSecond(void* const* lanes, double (&b)[8 * Registers][8]) {
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane >> 2, t = lane & 3;
    for (int i = 0; i < Registers; ++i) {
      Unpack<ValueOf>(At(lanes, lane).b[i], b[8 * i + 2 * t][g], b[8 * i + 2 * t + 1][g]);
    }
  }
}

template <int Columns>
void AddProduct(void* const* lanes, const double (&a)[16][Columns], const double (&b)[Columns][8]) {
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = (lane >> 2) + 8 * (i >> 1), column = 2 * (lane & 3) + (i & 1);
      float& sum = At(lanes, lane).d[i];
      for (int first = 0; first < Columns; first += kAdded) {
        double products[kAdded];
        for (int k = 0; k < kAdded; ++k) {
          products[k] = a[row][first + k] * b[first + k][column];
        }
        sum = AddTruncated(sum, products);
      }
    }
  }
}

// m16n8k16, or two of m16n8k8: the same, as no more than 8 products are added at a time.
template <Value ValueOf>
void CombineDense(void* const* lanes, uint32_t) {
  double a[16][16], b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane >> 2, t = lane & 3;
    for (int i = 0; i < 4; ++i) {
      double* const at = &a[g + 8 * (i & 1)][2 * t + 8 * (i >> 1)];
      Unpack<ValueOf>(At(lanes, lane).a[i], at[0], at[1]);
    }
  }
  LoadSecond<ValueOf, 2>(lanes, b);
  AddProduct(lanes, a, b);
}

// Four bits of each group of a row; only the lanes that the selector names are read.
template <int Selector>
uint32_t MetadataOf(void* const* lanes, int row, int group) {
  const int lane = 4 * (row & 7) + 2 * Selector + (group >> 2);
  return At(lanes, lane).metadata >> (16 * (row >> 3) + 4 * (group & 3)) & 15;
}

template <int Selector>
void CombineSparse(void* const* lanes, uint32_t) {
  double a[16][32] = {}, b[32][8];
  for (int row = 0; row < 16; ++row) {
    for (int group = 0; group < 8; ++group) {
      const uint32_t pair = MetadataOf<Selector>(lanes, row, group);
      const int first = static_cast<int>(pair & 3), second = static_cast<int>(pair >> 2);
      if (first >= second) {
        shim::Fail("mma.sp: metadata of row " + std::to_string(row) + ", group " +
                   std::to_string(group) + " names columns " + std::to_string(first) + " and " +
                   std::to_string(second) + ", which do not rise");
      }
      const int lane = 4 * (row & 7) + (group & 3), i = (row >> 3) + 2 * (group >> 2);
      double* const at = &a[row][4 * group];
      Unpack<HalfValue>(At(lanes, lane).a[i], at[first], at[second]);
    }
  }
  LoadSecond<HalfValue, 4>(lanes, b);
  AddProduct(lanes, a, b);
}

struct TransposeLane {
  uint32_t given, taken;
};

inline void CombineTranspose(void* const* lanes, uint32_t) {
  uint32_t matrix[8][8];
  for (int lane = 0; lane < 32; ++lane) {
    const uint32_t given = static_cast<const TransposeLane*>(lanes[lane])->given;
    matrix[lane >> 2][2 * (lane & 3)] = given & 0xffff;
    matrix[lane >> 2][2 * (lane & 3) + 1] = given >> 16;
  }
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane >> 2, t = lane & 3;
    static_cast<TransposeLane*>(lanes[lane])->taken = matrix[2 * t][g] | matrix[2 * t + 1][g] << 16;
  }
}

inline constexpr uint32_t kAllLanes = ~uint32_t{0};

}  // namespace host

inline float Exp2(float x) {
  return host::Flush(static_cast<float>(std::exp2(static_cast<double>(host::Flush(x)))));
}

inline float Reciprocal(float x) {
  return host::Flush(static_cast<float>(1.0 / static_cast<double>(host::Flush(x))));
}

inline float Log2(float x) {
  return host::Flush(static_cast<float>(std::log2(static_cast<double>(host::Flush(x)))));
}

inline uint32_t PackHalf(float low, float high) {
  return host::HalfBits(low) | host::HalfBits(high) << 16;
}

inline float HalfLow(uint32_t packed) { return host::HalfValue(packed & 0xffff); }
inline float HalfHigh(uint32_t packed) { return host::HalfValue(packed >> 16); }

inline void MmaHalf(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0,
                    uint32_t b1) {
  host::MmaLane lane = {d, {a0, a1, a2, a3}, {b0, b1, 0, 0}, 0};
  shim::Meet("MmaHalf", host::kAllLanes, &lane, &host::CombineDense<host::HalfValue>);
}

#if CISREG_CUDA_ARCH >= 800
inline uint32_t PackBfloat(float low, float high) {
  return host::BfloatBits(low) | host::BfloatBits(high) << 16;
}

inline void MmaBfloat(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,
                      uint32_t b0, uint32_t b1) {
  host::MmaLane lane = {d, {a0, a1, a2, a3}, {b0, b1, 0, 0}, 0};
  shim::Meet("MmaBfloat", host::kAllLanes, &lane, &host::CombineDense<host::BfloatValue>);
}

template <int Selector>
void MmaSparseHalf(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,
                   const uint4& b, uint32_t metadata) {
  static_assert(Selector == 0 || Selector == 1);
  host::MmaLane lane = {d, {a0, a1, a2, a3}, {b.x, b.y, b.z, b.w}, metadata};
  shim::Meet("MmaSparseHalf", host::kAllLanes, &lane, &host::CombineSparse<Selector>);
}
#endif

inline uint32_t Transpose(uint32_t x) {
  host::TransposeLane lane = {x, 0};
  shim::Meet("Transpose", host::kAllLanes, &lane, &host::CombineTranspose);
  return lane.taken;
}

inline int RecomputeThreadIndex() { return static_cast<int>(threadIdx.x); }
inline int RecomputeBlockIndex() { return static_cast<int>(blockIdx.x); }
inline uint2 ReloadPair(const uint32_t* from) { return *reinterpret_cast<const uint2*>(from); }

}  // namespace cisreg::ptx

#endif  // CISREG_TESTS_CUDA_SHIM_PTX_HOST_H_
