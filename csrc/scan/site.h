// The log Kd of one site, computed as `problem.h` says, and its score for p-values.

#ifndef CISREG_CSRC_SCAN_SITE_H_
#define CISREG_CSRC_SCAN_SITE_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "scan/distributions.h"
#include "scan/problem.h"

namespace cisreg::scan {

// The motifs on both strands. A lane is strand * M + motif.
class SiteMatrices {
 public:
  // `distributions` may be null; then there are no scores.
  SiteMatrices(const Problem& problem, const Distributions* distributions);

  int width(int64_t lane) const { return lanes_[lane].width; }

  // `window` is the leftmost base that the motif's own columns cover.
  float LogKd(int64_t lane, const uint8_t* window) const {
    return Sum<float>(entries_, lanes_[lane], window);
  }

  // The score of `distributions.h`. An unknown base counts as in log Kd.
  int64_t Score(int64_t lane, const uint8_t* window) const {
    return Sum<int64_t>(scores_, lanes_[lane], window);
  }

  // Whether a window holds an unknown base.
  bool HasUnknown(int64_t lane, const uint8_t* window) const {
    const uint8_t* end = window + lanes_[lane].width;
    return std::find(window, end, uint8_t{kUnknownBase}) != end;
  }

 private:
  // Entries of a column: of the four bases, then of the unknown one.
  static constexpr int kStride = 8;

  // Columns are added in the motif's own order, which is from right to left on the reverse strand.
  struct Lane {
    int width;
    int first_base;
    int step;
    int64_t first_entry;
  };

  template <class Total, class Entry>
  static Total Sum(const std::vector<Entry>& entries, const Lane& of, const uint8_t* window) {
    const Entry* column = entries.data() + of.first_entry;
    const uint8_t* base = window + of.first_base;
    Total sum = 0;
    for (int i = 0; i < of.width; ++i, column += kStride, base += of.step) {
      sum += column[*base % kStride];  // also of an array that is changed after its check
    }
    return sum;
  }

  void AddScores(const MotifDistribution& motif, const Lane& lane, Unknown unknown);

  std::vector<Lane> lanes_;
  std::vector<float> entries_;
  std::vector<int32_t> scores_;
};

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_SITE_H_
