#include "sequence/hash.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/bases.h"

namespace cisreg {
namespace {

constexpr uint8_t kComplement[kBaseCodes] = {3, 2, 1, 0, 4};
// Any odd number with as many ones as zeros: 2^64 divided by the golden ratio.
constexpr uint64_t kStart = 0x9e3779b97f4a7c15;

// A bijection in which every bit of the argument changes half of the result's: the finalizer of
// splitmix64 (Steele, Lea and Flood 2014; constants by David Stafford).
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The last word is filled up with zeros; hashing the size too tells these from zeros of the data.
// Words are as they lie in memory: all machines that this is built for are little-endian.
uint64_t HashBytes(const uint8_t* data, int64_t size, uint64_t seed) {
  uint64_t hash = Mix(Mix(seed + kStart) ^ static_cast<uint64_t>(size));
  for (int64_t i = 0; i < size; i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data + i, std::min<int64_t>(8, size - i));
    hash = Mix(hash ^ word) + kStart;
  }
  return Mix(hash);
}

// Whether the reverse complement comes before the sequence in alphabetical order.
bool ReverseIsSmaller(const uint8_t* codes, int64_t size) {
  for (int64_t i = 0; i < size; ++i) {
    const uint8_t reverse = kComplement[codes[size - 1 - i]];
    if (codes[i] != reverse) return reverse < codes[i];
  }
  return false;
}

}  // namespace

void HashSequences(const uint8_t* codes, int64_t count, int64_t length, uint64_t seed,
                   uint64_t* hashes) {
  std::vector<uint8_t> reversed(length);
  for (int64_t i = 0; i < count; ++i, codes += length) {
    const uint8_t *begin = codes, *end = codes + length;
    while (begin < end && *begin == kUnknownBase) ++begin;
    while (begin < end && end[-1] == kUnknownBase) --end;
    const int64_t size = end - begin;
    if (ReverseIsSmaller(begin, size)) {
      for (int64_t j = 0; j < size; ++j) reversed[j] = kComplement[begin[size - 1 - j]];
      begin = reversed.data();
    }
    hashes[i] = HashBytes(begin, size, seed);
  }
}

void HashTexts(const SequenceText& text, uint64_t seed, uint64_t* hashes) {
  for (int64_t i = 0; i < text.count; ++i) {
    hashes[i] = HashBytes(text.data + text.offsets[i], text.offsets[i + 1] - text.offsets[i], seed);
  }
}

}  // namespace cisreg
