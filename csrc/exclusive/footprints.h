// Which bases sites and competitors cover, from numbers on the host; for every processor.

#ifndef CISREG_CSRC_EXCLUSIVE_FOOTPRINTS_H_
#define CISREG_CSRC_EXCLUSIVE_FOOTPRINTS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "exclusive/problem.h"

namespace cisreg::exclusive {

// The bases that a motif's sites cover, from the first base of the window on, on each strand.
struct Footprint {
  int32_t first[kStrands];
  int32_t width;
};

inline Footprint FindFootprint(const OccupancyShape& shape, const Inputs& inputs, int64_t motif) {
  const auto width = static_cast<int32_t>(shape.width);
  const int32_t* ranges = inputs.footprint;
  if (ranges == nullptr) ranges = inputs.scan.column_range;
  if (ranges == nullptr) return {{0, 0}, width};
  const int32_t first = ranges[motif], end = ranges[shape.motif_count + motif];
  return {{first, width - end}, end - first};
}

// Those of all motifs, and the places of a sequence: its bases and those outside of it that
// footprints reach.
struct Footprints {
  std::vector<Footprint> of_motif;
  // Distinct numbers of bases that a site or a competitor covers, ascending.
  std::vector<int32_t> widths;
  int32_t least;       // the first base that any site of window 0 covers: place 0
  int64_t reach;       // places that the sites of one window reach, together
  int64_t first_base;  // place of a sequence's first base

  int32_t WidthIndex(int32_t width) const {
    const auto at = std::lower_bound(widths.begin(), widths.end(), width);
    return static_cast<int32_t>(at - widths.begin());
  }
  // Place of the first base that a site of window 0 covers.
  int32_t Offset(int64_t motif, int strand) const { return of_motif[motif].first[strand] - least; }
};

inline Footprints FindFootprints(const OccupancyShape& shape, const Inputs& inputs) {
  Footprints found = {};
  for (int64_t motif = 0; motif < shape.motif_count; ++motif) {
    found.of_motif.push_back(FindFootprint(shape, inputs, motif));
    found.widths.push_back(found.of_motif.back().width);
  }
  for (int64_t i = 0; i < inputs.competitor_count; ++i) {
    found.widths.push_back(inputs.competitor_width[i]);
  }
  std::sort(found.widths.begin(), found.widths.end());
  found.widths.erase(std::unique(found.widths.begin(), found.widths.end()), found.widths.end());
  int32_t least = found.of_motif[0].first[0], most = least;
  for (const Footprint& each : found.of_motif) {
    for (const int32_t first : each.first) {
      least = std::min(least, first);
      most = std::max(most, first + each.width);
    }
  }
  if (inputs.competitor_count > 0) {
    // They lie anywhere within the sequence, whether sites reach there or not.
    const auto base = static_cast<int32_t>(-shape.first_start);
    least = std::min(least, base);
    most = std::max(most, static_cast<int32_t>(base + shape.length - shape.window_count + 1));
  }
  found.least = least;
  found.reach = most - least;
  found.first_base = -shape.first_start - least;
  return found;
}

}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_FOOTPRINTS_H_
