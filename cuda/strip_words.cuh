// The words of a strip of windows in a warp's shared memory, and operands from them.

#ifndef CISREG_CUDA_STRIP_WORDS_CUH_
#define CISREG_CUDA_STRIP_WORDS_CUH_

#include "length.cuh"
#include "one_hot.cuh"

namespace cisreg::gpu {

// Of each position of a strip, see one_hot.cuh.
struct StripWords {
  uint32_t* first;
  uint32_t* second;
  uint8_t* codes;
};

// The words of a strip that begins at `start` of sequence n of a scan.
template <int RowTiles, class Params>
__device__ __forceinline__ void FillStripWords(const Params& params, const StripWords& words,
                                               int64_t n, int64_t start, int lane) {
  const int positions = StripPositions(RowTiles, params.motifs.step_count);
  const uint8_t* const sequence = params.sequence + n * params.shape.length;
  const int64_t length = OwnLength(params.shape, n);
  for (int i = lane; i < positions; i += kWarp) {
    words.codes[i] = CodeAt(sequence, length, start + i);
  }
  __syncwarp();
  for (int i = lane; i < positions - kWordReach; i += kWarp) {
    words.first[i] = FirstWord(words.codes, i);
    words.second[i] = SecondWord(words.codes, i);
  }
  __syncwarp();
}

// The strip's operands for a chunk of columns. Volatile, so that the compiler does not take a word
// that two operands share from one register: the others of each operand would have to move there
// for every product.
template <int RowTiles>
__device__ __forceinline__ void LoadStripWords(const StripWords& words, int chunk, int lane,
                                               OneHotStrip<RowTiles>& strip) {
  const volatile uint32_t* const first = words.first + chunk * kChunkColumns;
  const volatile uint32_t* const second = words.second + chunk * kChunkColumns;
  strip.template Load<0, OneHotStrip<RowTiles>::kOperands>(first, second, lane);
}

}  // namespace cisreg::gpu

#endif  // CISREG_CUDA_STRIP_WORDS_CUH_
