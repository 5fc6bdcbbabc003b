// Plain motif scanning as numbers and pointers: what is asked, and what is answered.
//
// A site is a window on one strand that holds all columns of a motif. Its log Kd is the sum of the
// motif's entries for the bases it meets, added in float32 from the motif's first column to its
// last on either strand; unknown bases add nothing.

#ifndef CISREG_CSRC_SCAN_PROBLEM_H_
#define CISREG_CSRC_SCAN_PROBLEM_H_

#include <cstdint>

namespace cisreg::scan {

inline constexpr int kStrands = 2;
inline constexpr int kBases = 4;
// Base codes: 0 A, 1 C, 2 G, 3 T, and this one for anything else.
inline constexpr int kUnknownBase = 4;
inline constexpr int kBaseCodes = 5;

struct Problem {
  const uint8_t* sequence;  // [N, L]
  int64_t sequence_count;
  int64_t length;
  const float* log_kd;  // [W, 4, M], nats
  const int32_t*
      column_range;  // [2, M], first of a motif's own columns and the one behind its last
  int64_t width;
  int64_t motif_count;
};

struct Hit {
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
