// The log Kd of one site, computed as `problem.h` says.

#ifndef CISREG_CSRC_SCAN_SITE_H_
#define CISREG_CSRC_SCAN_SITE_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "scan/problem.h"

namespace cisreg::scan {

// The motifs on both strands. A lane is strand * M + motif.
class SiteMatrices {
 public:
  explicit SiteMatrices(const Problem& problem);

  int width(int64_t lane) const { return lanes_[lane].width; }

  // `window` is the leftmost base that the motif's own columns cover.
  float LogKd(int64_t lane, const uint8_t* window) const {
    const Lane& of = lanes_[lane];
    const float* column = entries_.data() + of.first_entry;
    const uint8_t* base = window + of.first_base;
    float log_kd = 0.0f;
    for (int i = 0; i < of.width; ++i, column += kStride, base += of.step) {
      log_kd += column[*base % kStride];  // also of an array that is changed after its check
    }
    return log_kd;
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

  std::vector<Lane> lanes_;
  std::vector<float> entries_;
};

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_SITE_H_
