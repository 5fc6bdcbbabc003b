// Base codes from text.

#ifndef CISREG_CSRC_SEQUENCE_ENCODE_H_
#define CISREG_CSRC_SEQUENCE_ENCODE_H_

#include <cstdint>

namespace cisreg {

// Sequences as Arrow holds them: text i is data[offsets[i], offsets[i + 1]).
struct SequenceText {
  const uint8_t* data;
  const int64_t* offsets;
  int64_t count;
};

struct EncodeCounts {
  int64_t padded;
  int64_t trimmed;
};

// Writes codes [count, length]: A C G T in either case are 0 to 3, U is T, all else 4. Shorter
// texts are padded with 4, longer ones trimmed, on the left or on the right.
EncodeCounts EncodeSequences(const SequenceText& text, int64_t length, bool pad_left,
                             uint8_t* codes);

}  // namespace cisreg

#endif  // CISREG_CSRC_SEQUENCE_ENCODE_H_
