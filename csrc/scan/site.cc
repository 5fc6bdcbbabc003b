#include "scan/site.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace cisreg::scan {

SiteMatrices::SiteMatrices(const Problem& problem, const Distributions* distributions) {
  const int64_t motifs = problem.motif_count;
  for (int strand = 0; strand < kStrands; ++strand) {
    for (int64_t motif = 0; motif < motifs; ++motif) {
      const int first = problem.column_range[motif], end = problem.column_range[motifs + motif];
      const bool forward = strand == 0;
      const int64_t first_entry = static_cast<int64_t>(entries_.size());
      lanes_.push_back({end - first, forward ? 0 : end - first - 1, forward ? 1 : -1, first_entry});
      entries_.resize(entries_.size() + static_cast<size_t>(end - first) * kStride, 0.0f);
      for (int column = first; column < end; ++column) {
        float* entry = entries_.data() + first_entry + (column - first) * kStride;
        for (int base = 0; base < kBases; ++base) {
          const int read = forward ? base : kBases - 1 - base;
          entry[base] =
              problem.log_kd[(static_cast<int64_t>(column) * kBases + read) * motifs + motif];
        }
        if (problem.unknown == Unknown::kWorst) {
          entry[kUnknownBase] = *std::max_element(entry, entry + kBases);
        }
      }
      if (distributions != nullptr) {
        AddScores(distributions->motif(motif), lanes_.back(), problem.unknown);
      }
    }
  }
}

void SiteMatrices::AddScores(const MotifDistribution& motif, const Lane& lane, Unknown unknown) {
  scores_.resize(entries_.size(), 0);
  for (int column = 0; column < lane.width; ++column) {
    const int64_t first = lane.first_entry + static_cast<int64_t>(column) * kStride;
    const int32_t* known = motif.score.data() + column * kBases;
    for (int base = 0; base < kBases; ++base) {
      scores_[first + base] = known[lane.step > 0 ? base : kBases - 1 - base];
    }
    if (unknown == Unknown::kWorst) {
      scores_[first + kUnknownBase] = *std::max_element(known, known + kBases);
    } else {
      // It adds 0 to log Kd, which may be less than the strongest base adds.
      const float* entry = entries_.data() + first;
      const double excess = -static_cast<double>(*std::min_element(entry, entry + kBases));
      scores_[first + kUnknownBase] =
          static_cast<int32_t>(std::floor(std::clamp(excess / motif.step, -1e8, 1e8)));
    }
  }
}

}  // namespace cisreg::scan
