// Compiled for 64-bit Arm, all of which has NEON.

#include "occupancy/backward.h"
#include "occupancy/forward.h"
#include "simd/neon.h"

namespace cisreg {

using BlockFloats = Sites<simd::NeonFloats>;

const OccupancyKernels kNeonKernels = {
    "neon",
    BuildTable<BlockFloats>,
    EncodeSharedTile,
    ItemScratchBytes<BlockFloats>,
    ForwardItem<BlockFloats>,
    BackwardItem<BlockFloats>,
};

}  // namespace cisreg
