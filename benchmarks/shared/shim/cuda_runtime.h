// A fake CUDA: what cuda/*.cu need of the real header, run on fibers of the host (fibers.h).
//
// Compile with -x c++ -DCISREG_CUDA_SHIM -DCISREG_CUDA_ARCH=900 (or 750), this folder ahead of any
// real CUDA. Kernels take one struct by value and are launched by cudaLaunchKernelEx alone.

#ifndef CISREG_TESTS_CUDA_SHIM_CUDA_RUNTIME_H_
#define CISREG_TESTS_CUDA_SHIM_CUDA_RUNTIME_H_

#include <math.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "fibers.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__
#define __grid_constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

// Vector types, aligned as on the device, so that the sanitizer sees what it would refuse.
#define CISREG_SHIM_VECTOR2(name, number, bytes) \
  struct __attribute__((aligned(bytes))) name {  \
    number x, y;                                 \
  };                                             \
  inline name make_##name(number x, number y) { return {x, y}; }
#define CISREG_SHIM_VECTOR4(name, number, bytes) \
  struct __attribute__((aligned(bytes))) name {  \
    number x, y, z, w;                           \
  };                                             \
  inline name make_##name(number x, number y, number z, number w) { return {x, y, z, w}; }

CISREG_SHIM_VECTOR2(char2, signed char, 2)
CISREG_SHIM_VECTOR2(uchar2, unsigned char, 2)
CISREG_SHIM_VECTOR2(short2, short, 4)
CISREG_SHIM_VECTOR2(ushort2, unsigned short, 4)
CISREG_SHIM_VECTOR2(int2, int, 8)
CISREG_SHIM_VECTOR2(uint2, unsigned, 8)
CISREG_SHIM_VECTOR2(float2, float, 8)
CISREG_SHIM_VECTOR2(double2, double, 16)
CISREG_SHIM_VECTOR4(char4, signed char, 4)
CISREG_SHIM_VECTOR4(uchar4, unsigned char, 4)
CISREG_SHIM_VECTOR4(int4, int, 16)
CISREG_SHIM_VECTOR4(uint4, unsigned, 16)
CISREG_SHIM_VECTOR4(float4, float, 16)
#undef CISREG_SHIM_VECTOR2
#undef CISREG_SHIM_VECTOR4

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// Of the fiber that runs.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

inline int min(int a, int b) { return a < b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline long min(long a, long b) { return a < b ? a : b; }
inline unsigned long min(unsigned long a, unsigned long b) { return a < b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline float min(float a, float b) { return fminf(a, b); }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline long max(long a, long b) { return a > b ? a : b; }
inline unsigned long max(unsigned long a, unsigned long b) { return a > b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }
inline float max(float a, float b) { return fmaxf(a, b); }

namespace cisreg::shim {

template <class To, class From>
To Bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

template <class T>
struct Shuffle {
  T given, taken;
  int source;
};

// Every lane takes the number of its source, which must take part.
template <class T>
void CombineShuffle(void* const* lanes, uint32_t mask) {
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    auto* const own = static_cast<Shuffle<T>*>(lanes[lane]);
    if ((mask >> own->source & 1) == 0) {
      Fail("shuffle: lane " + std::to_string(lane) + " reads lane " + std::to_string(own->source) +
           ", which takes no part");
    }
    own->taken = static_cast<Shuffle<T>*>(lanes[own->source])->given;
  }
}

template <class T>
T TakeFrom(const char* kind, uint32_t mask, T value, int source) {
  Shuffle<T> lane = {value, T(), source};
  Meet(kind, mask, &lane, &CombineShuffle<T>);
  return lane.taken;
}

struct Vote {
  bool given;
  uint32_t ballot;
};

inline void CombineVote(void* const* lanes, uint32_t mask) {
  uint32_t ballot = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (mask >> lane & 1) ballot |= uint32_t{static_cast<Vote*>(lanes[lane])->given} << lane;
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    if (mask >> lane & 1) static_cast<Vote*>(lanes[lane])->ballot = ballot;
  }
}

inline uint32_t Ballot(const char* kind, uint32_t mask, bool given) {
  Vote lane = {given, 0};
  Meet(kind, mask, &lane, &CombineVote);
  return lane.ballot;
}

inline void CombineNothing(void* const*, uint32_t) {}

inline int LaneOfThread() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % kLanes;
}

}  // namespace cisreg::shim

