// What the letters of sequences mean.

#ifndef CISREG_CSRC_SEQUENCE_LETTERS_H_
#define CISREG_CSRC_SEQUENCE_LETTERS_H_

#include <cstdint>

#include "common/bases.h"

namespace cisreg {

struct CodeTable {
  uint8_t code[256];

  constexpr CodeTable() : code() {
    for (int i = 0; i < 256; ++i) code[i] = kUnknownBase;
    code['A'] = code['a'] = 0;
    code['C'] = code['c'] = 1;
    code['G'] = code['g'] = 2;
    code['T'] = code['t'] = code['U'] = code['u'] = 3;
  }
};

// A C G T in either case are 0 to 3, U is T, all else kUnknownBase.
constexpr CodeTable kCodes;

struct ForeignTable {
  uint8_t foreign[256];

  constexpr ForeignTable() : foreign() {
    for (int i = 0; i < 256; ++i) foreign[i] = 1;
    for (const char letter :
         {'A', 'C', 'G', 'T', 'U', 'N', 'R', 'Y', 'S', 'W', 'K', 'M', 'B', 'D', 'H', 'V'}) {
      foreign[static_cast<int>(letter)] = foreign[letter - 'A' + 'a'] = 0;
    }
  }
};

// 1 for what is no nucleotide code of IUPAC, in either case.
constexpr ForeignTable kForeign;

}  // namespace cisreg

#endif  // CISREG_CSRC_SEQUENCE_LETTERS_H_
