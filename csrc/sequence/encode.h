// Base codes from text.

#ifndef CISREG_CSRC_SEQUENCE_ENCODE_H_
#define CISREG_CSRC_SEQUENCE_ENCODE_H_

#include <cstdint>

#include "common/export.h"

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

// What can be wrong with the text of a sequence.
enum class SequenceFault : uint8_t {
  kNone = 0,
  kEmpty = 1,
  kForeign = 2,  // A letter that is no nucleotide code of IUPAC, in either case.
};

// Which texts to encode, in this order; all of them in their own order if `index` is null.
struct SequenceRows {
  const int64_t* index;
  int64_t count;
};

// Writes codes [rows.count, length]: A C G T in either case are 0 to 3, U is T, all else 4. Shorter
// texts are padded with 4, longer ones trimmed, on the left or on the right.
CISREG_EXPORT EncodeCounts EncodeSequences(const SequenceText& text, const SequenceRows& rows,
                                           int64_t length, bool pad_left, uint8_t* codes);

// Writes a fault for each text.
CISREG_EXPORT void FindSequenceFaults(const SequenceText& text, SequenceFault* faults);

}  // namespace cisreg

#endif  // CISREG_CSRC_SEQUENCE_ENCODE_H_
