// Plain motif scanning as numbers and pointers: inputs and results.
//
// A site is a window on one strand that holds all columns of a motif. Its log Kd is the sum of the
// motif's entries for the bases it meets, added in float32 from the motif's first column to its
// last on either strand. No site reaches over the ends of its sequence.

#ifndef CISREG_CSRC_SCAN_PROBLEM_H_
#define CISREG_CSRC_SCAN_PROBLEM_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/bases.h"

namespace cisreg::scan {

// How a window with an unknown base is treated.
enum class Unknown {
  kSkip,     // It is no site.
  kNeutral,  // The unknown base adds nothing.
  kWorst,    // The unknown base adds what the weakest base adds.
};

// Sequences, joined to one text.
struct Text {
  const uint8_t* codes;  // [total]
  int64_t total;
  // [N], the first base of each sequence in the text and the one behind its last. They rise;
  // between two sequences there may be padding.
  std::vector<int64_t> first;
  std::vector<int64_t> end;

  int64_t sequence_count() const { return static_cast<int64_t>(first.size()); }
  // The first sequence that ends behind this base.
  int64_t SequenceAt(int64_t base) const {
    return std::upper_bound(end.begin(), end.end(), base) - end.begin();
  }
};

// Motifs, and which sites of theirs there are.
struct Problem {
  const float* log_kd;  // [W, 4, M], nats
  const int32_t*
      column_range;  // [2, M], first of a motif's own columns and the one behind its last
  int64_t width;
  int64_t motif_count;
  Unknown unknown;
};

struct Hit {
  double p_value;   // 1 if there are no distributions
  uint32_t offset;  // of the site's leftmost base, from the first base of its chunk
  uint32_t lane;    // strand * M + motif
  float log_kd;
};

struct BestSite {
  int64_t position;  // of the leftmost base in its sequence; -1 where there is no site
  float log_kd;
  int8_t strand;
};

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_PROBLEM_H_
