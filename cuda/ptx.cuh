// All raw PTX of the project: thin wrappers, one instruction each where the processor has it.
//
// What all lanes of a warp do together is volatile: it stays where it is written, and lanes do not
// part before it. What computes a number of a lane's own is not, so that the compiler may move it.
//
// Fragment layouts are those of the PTX manual; g = lane / 4 and t = lane % 4 throughout. Where
// CISREG_CUDA_SHIM is defined, the same wrappers run on the host
// (benchmarks/shared/shim/ptx_host.h), so that the kernels can be run, and sanitized, without a
// GPU.

#ifndef CISREG_CUDA_PTX_CUH_
#define CISREG_CUDA_PTX_CUH_

#include <cuda_runtime.h>

#include <cstdint>

#if defined(CISREG_CUDA_SHIM)
#include "ptx_host.h"
#else

// Compute capability that this pass compiles for, times 10; the host pass may name any.
#if defined(__CUDA_ARCH__)
#define CISREG_CUDA_ARCH __CUDA_ARCH__
#else
#define CISREG_CUDA_ARCH 900
#endif

namespace cisreg::ptx {

// 2^x, relative error 2^-22; results below 2^-126 are 0.
__device__ __forceinline__ float Exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// 1 / x within 1 unit in the last place.
__device__ __forceinline__ float Reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// log2(x), absolute error 2^-22 between 0.5 and 2, relative 2^-22 elsewhere.
__device__ __forceinline__ float Log2(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// Two float16, rounded to nearest, `low` in the low half.
__device__ __forceinline__ uint32_t PackHalf(float low, float high) {
  uint32_t packed;
#if CISREG_CUDA_ARCH >= 800
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
#else
  asm("{\n.reg .b16 l, h;\ncvt.rn.f16.f32 l, %1;\ncvt.rn.f16.f32 h, %2;\nmov.b32 %0, {l, h};\n}"
      : "=r"(packed)
      : "f"(low), "f"(high));
#endif
  return packed;
}

__device__ __forceinline__ float HalfLow(uint32_t packed) {
  float x;
  asm("{\n.reg .b16 l, h;\nmov.b32 {l, h}, %1;\ncvt.f32.f16 %0, l;\n}" : "=f"(x) : "r"(packed));
  return x;
}

__device__ __forceinline__ float HalfHigh(uint32_t packed) {
  float x;
  asm("{\n.reg .b16 l, h;\nmov.b32 {l, h}, %1;\ncvt.f32.f16 %0, h;\n}" : "=f"(x) : "r"(packed));
  return x;
}

#if CISREG_CUDA_ARCH >= 800
// Two bfloat16, rounded to nearest, `low` in the low half.
__device__ __forceinline__ uint32_t PackBfloat(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
#endif

// d[16 x 8] += a[16 x 16] * b[16 x 8], float16 operands, float32 sums.
// a: registers (row g, columns 2t 2t+1), (row g+8, same), (row g, columns +8), (row g+8, +8);
// b: (rows 2t 2t+1, column g), (rows +8, column g); d: (row g, columns 2t 2t+1), (row g+8, same).
__device__ __forceinline__ void MmaHalf(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                        uint32_t a3, uint32_t b0, uint32_t b1) {
#if CISREG_CUDA_ARCH >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(b0));
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a2), "r"(a3), "r"(b1));
#endif
}

#if CISREG_CUDA_ARCH >= 800
// The same for bfloat16 operands.
__device__ __forceinline__ void MmaBfloat(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                          uint32_t a3, uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// d[16 x 8] += a[16 x 32] * b[32 x 8], float16 operands; two of every four columns of a are stored.
// a: registers (row g, group t), (row g+8, group t), (row g, group t+4), (row g+8, group t+4),
// where group i stands for columns 4i to 4i+3; b: (rows 2t 2t+1, column g), rows +8, +16, +24.
// metadata, read from lanes t = 2 Selector (groups 0 to 3) and t = 2 Selector + 1 (groups 4 to 7):
// four bits a group, the columns of its two numbers in rising order; groups of row g in the low
// half, of row g+8 in the high half.
template <int Selector>
__device__ __forceinline__ void MmaSparseHalf(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                              uint32_t a3, const uint4& b, uint32_t metadata) {
  asm volatile(
      "mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9, %10, %11}, {%0, %1, %2, %3}, %12, %13;"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b.x), "r"(b.y), "r"(b.z), "r"(b.w), "r"(metadata),
        "n"(Selector));
}
#endif

// threadIdx.x, read again each time, so that the compiler recomputes what depends on it instead of
// keeping it in registers across loops.
__device__ __forceinline__ int RecomputeThreadIndex() {
  int thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return thread;
}

// blockIdx.x, the same way.
__device__ __forceinline__ int RecomputeBlockIndex() {
  int block;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(block));
  return block;
}

// Two words of shared memory, read again each time. Where the compiler keeps words for several
// operands, it copies them into the neighbouring registers of each, and a copy costs as much
// as reading does.
__device__ __forceinline__ uint2 ReloadPair(const uint32_t* from) {
  uint2 x;
  asm volatile("ld.volatile.shared.v2.u32 {%0, %1}, [%2];"
               : "=r"(x.x), "=r"(x.y)
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(from))));
  return x;
}

// Transposes an 8 x 8 matrix of 16-bit numbers, two to a lane: (row g, columns 2t 2t+1).
__device__ __forceinline__ uint32_t Transpose(uint32_t x) {
  uint32_t y;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
  return y;
}

}  // namespace cisreg::ptx

#endif  // CISREG_CUDA_SHIM

#endif  // CISREG_CUDA_PTX_CUH_
