// How two reads can lie on each other.
//
// Read 1 covers [0, n1) of a line on which the reverse complement of read 2 covers
// [n1 - overlap, n1 - overlap + n2). Read 1 begins where the sequenced molecule does and read 2
// where it ends, so that the molecule covers [0, n1 + n2 - overlap): an overlap longer than a read
// means that the other one runs out of the molecule, and what is outside is adapter.

#ifndef CISREG_CSRC_READS_OVERLAP_H_
#define CISREG_CSRC_READS_OVERLAP_H_

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace cisreg::reads {

inline constexpr int kWordBases = 64;

// A read as three bits for each base, 64 bases in a word: two for A C G T, and one for whether the
// base is known.
class BitRead {
 public:
  void Assign(std::string_view bases);  // letters A C G T N

  int64_t size() const { return size_; }
  bool has_unknown() const { return has_unknown_; }

  // 64 bases from `position` on, which must lie in the read. Bases behind its end are unknown.
  struct Word {
    uint64_t low, high, known;
  };
  // One of its bits alone.
  uint64_t LowBitsAt(int64_t position) const {
    const Word* word = &words_[WordOf(position)];
    return Join(word[0].low, word[1].low, ShiftOf(position));
  }
  Word At(int64_t position) const {
    const Word& word = words_[WordOf(position)];
    const Word& next = words_[WordOf(position) + 1];
    const int shift = ShiftOf(position);
    return {Join(word.low, next.low, shift), Join(word.high, next.high, shift),
            Join(word.known, next.known, shift)};
  }

 private:
  // Unsigned, so that division and remainder are a shift and a mask.
  static size_t WordOf(int64_t position) { return static_cast<uint64_t>(position) / kWordBases; }
  static int ShiftOf(int64_t position) { return static_cast<uint64_t>(position) % kWordBases; }
  // Bits from `shift` on of two words that follow each other.
  static uint64_t Join(uint64_t word, uint64_t next, int shift) {
    return word >> shift | next << 1 << (kWordBases - 1 - shift);
  }

  int64_t size_ = 0;
  bool has_unknown_ = false;
  std::vector<Word> words_;  // one more than is needed, so that At finds a next one
};

struct Overlap {
  int64_t size;      // n1 + n2 less the molecule's length
  int64_t compared;  // positions at which both reads have a known base; 0: there is no overlap
  int64_t equal;     // those at which it is the same one
};

// Known bases that differ.
inline uint64_t Differences(const BitRead::Word& a, const BitRead::Word& b) {
  return a.known & b.known & ((a.low ^ b.low) | (a.high ^ b.high));
}

// Calls `visit(i, j)` for each base i of read 1 and j of read 2 that are compared and differ.
template <class Visit>
void ForEachDifference(const BitRead& forward, const BitRead& reverse, int64_t size, Visit visit) {
  const int64_t start = forward.size() - size;
  const int64_t end = std::min(forward.size(), start + reverse.size());
  for (int64_t i = std::max<int64_t>(start, 0); i < end; i += kWordBases) {
    uint64_t different = Differences(forward.At(i), reverse.At(i - start));
    for (; different != 0; different &= different - 1) {
      const int64_t at = i + __builtin_ctzll(different);
      visit(at, at - start);
    }
  }
}

struct OverlapSearch {
  int64_t expected;
  int64_t slack;             // overlaps from expected - slack to expected + slack are tried
  int64_t minimum_compared;  // 1 or more
  double minimum_identity;   // smallest share of equal bases among those compared
};

// All overlaps that are long and similar enough, the shortest first.
void FindOverlaps(const BitRead& forward, const BitRead& reverse, const OverlapSearch& search,
                  std::vector<Overlap>* found);

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_OVERLAP_H_
