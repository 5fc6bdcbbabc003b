#include "sequence/fasta.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "sequence/letters.h"

namespace cisreg {
namespace {

bool IsBlank(uint8_t letter) { return letter == ' ' || (letter >= '\t' && letter <= '\r'); }

constexpr uint8_t kNoLetter = 0x80;

struct FastaTable {
  uint8_t code[256];

  // Codes, or kNoLetter for what is no nucleotide code.
  explicit constexpr FastaTable(bool masked_unknown) : code() {
    for (int i = 0; i < 256; ++i) {
      const bool masked = masked_unknown && i >= 'a' && i <= 'z';
      code[i] = kForeign.foreign[i] ? kNoLetter : masked ? kUnknownBase : kCodes.code[i];
    }
  }
};

constexpr FastaTable kAllBases(false), kUpperBases(true);

// Writes the codes of letters; returns whether all are nucleotide codes.
bool EncodeLetters(const FastaTable& table, const uint8_t* from, int64_t size, uint8_t* to) {
  uint8_t any = 0;
  for (int64_t i = 0; i < size; ++i) {
    const uint8_t code = table.code[from[i]];
    to[i] = code;
    any |= code;
  }
  return (any & kNoLetter) == 0;
}

class Reader {
 public:
  explicit Reader(const FastaBlock& block)
      : block_(block),
        table_(block.masked_unknown ? kUpperBases : kAllBases),
        at_(block.text),
        end_(block.text + block.size),
        place_(block.place) {}

  FastaResult Read() {
    while (at_ < end_ && result_.stop == FastaStop::kTextEnd) ReadLine();
    result_.text = at_ - block_.text;
    result_.place = place_;
    return std::move(result_);
  }

 private:
  // Reads the rest of a line, or stops.
  void ReadLine() {
    const uint8_t* line_end =
        static_cast<const uint8_t*>(std::memchr(at_, '\n', static_cast<size_t>(end_ - at_)));
    const bool complete = line_end != nullptr;
    if (!complete) line_end = end_;
    const bool stopped = place_ == FastaPlace::kLineStart ? ReadWholeLine(line_end, complete)
                                                          : ReadSequence(line_end);
    if (stopped) return;
    at_ = line_end;
    if (complete) {
      ++at_;
      ++result_.lines;
      place_ = FastaPlace::kLineStart;
    }
  }

  // Reads a line from its start; returns whether it stopped.
  bool ReadWholeLine(const uint8_t* line_end, bool complete) {
    while (at_ < line_end && IsBlank(*at_)) ++at_;
    if (at_ == line_end) return false;
    if (*at_ == ';' || *at_ == '#') place_ = FastaPlace::kComment;
    if (*at_ != '>') return ReadSequence(line_end);
    if (!complete) {
      result_.stop = FastaStop::kHeader;
      return true;
    }
    const uint8_t* end = line_end;
    while (IsBlank(end[-1])) --end;
    const uint8_t* const begin = at_ + 1;
    result_.headers.push_back(
        {begin - block_.text, end - block_.text, result_.bases, result_.lines});
    return false;
  }

  // Reads letters up to the end of the line; returns whether it stopped.
  bool ReadSequence(const uint8_t* line_end) {
    if (place_ == FastaPlace::kComment) return false;
    const uint8_t* letters_end = line_end;
    if (letters_end > at_ && letters_end < end_ && letters_end[-1] == '\r') --letters_end;
    const int64_t size = std::min<int64_t>(letters_end - at_, block_.room - result_.bases);
    uint8_t* const to = block_.codes + result_.bases;
    if (place_ == FastaPlace::kBlank || !EncodeLetters(table_, at_, size, to)) {
      return ReadSlowly(line_end);
    }
    at_ += size;
    result_.bases += size;
    if (size > 0) place_ = FastaPlace::kSequence;
    if (at_ < letters_end) return ReadSlowly(line_end);
    return false;
  }

  // As `ReadSequence`, letter by letter, for lines with blanks or foreign
  // letters.
  bool ReadSlowly(const uint8_t* line_end) {
    for (; at_ < line_end; ++at_) {
      const uint8_t letter = *at_;
      if (IsBlank(letter)) {
        place_ = FastaPlace::kBlank;
      } else if (table_.code[letter] == kNoLetter || place_ == FastaPlace::kBlank) {
        result_.stop = FastaStop::kForeign;
        return true;
      } else if (result_.bases == block_.room) {
        result_.stop = FastaStop::kFull;
        return true;
      } else {
        block_.codes[result_.bases++] = table_.code[letter];
        place_ = FastaPlace::kSequence;
      }
    }
    return false;
  }

  const FastaBlock& block_;
  const FastaTable& table_;
  const uint8_t* at_;
  const uint8_t* const end_;
  FastaPlace place_;
  FastaResult result_;
};

}  // namespace

FastaResult EncodeFasta(const FastaBlock& block) { return Reader(block).Read(); }

}  // namespace cisreg
