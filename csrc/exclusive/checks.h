// Checks of what sites that exclude each other take beside the occupancy's arguments.

#ifndef CISREG_CSRC_EXCLUSIVE_CHECKS_H_
#define CISREG_CSRC_EXCLUSIVE_CHECKS_H_

#include <optional>

#include "common/export.h"
#include "exclusive/problem.h"
#include "occupancy/checks.h"

namespace cisreg::exclusive {

struct Problem {
  OccupancyShape shape;
  Inputs inputs;

  Dimensions sums() const { return {shape.sequence_count, kStrands, shape.motif_count}; }
  Dimensions competitors() const { return {shape.sequence_count, inputs.competitor_count}; }
  bool weighted() const { return inputs.position_weight != nullptr; }
  bool has_competitors() const { return inputs.competitor_width != nullptr; }
};

// Checks the sizes of footprints, and that there is one concentration for each motif and one set of
// position weights. The other sizes have been checked.
CISREG_EXPORT InputError CheckExclusiveDimensions(const InputDimensions& inputs,
                                                  const std::optional<Dimensions>& footprint,
                                                  const OccupancyShape& shape);

// Checks the sizes and widths of competitors, and fills in how many there are.
CISREG_EXPORT InputError CheckCompetitors(const Dimensions& width, const Dimensions& log_odds,
                                          Inputs* inputs);

// Checks the log odds of competitors.
CISREG_EXPORT InputError CheckCompetitorOdds(const Inputs& inputs);

// Checks what says where sites lie, which is in host memory on every device: that motifs have their
// columns, and that every site covers at least one base and none that is far from its window.
CISREG_EXPORT InputError CheckFootprints(const OccupancyShape& shape, const Inputs& inputs);

}  // namespace cisreg::exclusive

#endif  // CISREG_CSRC_EXCLUSIVE_CHECKS_H_
