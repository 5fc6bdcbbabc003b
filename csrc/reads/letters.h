// Letters of reads: A C G T in either case; all others are unknown bases.

#ifndef CISREG_CSRC_READS_LETTERS_H_
#define CISREG_CSRC_READS_LETTERS_H_

#include <cstdint>

namespace cisreg::reads {

inline constexpr char kUnknownLetter = 'N';
inline constexpr uint8_t kUnknownCode = 4;

struct LetterTables {
  uint8_t code[256];     // 0 A, 1 C, 2 G, 3 T, 4 unknown
  char capital[256];     // A, C, G, T or N
  char complement[256];  // the same of the other strand

  constexpr LetterTables() : code(), capital(), complement() {
    for (int letter = 0; letter < 256; ++letter) {
      code[letter] = kUnknownCode;
      capital[letter] = complement[letter] = kUnknownLetter;
    }
    constexpr char kBases[] = "ACGT";
    for (int base = 0; base < 4; ++base) {
      for (const int letter : {kBases[base], static_cast<char>(kBases[base] - 'A' + 'a')}) {
        code[letter] = base;
        capital[letter] = kBases[base];
        complement[letter] = kBases[3 - base];
      }
    }
  }
};

inline constexpr LetterTables kLetters;

inline uint8_t Code(char letter) { return kLetters.code[static_cast<uint8_t>(letter)]; }
inline char Capital(char letter) { return kLetters.capital[static_cast<uint8_t>(letter)]; }
inline char Complement(char letter) { return kLetters.complement[static_cast<uint8_t>(letter)]; }

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_LETTERS_H_
