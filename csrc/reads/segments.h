// Cuts sequences into segments such that similar sequences have a segment in common.
//
// A sequence r is cut into d + 1 segments, numbered from 0. If s is within e <= d edits of r, then
// there is a segment k <= e of r that stands unchanged in s, with k edits before it and at most
// e - k behind it. For let f(k) be the edits before segment k, less k (an insertion between
// segments counts for the one before it, and one at the very start for the first segment): f(0) is
// 0, f(e + 1) is negative, and from one segment to the next f falls by 1 at most. At the last
// k <= e where f is not negative, the next step leads below 0, so f(k) is 0 and segment k has no
// edit. The segment's place in s then differs from that in r by a shift x with |x| <= k, and
// |D - x| <= e - k, where D is the length of s less that of r. Whatever the cuts are, this holds,
// so they may be chosen for speed. Compare the multi-match-aware selection of Li et al., PVLDB 5
// (2011), 253-264.

#ifndef CISREG_CSRC_READS_SEGMENTS_H_
#define CISREG_CSRC_READS_SEGMENTS_H_

#include <cstdint>
#include <vector>

#include "reads/edit_distance.h"
#include "sequence/encode.h"

namespace cisreg::reads {

// Longer sequences are not clustered.
inline constexpr int64_t kLongest = 65535;

inline Text TextAt(const SequenceText& text, int64_t index) {
  const int64_t begin = text.offsets[index];
  return {text.data + begin, static_cast<int32_t>(text.offsets[index + 1] - begin)};
}

// Where the sequences of each length are cut. Segments get equal sums of the collision entropies of
// their columns. Flanks that nearly all sequences share have low entropy, so they join a segment
// with columns that vary.
class Cuts {
 public:
  // Of the first `count` sequences, in `segments` pieces.
  Cuts(const SequenceText& text, int64_t count, int segments);

  // Whether there is a sequence of this length.
  bool Has(int64_t length) const {
    return 0 <= length && length < static_cast<int64_t>(row_of_.size()) && row_of_[length] >= 0;
  }
  // First column of each segment and behind the last: segments + 1 numbers, for lengths there are.
  const int32_t* Of(int64_t length) const { return cuts_.data() + row_of_[length]; }

 private:
  std::vector<int64_t> row_of_;  // by length: where its cuts begin; -1 where there are none
  std::vector<int32_t> cuts_;
};

// A hash of letters; each `kind` gives a different hash.
uint32_t HashLetters(const uint8_t* letters, int32_t count, uint32_t kind);

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_SEGMENTS_H_
