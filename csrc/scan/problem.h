// Plain motif scanning as numbers and pointers: inputs and results.
//
// A site is a window on one strand that holds all columns of a motif. Its log Kd is the sum of the
// motif's entries for the bases it meets, added in float32 from the motif's first column to its
// last on either strand. No site reaches over the ends of its sequence.

#ifndef CISREG_CSRC_SCAN_PROBLEM_H_
#define CISREG_CSRC_SCAN_PROBLEM_H_

#include <cstdint>

#include "common/bases.h"

namespace cisreg::scan {

// How a window with an unknown base is treated.
enum class Unknown {
  kSkip,     // It is no site.
  kNeutral,  // The unknown base adds nothing.
  kWorst,    // The unknown base adds what the weakest base adds.
};

struct Problem {
  const uint8_t* sequence;  // [N, L], the rows
  int64_t sequence_count;
  int64_t length;
  const float* log_kd;  // [W, 4, M], nats
  const int32_t*
      column_range;  // [2, M], first of a motif's own columns and the one behind its last
  int64_t width;
  int64_t motif_count;
  Unknown unknown;
  // [N], the first base of each row that belongs to its sequence, and the one behind the last; the
  // others are padding. Both null where all rows are whole.
  const int64_t* first_base;
  const int64_t* end_base;

  int64_t first(int64_t row) const { return first_base == nullptr ? 0 : first_base[row]; }
  int64_t end(int64_t row) const { return end_base == nullptr ? length : end_base[row]; }
};

struct Hit {
  uint32_t offset;  // of the site's leftmost base, from the first base of its chunk
  uint32_t lane;    // strand * M + motif
  float log_kd;
};

struct BestSite {
  int64_t position;  // of the leftmost base in its row; -1 where there is no site
  float log_kd;
  int8_t strand;
};

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_PROBLEM_H_
