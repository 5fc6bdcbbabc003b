// The functions of plain motif scanning. Results do not depend on the number of threads or the
// kernels.

#ifndef CISREG_CSRC_SCAN_SCAN_H_
#define CISREG_CSRC_SCAN_SCAN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/parallel.h"
#include "scan/distributions.h"
#include "scan/filter.h"
#include "scan/problem.h"

namespace cisreg::scan {

// Hits of each chunk, sorted by position, strand and motif.
struct ChunkedHits {
  int64_t first_window = 0;
  int64_t chunk_windows = 0;
  std::vector<std::vector<Hit>> chunks;
  int64_t end_window = 0;  // windows before this one were scanned

  int64_t count() const;
};

// Arrays to write hits to, one entry for each.
struct HitArrays {
  int64_t* sequence;
  int64_t* position;
  int8_t* strand;
  int32_t* motif;
  float* log_kd;
  double* p_value;  // may be null
};

// Which windows of a text are scanned, and how many hits are enough.
struct HitRange {
  int64_t first_window;
  int64_t end_window;
  // Once there are more hits, no further chunk is begun.
  int64_t enough;
};

// Motifs and limits, made ready to scan one text after the other.
class HitScanner {
 public:
  // Sites with log Kd of at most limit[lane], [2, M], are hits. With `distributions`, which must
  // live as long, also their score must be among those that it has, and hits have p-values.
  HitScanner(const Problem& problem, const FilterKernels& kernels, const float* limit,
             const Distributions* distributions);
  ~HitScanner();

  // Nothing if interrupted.
  std::optional<ChunkedHits> Find(const Text& text, const HitRange& range, int threads,
                                  const Interrupted& interrupted) const;

  void Write(const Text& text, const ChunkedHits& hits, const HitArrays& arrays, int threads) const;

 private:
  class Search;
  struct Prepared;
  std::unique_ptr<const Prepared> prepared_;
};

// Arrays [N, M] to write the strongest sites to; position and strand are -1, and log Kd infinite,
// where there is none.
struct BestSiteArrays {
  int64_t* position;
  int8_t* strand;
  float* log_kd;
};

// The site of lowest log Kd of each motif on each sequence; of equal ones the leftmost, and of its
// strands the forward one. Returns false if interrupted.
bool FindBestSites(const Problem& problem, const Text& text, const FilterKernels& kernels,
                   const BestSiteArrays& arrays, int threads, const Interrupted& interrupted);

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_SCAN_H_
