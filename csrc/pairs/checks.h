// Checks of what pairs of factors take beside the occupancy's arguments.

#ifndef CISREG_CSRC_PAIRS_CHECKS_H_
#define CISREG_CSRC_PAIRS_CHECKS_H_

#include "common/export.h"
#include "occupancy/checks.h"
#include "pairs/problem.h"

namespace cisreg::pairs {

// Checks the pairs and their knots, and that there is one concentration for each motif; fills in
// how many there are. All else has been checked.
CISREG_EXPORT InputError CheckPairs(const InputDimensions& dimensions, const Dimensions& pair,
                                    const Dimensions& effect, const OccupancyShape& shape,
                                    Inputs* inputs);

}  // namespace cisreg::pairs

#endif  // CISREG_CSRC_PAIRS_CHECKS_H_
