#include "sequence/encode.h"

#include <algorithm>
#include <cstring>

namespace cisreg {
namespace {

constexpr uint8_t kUnknown = 4;

struct CodeTable {
  uint8_t code[256];

  constexpr CodeTable() : code() {
    for (int i = 0; i < 256; ++i) code[i] = kUnknown;
    code['A'] = code['a'] = 0;
    code['C'] = code['c'] = 1;
    code['G'] = code['g'] = 2;
    code['T'] = code['t'] = code['U'] = code['u'] = 3;
  }
};

constexpr CodeTable kCodes;

}  // namespace

EncodeCounts EncodeSequences(const SequenceText& text, int64_t length, bool pad_left,
                             uint8_t* codes) {
  EncodeCounts counts = {0, 0};
  for (int64_t i = 0; i < text.count; ++i, codes += length) {
    const uint8_t* from = text.data + text.offsets[i];
    const int64_t size = text.offsets[i + 1] - text.offsets[i];
    const int64_t kept = std::min(size, length);
    counts.padded += size < length;
    counts.trimmed += size > length;
    if (pad_left) from += size - kept;
    uint8_t* to = pad_left ? codes + (length - kept) : codes;
    std::memset(pad_left ? codes : codes + kept, kUnknown, length - kept);
    for (int64_t j = 0; j < kept; ++j) to[j] = kCodes.code[from[j]];
  }
  return counts;
}

}  // namespace cisreg
