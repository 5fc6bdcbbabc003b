// Checks of what pairs of factors take beside the occupancy's arguments.

#ifndef CISREG_CSRC_PAIRS_CHECKS_H_
#define CISREG_CSRC_PAIRS_CHECKS_H_

#include "common/export.h"
#include "occupancy/checks.h"
#include "pairs/problem.h"

namespace cisreg::pairs {

// Checks the sizes of pairs and their knots, the distance, and that there is one concentration for
// each motif; fills in how many there are. All else has been checked.
CISREG_EXPORT InputError CheckPairSizes(const InputDimensions& dimensions, const Dimensions& pair,
                                        const Dimensions& effect, Inputs* inputs);

// Checks the places of motifs, which are in host memory.
CISREG_EXPORT InputError CheckPairPlaces(const OccupancyShape& shape, const Inputs& inputs);

}  // namespace cisreg::pairs

#endif  // CISREG_CSRC_PAIRS_CHECKS_H_
