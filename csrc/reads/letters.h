// Letters of reads: A C G T in either case are bases; all others are unknown ones.

#ifndef CISREG_CSRC_READS_LETTERS_H_
#define CISREG_CSRC_READS_LETTERS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace cisreg::reads {

inline constexpr char kUnknownLetter = 'N';

struct LetterTables {
  char capital[256];     // A, C, G, T or N
  char complement[256];  // the complement of that

  constexpr LetterTables() : capital(), complement() {
    for (int letter = 0; letter < 256; ++letter) {
      capital[letter] = complement[letter] = kUnknownLetter;
    }
    constexpr char kBases[] = "ACGT";
    for (int base = 0; base < 4; ++base) {
      for (const int letter : {kBases[base], static_cast<char>(kBases[base] - 'A' + 'a')}) {
        capital[letter] = kBases[base];
        complement[letter] = kBases[3 - base];
      }
    }
  }
};

inline constexpr LetterTables kLetters;

// The bases of a read in the letters A C G T N.
inline void Normalize(std::string_view letters, std::string* bases) {
  bases->resize(letters.size());
  char* to = bases->data();
  for (const char letter : letters) *to++ = kLetters.capital[static_cast<uint8_t>(letter)];
}

// The reverse complement of that.
inline void ReverseComplement(std::string_view letters, std::string* bases) {
  bases->resize(letters.size());
  char* to = bases->data() + letters.size();
  for (const char letter : letters) *--to = kLetters.complement[static_cast<uint8_t>(letter)];
}

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_LETTERS_H_
