#include "sequence/encode.h"

#include <algorithm>
#include <cstring>

#include "common/bases.h"
#include "sequence/letters.h"

namespace cisreg {
EncodeCounts EncodeSequences(const SequenceText& text, const SequenceRows& rows, int64_t length,
                             bool pad_left, uint8_t* codes) {
  EncodeCounts counts = {0, 0};
  for (int64_t i = 0; i < rows.count; ++i, codes += length) {
    const int64_t row = rows.index == nullptr ? i : rows.index[i];
    const uint8_t* from = text.data + text.offsets[row];
    const int64_t size = text.offsets[row + 1] - text.offsets[row];
    const int64_t kept = std::min(size, length);
    counts.padded += size < length;
    counts.trimmed += size > length;
    if (pad_left) from += size - kept;
    uint8_t* to = pad_left ? codes + (length - kept) : codes;
    std::memset(pad_left ? codes : codes + kept, kUnknownBase, length - kept);
    for (int64_t j = 0; j < kept; ++j) to[j] = kCodes.code[from[j]];
  }
  return counts;
}

void FindSequenceFaults(const SequenceText& text, SequenceFault* faults) {
  for (int64_t i = 0; i < text.count; ++i) {
    const int64_t begin = text.offsets[i], end = text.offsets[i + 1];
    uint8_t foreign = 0;
    for (int64_t j = begin; j < end; ++j) foreign |= kForeign.foreign[text.data[j]];
    faults[i] = begin == end ? SequenceFault::kEmpty
                : foreign    ? SequenceFault::kForeign
                             : SequenceFault::kNone;
  }
}

}  // namespace cisreg