inline void __syncthreads() { cisreg::shim::MeetBlock("__syncthreads", 0); }
inline int __syncthreads_or(int given) {
  return cisreg::shim::MeetBlock("__syncthreads_or", given);
}
inline void __syncwarp(unsigned mask = ~0u) {
  cisreg::shim::Meet("__syncwarp", mask, nullptr, &cisreg::shim::CombineNothing);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const int lane = cisreg::shim::LaneOfThread();
  return cisreg::shim::TakeFrom("__shfl_sync", mask, value,
                                (lane & ~(width - 1)) | (source & (width - 1)));
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32) {
  const int lane = cisreg::shim::LaneOfThread(), source = lane ^ lane_mask;
  const bool outside = source >= (lane | (width - 1)) + 1;
  return cisreg::shim::TakeFrom("__shfl_xor_sync", mask, value, outside ? lane : source);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const int lane = cisreg::shim::LaneOfThread();
  const bool outside = (lane & (width - 1)) + static_cast<int>(delta) >= width;
  return cisreg::shim::TakeFrom("__shfl_down_sync", mask, value,
                                outside ? lane : lane + static_cast<int>(delta));
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const int lane = cisreg::shim::LaneOfThread();
  const bool outside = (lane & (width - 1)) < static_cast<int>(delta);
  return cisreg::shim::TakeFrom("__shfl_up_sync", mask, value,
                                outside ? lane : lane - static_cast<int>(delta));
}

inline unsigned __ballot_sync(unsigned mask, int given) {
  return cisreg::shim::Ballot("__ballot_sync", mask, given != 0);
}
inline int __any_sync(unsigned mask, int given) {
  return cisreg::shim::Ballot("__any_sync", mask, given != 0) != 0;
}
inline int __all_sync(unsigned mask, int given) {
  return cisreg::shim::Ballot("__all_sync", mask, given == 0) == 0;
}

template <class T>
T __ldg(const T* from) {
  return *from;
}

inline unsigned __float_as_uint(float x) { return cisreg::shim::Bits<unsigned>(x); }
inline int __float_as_int(float x) { return cisreg::shim::Bits<int>(x); }
inline float __uint_as_float(unsigned x) { return cisreg::shim::Bits<float>(x); }
inline float __int_as_float(int x) { return cisreg::shim::Bits<float>(x); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fdividef(float a, float b) { return a / b; }
inline int __float2int_rn(float x) { return static_cast<int>(rintf(x)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }

inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
  const uint64_t bytes = static_cast<uint64_t>(high) << 32 | low;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned pick = selector >> (4 * i) & 15;
    unsigned byte = static_cast<unsigned>(bytes >> (8 * (pick & 7))) & 255;
    if (pick & 8) byte = byte & 128 ? 255 : 0;
    result |= byte << (8 * i);
  }
  return result;
}

inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) >> (shift & 31));
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) << (shift & 31) >> 32);
}

// Host API.

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorLaunchOutOfResources = 701,
  cudaErrorLaunchFailure = 719
};
using cudaStream_t = struct CUstream_st*;

enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97
};

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9
};

struct cudaLaunchAttribute;

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};

const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value);
// Blocks that fit by their registers, which the shim takes to be as many as the kernels use on a
// GPU, and by their shared memory.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* kernel,
                                                          int threads, size_t shared_bytes);

struct cudaFuncAttributes {
  int ptxVersion;
};
inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  attributes->ptxVersion = CISREG_CUDA_ARCH / 10;
  return cudaSuccess;
}

template <class T>
cudaError_t cudaFuncSetAttribute(T* kernel, cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}

namespace cisreg::shim {

struct Launch {
  dim3 grid, block;
  size_t shared_bytes;
  const void* kernel;
  const void* params;
  size_t params_bytes;
  // Calls the kernel, once for each thread, on the thread's fiber.
  void (*run)(const void* kernel, const void* params);
};

cudaError_t RunLaunch(const Launch& launch);

template <class Params>
void CallKernel(const void* kernel, const void* params) {
  reinterpret_cast<void (*)(Params)>(const_cast<void*>(kernel))(
      *static_cast<const Params*>(params));
}

}  // namespace cisreg::shim

template <class Params, class Given>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Params),
                               Given&& given) {
  static_assert(std::is_trivially_copyable_v<Params>, "kernels take one plain struct by value");
  const Params params = given;
  return cisreg::shim::RunLaunch({config->gridDim, config->blockDim, config->dynamicSmemBytes,
                                  reinterpret_cast<const void*>(kernel), &params, sizeof(params),
                                  &cisreg::shim::CallKernel<Params>});
}

#endif  // CISREG_TESTS_CUDA_SHIM_CUDA_RUNTIME_H_
