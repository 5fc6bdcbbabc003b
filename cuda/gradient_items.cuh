// The items that a block of the gradient kernel works on, one after the other, and the words of
// two of them in its shared memory.
//
// While one item is scanned, the words of the next are made and the codes of the one after it are
// read; where these lie is found one item earlier still, by one lane of a warp in turn.

#ifndef CISREG_CUDA_GRADIENT_ITEMS_CUH_
#define CISREG_CUDA_GRADIENT_ITEMS_CUH_

#include "backward.cuh"
#include "length.cuh"
#include "scan.cuh"

namespace cisreg::gpu {

inline constexpr int kGradientThreads = kBackwardWarps * kWarp;

#if CISREG_CUDA_ARCH >= 800
// Numbers of the second product.
inline constexpr uint32_t kSlopeOne = 0x3f80;
inline constexpr bool kScaled = false;

__device__ __forceinline__ uint32_t PackSlopes(float low, float high) {
  return ptx::PackBfloat(low, high);
}
__device__ __forceinline__ float LowSlope(uint32_t packed) { return __uint_as_float(packed << 16); }
__device__ __forceinline__ float HighSlope(uint32_t packed) {
  return __uint_as_float(packed & 0xffff0000);
}
__device__ __forceinline__ void MultiplySlopes(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                               uint32_t b1) {
  ptx::MmaBfloat(d, a[0], a[1], a[2], a[3], b0, b1);
}
#else
inline constexpr uint32_t kSlopeOne = kHalfOne;
inline constexpr bool kScaled = true;

__device__ __forceinline__ uint32_t PackSlopes(float low, float high) {
  return ptx::PackHalf(low, high);
}
__device__ __forceinline__ float LowSlope(uint32_t packed) { return ptx::HalfLow(packed); }
__device__ __forceinline__ float HighSlope(uint32_t packed) { return ptx::HalfHigh(packed); }
__device__ __forceinline__ void MultiplySlopes(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                               uint32_t b1) {
  ptx::MmaHalf(d, a[0], a[1], a[2], a[3], b0, b1);
}
#endif

// A strip of windows of one sequence.
struct Item {
  int64_t sequence, strip;
  int64_t codes_at;  // of the strip's first position, in all sequences; may lie before the sequence
  int32_t known_first, known_end;  // the strip's positions that the sequence has
  int32_t windows;                 // the strip's windows that the sequence has; not above 0: none
};

// The items of a block's share that belong to one block of tiles.
struct Segment {
  int64_t tile_block;
  int64_t first_item;  // of those of the block of tiles
  int32_t count;
};

inline constexpr int kItemSlots = 4;

// The segment of this block's share that begins at item `at` of the row.
__device__ __forceinline__ Segment SegmentAt(const BackwardSplit& split, int64_t at) {
  Segment segment;
  segment.tile_block = at / split.item_count;
  segment.first_item = at - segment.tile_block * split.item_count;
  segment.count = static_cast<int32_t>(
      min(split.shares.Begin(blockIdx.x + int64_t{1}) - at, split.item_count - segment.first_item));
  return segment;
}

__device__ __forceinline__ Item MakeItem(const BackwardParams& params, int64_t sequence,
                                         int64_t strip) {
  const ScanShape& shape = params.shape;
  const int64_t positions = params.shared.positions, windows = params.split.strip_windows();
  const int64_t start = shape.first_start + strip * windows;
  Item item;
  item.sequence = sequence;
  item.strip = strip;
  item.codes_at = sequence * shape.length + start;
  item.known_first = static_cast<int32_t>(min(max(-start, int64_t{0}), positions));
  item.known_end =
      static_cast<int32_t>(min(max(OwnLength(shape, sequence) - start, int64_t{0}), positions));
  const int64_t own = OwnWindows(shape, sequence) - strip * windows;
  item.windows = static_cast<int32_t>(min(max(own, int64_t{0}), windows));
  return item;
}

// The first item of a segment. With position weights, all sequences come before the next strip, so
// that the weights of a strip are read once; else all strips come before the next sequence, so that
// short sequences are spread over the shares.
template <bool Weighted>
__device__ __forceinline__ Item FirstItem(const BackwardParams& params, int64_t first_item) {
  const int64_t inner = Weighted ? params.shape.sequence_count : params.split.strip_count;
  const int64_t outer = first_item / inner, rest = first_item - outer * inner;
  return Weighted ? MakeItem(params, rest, outer) : MakeItem(params, outer, rest);
}

template <bool Weighted>
__device__ __forceinline__ Item NextItem(const BackwardParams& params, const Item& item) {
  if (Weighted) {
    const bool wraps = item.sequence + 1 == params.shape.sequence_count;
    return MakeItem(params, wraps ? 0 : item.sequence + 1, item.strip + (wraps ? 1 : 0));
  }
  const bool wraps = item.strip + 1 == params.split.strip_count;
  return MakeItem(params, item.sequence + (wraps ? 1 : 0), wraps ? 0 : item.strip + 1);
}

// What a block holds of one item, ready to be loaded as operands.
struct ItemWords {
  uint32_t* pairs;  // [4 bases, pair_stride]: whether this position and the next show the base
  uint32_t* first;  // of the scan, see one_hot.cuh
  uint32_t* second;
  uint8_t* codes;
};

__device__ __forceinline__ ItemWords WordsOf(const BackwardShared& shared, char* memory,
                                             int index) {
  ItemWords words;
  words.pairs = reinterpret_cast<uint32_t*>(memory + shared.words_at +
                                            ((index & 1) != 0 ? shared.words_bytes : 0));
  words.first = words.pairs + kBases * shared.pair_stride;
  words.second = words.first + shared.positions;
  words.codes = reinterpret_cast<uint8_t*>(words.second + shared.positions);
  return words;
}

// Code of a position of an item, which may lie outside the sequence.
__device__ __forceinline__ uint8_t CodeOf(const BackwardParams& params, const Item& item,
                                          int position) {
  return position >= item.known_first && position < item.known_end
             ? params.sequence[item.codes_at + position]
             : kUnknownBase;
}

// The item's codes, from the thread's position `first` on.
__device__ __forceinline__ void FillCodes(const BackwardParams& params, const Item& item,
                                          const ItemWords& words, int first) {
  if (item.windows <= 0) return;
  for (int i = first; i < params.shared.positions; i += blockDim.x) {
    words.codes[i] = CodeOf(params, item, i);
  }
}

// What they become as words.
__device__ __forceinline__ void FillWords(const BackwardParams& params, const Item& item,
                                          const ItemWords& words) {
  if (item.windows <= 0) return;
  const BackwardShared& shared = params.shared;
  for (int i = threadIdx.x; i < shared.positions - kWordReach; i += blockDim.x) {
    words.first[i] = FirstWord(words.codes, i);
    words.second[i] = SecondWord(words.codes, i);
    const int code = words.codes[i], next = words.codes[i + 1];
#pragma unroll
    for (int base = 0; base < kBases; ++base) {
      words.pairs[base * shared.pair_stride + i] =
          (code == base ? kSlopeOne : 0) | (next == base ? kSlopeOne << 16 : 0);
    }
  }
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_GRADIENT_ITEMS_CUH_
