// The exact distribution of a motif's score at a random window, and the p-values that it gives.
//
// Every entry is rounded down to a multiple of a fine step above the motif's strongest base in that
// column. The score of a site is the sum of these integers, 0 for the strongest site. Its p-value
// is the probability that a window of independent bases has a score that is as low or lower.

#ifndef CISREG_CSRC_SCAN_DISTRIBUTIONS_H_
#define CISREG_CSRC_SCAN_DISTRIBUTIONS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/bases.h"
#include "common/parallel.h"
#include "scan/problem.h"

namespace cisreg::scan {

// What a motif's p-values need.
struct MotifDistribution {
  double strongest = 0;        // log Kd of the strongest site
  double step = 0;             // nats
  std::vector<int32_t> score;  // [own width, kBases]
  // By strand, the probability of every score from 0 on, or a lower one. The reverse strand's is
  // empty where it is the forward strand's.
  std::vector<double> cumulative[kStrands];
  bool same_on_both = false;

  const std::vector<double>& on(int strand) const { return cumulative[same_on_both ? 0 : strand]; }
};

class Distributions {
 public:
  // What is asked of a motif: every score of probability `p_value` or less, or if `limit`, [2, M],
  // is not null, every score that a site of this log Kd or a lower one may have.
  struct Wanted {
    double p_value;
    const float* limit;
  };

  // `background` is [2, 4], the probabilities of the bases in windows of each strand.
  Distributions(const Problem& problem, const double* background, const Wanted& wanted,
                int threads);

  int64_t motif_count() const { return static_cast<int64_t>(motifs_.size()); }
  const MotifDistribution& motif(int64_t index) const { return motifs_[index]; }
  // The largest score of a hit, -1 if there is none.
  int64_t LargestScore(int64_t motif, int strand) const {
    return static_cast<int64_t>(motifs_[motif].on(strand).size()) - 1;
  }
  // Writes the p-value of a score, or returns false if it is not among the scores of hits.
  bool PValue(int64_t motif, int strand, int64_t score, double* p_value) const {
    const std::vector<double>& cumulative = motifs_[motif].on(strand);
    const auto count = static_cast<int64_t>(cumulative.size());
    if (score >= count && (by_p_value_ || count == 0)) return false;
    // Unknown bases that add nothing may be stronger than any known one. Rounding of float32 may
    // take a site that is just strong enough beyond the last score.
    *p_value = cumulative[std::clamp<int64_t>(score, 0, count - 1)];
    return true;
  }
  // The largest log Kd at which no site is weaker than the largest score; -infinity if there is
  // none. Half a step is more than what rounding does to a sum of float32 numbers.
  double Threshold(int64_t motif, int strand) const;
  // A log Kd that no site with the largest score or a lower one exceeds.
  float Limit(int64_t motif, int strand) const;

 private:
  void Make(const Problem& problem, const double* background, const Wanted& wanted, int64_t index);

  const bool by_p_value_;
  std::vector<MotifDistribution> motifs_;
};

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_DISTRIBUTIONS_H_
