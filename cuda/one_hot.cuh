// One-hot windows as operands of tensor cores, built from base codes.
//
// Row r, column c of the one-hot matrix shows the base at position r + c, so what a lane needs
// depends on positions alone. Tile i of a strip of T tiles has the windows 8 i + g in its rows g
// and 8 (i + T) + g in its rows g + 8: then tile i's operand for step s (columns from 8 s) is that
// of all tiles and steps of the same i + s, down to the order of its four registers, and T + 3
// operands serve 4 T products. `Words` are what lies in shared memory for one position, ready to be
// loaded.

#ifndef CISREG_CUDA_ONE_HOT_CUH_
#define CISREG_CUDA_ONE_HOT_CUH_

#include "layout.h"
#include "ptx.cuh"

namespace cisreg::gpu {

inline constexpr bool kSparse = CISREG_CUDA_ARCH >= kSparseCapability * 10;
inline constexpr uint32_t kHalfOne = 0x3c00;
// Two NaN: an invalid base code makes every site that contains it NaN.
inline constexpr uint32_t kHalfNaNs = 0x7e007e00;

// Positions whose codes a strip needs; words are made of all but the last kWordReach.
__host__ __device__ constexpr int StripPositions(int tiles, int steps) {
  return tiles * kTileWindows + steps * kStepColumns + kWordSlack + kWordReach;
}

// Code of a position that may lie outside the sequence.
__device__ __forceinline__ uint8_t CodeAt(const uint8_t* sequence, int64_t length,
                                          int64_t position) {
  return position >= 0 && position < length ? sequence[position] : kUnknownBase;
}

#if CISREG_CUDA_ARCH >= 800

// The two numbers that are stored for a group of four (A C G T); the first is 1 for A, C and G.
__device__ __forceinline__ uint32_t FirstWord(const uint8_t* codes, int at) {
  const int code = codes[at];
  if (code < 3) return kHalfOne;
  if (code == 3) return kHalfOne << 16;
  return code > kUnknownBase ? kHalfNaNs : 0;
}

// Which two of the four: (A, T), (C, T), (G, T) and (G, T) again, four bits for each of 4
// positions.
__device__ __forceinline__ uint32_t SecondWord(const uint8_t* codes, int at) {
  uint32_t word = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) word |= (12 + min(static_cast<int>(codes[at + i]), 2)) << (4 * i);
  return word;
}

template <int RowTiles>
struct OneHotStrip {
  static constexpr int kOperands = RowTiles + kChunkSteps - 1;
  uint32_t value[kOperands][4];
  // Lanes 0 and 1 of four hold the metadata of even operands, lanes 2 and 3 those of odd ones.
  uint32_t metadata[(kOperands + 1) / 2];

  // Operands [From, End), in rising order.
  template <int From, int End, class Word>
  __device__ __forceinline__ void Load(const Word* first, const Word* second, int lane) {
    const int g = lane >> 2, t = lane & 3;
#pragma unroll
    for (int q = From; q < End; ++q) {
      const Word* const from = first + g + t + 8 * q;
      value[q][0] = from[0];
      value[q][1] = from[8 * RowTiles];
      value[q][2] = from[4];
      value[q][3] = from[8 * RowTiles + 4];
    }
    const Word* const from = second + g + 4 * (t & 1) + 8 * (t >> 1);
#pragma unroll
    for (int q = (From + 1) / 2; q < (End + 1) / 2; ++q) {
      metadata[q] = from[16 * q] | from[16 * q + 8 * RowTiles] << 16;
    }
  }

  // sums[i] += one-hot rows of tile i, columns of this step, times the step's energies.
  template <int Step>
  __device__ __forceinline__ void Multiply(float (&sums)[RowTiles][4],
                                           const uint4& energies) const {
#pragma unroll
    for (int i = 0; i < RowTiles; ++i) {
      const uint32_t (&a)[4] = value[i + Step];
      const uint32_t e = metadata[(i + Step) / 2];
      if ((i + Step) % 2 == 0) {
        ptx::MmaSparseHalf<0>(sums[i], a[0], a[1], a[2], a[3], energies, e);
      } else {
        ptx::MmaSparseHalf<1>(sums[i], a[0], a[1], a[2], a[3], energies, e);
      }
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

template <int RowTiles>
struct OneHotStrip {
  static constexpr int kOperands = RowTiles + kChunkSteps - 1;
  // Of 2 columns each.
  uint32_t value[4 * kOperands][2];

  template <int From, int End, class Word>
  __device__ __forceinline__ void Load(const Word* first, const Word* second, int lane) {
    const int g = lane >> 2, t = lane & 3;
    const Word* const from = ((t & 1) == 0 ? first : second) + g + (t >> 1);
#pragma unroll
    for (int q = 4 * From; q < 4 * End; ++q) {
      value[q][0] = from[2 * q];
      value[q][1] = from[2 * q + 8 * RowTiles];
    }
  }

  template <int Step>
  __device__ __forceinline__ void Multiply(float (&sums)[RowTiles][4],
                                           const uint4& energies) const {
#pragma unroll
    for (int i = 0; i < RowTiles; ++i) {
      const uint32_t (*a)[2] = value + 4 * (i + Step);
      ptx::MmaHalf(sums[i], a[0][0], a[0][1], a[1][0], a[1][1], energies.x, energies.y);
      ptx::MmaHalf(sums[i], a[2][0], a[2][1], a[3][0], a[3][1], energies.z, energies.w);
    }
  }
};

#endif

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_ONE_HOT_CUH_
