// Compiled for the baseline of the target processor.

#include "occupancy/backward.h"
#include "occupancy/forward.h"
#include "simd/portable.h"

namespace cisreg {

using BlockFloats = Sites<simd::PortableFloats>;

const OccupancyKernels kPortableKernels = {
    "portable",
    BuildTable<BlockFloats>,
    EncodeSharedTile,
    ItemScratchBytes<BlockFloats>,
    ForwardItem<BlockFloats>,
    BackwardItem<BlockFloats>,
};

}  // namespace cisreg
