// One-hot windows as operands of tensor cores, built from base codes.
//
// Row r, column c of the one-hot matrix shows the base at position r + c, so every register that a
// lane needs depends on one position alone, and rows 8 and 16 further down reuse the registers of
// steps further right: a strip of T tiles and 4 steps takes 4 T + 6 registers for values instead of
// 16 T. `Words` are what lies in shared memory for one position, ready to be loaded.

#ifndef CISREG_CUDA_ONE_HOT_CUH_
#define CISREG_CUDA_ONE_HOT_CUH_

#include "layout.h"
#include "ptx.cuh"

namespace cisreg::gpu {

inline constexpr bool kSparse = CISREG_CUDA_ARCH >= kSparseCapability * 10;
inline constexpr uint32_t kHalfOne = 0x3c00;
// Twice NaN: what a code that is none brings into every site that shows it.
inline constexpr uint32_t kHalfNaNs = 0x7e007e00;

// Positions beyond the last one of a strip that its words look at.
inline constexpr int kWordReach = 12;

__host__ __device__ constexpr int StripPositions(int tiles, int steps) {
  return tiles * kTileWindows + steps * kStepColumns;
}

// Code of a position that may lie outside the sequence.
__device__ __forceinline__ uint8_t CodeAt(const uint8_t* sequence, int64_t length,
                                          int64_t position) {
  return position >= 0 && position < length ? sequence[position] : kUnknownBase;
}

#if CISREG_CUDA_ARCH >= 800

// The two numbers that are stored of a group of four (A C G T): 1 comes first for A, C and G.
__device__ __forceinline__ uint32_t FirstWord(const uint8_t* codes, int at) {
  const int code = codes[at];
  if (code < 3) return kHalfOne;
  if (code == 3) return kHalfOne << 16;
  return code > kUnknownBase ? kHalfNaNs : 0;
}

// Which two of the four: (A, T), (C, T), (G, T) and (G, T) again, four bits for each position;
// 4 positions from here in the low half, those 8 further on in the high half.
__device__ __forceinline__ uint32_t SecondWord(const uint8_t* codes, int at) {
  uint32_t word = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const uint32_t low = 12 + min(static_cast<int>(codes[at + i]), 2);
    const uint32_t high = 12 + min(static_cast<int>(codes[at + 8 + i]), 2);
    word |= (low | high << 16) << (4 * i);
  }
  return word;
}

template <int Tall>
struct OneHotStrip {
  uint32_t value[4 * Tall + 2 * kChunkSteps - 2];
  uint32_t metadata[Tall + kChunkSteps / 2 - 1];

  __device__ __forceinline__ void Load(const uint32_t* first, const uint32_t* second, int lane) {
    const int g = lane >> 2, t = lane & 3;
#pragma unroll
    for (int j = 0; j < 4 * Tall + 2 * kChunkSteps - 2; ++j) value[j] = first[g + t + 4 * j];
    // Lanes 0 and 1 of four hold the metadata of even steps, lanes 2 and 3 those of odd ones.
    const uint32_t* const from = second + g + 4 * (t & 1) + 8 * (t >> 1);
#pragma unroll
    for (int j = 0; j < Tall + kChunkSteps / 2 - 1; ++j) metadata[j] = from[16 * j];
  }

  // sums[i] += one-hot rows of tile i, columns of this step, times the step's energies.
  template <int Step>
  __device__ __forceinline__ void Multiply(float (&sums)[Tall][4], const uint4& energies) const {
#pragma unroll
    for (int i = 0; i < Tall; ++i) {
      const int j = 4 * i + 2 * Step;
      ptx::MmaSparseHalf<Step & 1>(sums[i], value[j], value[j + 2], value[j + 1], value[j + 3],
                                   energies, metadata[i + Step / 2]);
    }
  }
};

#else

// Dense operands: A and C of a position in one word, G and T in the other.
__device__ __forceinline__ uint32_t PairWord(int code, int base) {
  if (code == base) return kHalfOne;
  if (code == base + 1) return kHalfOne << 16;
  return code > kUnknownBase ? kHalfNaNs : 0;
}

__device__ __forceinline__ uint32_t FirstWord(const uint8_t* codes, int at) {
  return PairWord(codes[at], 0);
}

__device__ __forceinline__ uint32_t SecondWord(const uint8_t* codes, int at) {
  return PairWord(codes[at], 2);
}

template <int Tall>
struct OneHotStrip {
  uint32_t value[8 * Tall + 4 * kChunkSteps - 4];

  __device__ __forceinline__ void Load(const uint32_t* first, const uint32_t* second, int lane) {
    const int g = lane >> 2, t = lane & 3;
    const uint32_t* const from = ((t & 1) == 0 ? first : second) + g + (t >> 1);
#pragma unroll
    for (int j = 0; j < 8 * Tall + 4 * kChunkSteps - 4; ++j) value[j] = from[2 * j];
  }

  template <int Step>
  __device__ __forceinline__ void Multiply(float (&sums)[Tall][4], const uint4& energies) const {
#pragma unroll
    for (int i = 0; i < Tall; ++i) {
      const int j = 8 * i + 4 * Step;
      ptx::MmaHalf(sums[i], value[j], value[j + 4], value[j + 1], value[j + 5], energies.x,
                   energies.y);
      ptx::MmaHalf(sums[i], value[j + 2], value[j + 6], value[j + 3], value[j + 7], energies.z,
                   energies.w);
    }
  }
};

#endif

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_ONE_HOT_CUH_
