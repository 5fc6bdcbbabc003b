// The two functions of plain motif scanning. Results do not depend on the number of threads or the
// kernels.

#ifndef CISREG_CSRC_SCAN_SCAN_H_
#define CISREG_CSRC_SCAN_SCAN_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "common/parallel.h"
#include "scan/filter.h"
#include "scan/problem.h"

namespace cisreg::scan {

// Hits of each chunk, sorted by position, strand and motif.
using ChunkedHits = std::vector<std::vector<Hit>>;

// Arrays to write hits to, one entry for each.
struct HitArrays {
  int64_t* sequence;
  int64_t* position;
  int8_t* strand;
  int32_t* motif;
  float* log_kd;
};

// All sites with log Kd of at most threshold[m]; no result if there are more than `limit`, or if
// interrupted.
std::optional<ChunkedHits> FindHits(const Problem& problem, const FilterKernels& kernels,
                                    const float* threshold, int64_t limit, int threads,
                                    const Interrupted& interrupted);

void WriteHits(const Problem& problem, const ChunkedHits& chunks, const HitArrays& arrays,
               int threads);

// Arrays [N, M] to write the strongest sites to; position and strand are -1, and log Kd infinite,
// where there is none.
struct BestSiteArrays {
  int64_t* position;
  int8_t* strand;
  float* log_kd;
};

// The site of lowest log Kd of each motif on each sequence; of equal ones the leftmost, and of its
// strands the forward one. Returns false if interrupted.
bool FindBestSites(const Problem& problem, const FilterKernels& kernels,
                   const BestSiteArrays& arrays, int threads, const Interrupted& interrupted);

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_SCAN_H_
