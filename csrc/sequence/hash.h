// Hashes that find equal sequences, also across files, machines and runs.

#ifndef CISREG_CSRC_SEQUENCE_HASH_H_
#define CISREG_CSRC_SEQUENCE_HASH_H_

#include <cstdint>

#include "sequence/encode.h"

namespace cisreg {

// Writes a hash for each row of base codes [count, length]. A sequence and its reverse complement
// have the same hash, and so has a sequence with padding (code 4) on either side: what is hashed is
// the smaller of the two in alphabetical order, without the codes 4 at its ends.
void HashSequences(const uint8_t* codes, int64_t count, int64_t length, uint64_t seed,
                   uint64_t* hashes);

// Writes a hash of the bytes of each text.
void HashTexts(const SequenceText& text, uint64_t seed, uint64_t* hashes);

}  // namespace cisreg

#endif  // CISREG_CSRC_SEQUENCE_HASH_H_
