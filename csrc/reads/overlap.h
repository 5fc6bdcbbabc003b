// How two reads lie on each other.
//
// Read 1 covers [0, n1) of a line on which the reverse complement of read 2 covers
// [n1 - overlap, n1 - overlap + n2). Read 1 begins where the sequenced molecule does and read 2
// where it ends, so that the molecule covers [0, n1 + n2 - overlap): an overlap longer than a read
// means that the other one runs out of the molecule, and what is outside is adapter.

#ifndef CISREG_CSRC_READS_OVERLAP_H_
#define CISREG_CSRC_READS_OVERLAP_H_

#include <cstdint>
#include <string_view>
#include <vector>

namespace cisreg::reads {

// A read as three bits for each base, 64 bases in a word: two that tell A C G T apart, and whether
// it is one of these.
class BitRead {
 public:
  void Assign(std::string_view bases);  // letters A C G T N

  int64_t size() const { return size_; }

  // 64 bases from `position` on, which is in the read; what is behind its end is unknown.
  struct Word {
    uint64_t low, high, known;
  };
  Word At(int64_t position) const;

 private:
  int64_t size_ = 0;
  std::vector<Word> words_;  // one more than is needed, so that At finds a next one
};

struct Overlap {
  int64_t size;      // n1 + n2 less the molecule's length
  int64_t compared;  // positions at which both reads have a known base; 0: there is no overlap
  int64_t equal;     // those at which it is the same one
};

// The bases that are compared if the reads overlap by `size`.
Overlap Compare(const BitRead& forward, const BitRead& reverse, int64_t size);

struct OverlapSearch {
  int64_t expected;
  int64_t slack;             // overlaps from expected - slack to expected + slack are tried
  int64_t minimum_compared;  // 1 or more
  double minimum_identity;   // smallest share of equal ones among the compared
};

// The overlap with the largest share of equal bases; of several the nearest to the expected one,
// and of two of them the longer.
Overlap BestOverlap(const BitRead& forward, const BitRead& reverse, const OverlapSearch& search);

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_OVERLAP_H_
