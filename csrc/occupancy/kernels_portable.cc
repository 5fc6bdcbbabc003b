// Compiled for the baseline of the target processor.

#include "occupancy/backward.h"
#include "occupancy/forward.h"
#include "simd/portable.h"

namespace cisreg {

using Floats = simd::PortableFloats;

const OccupancyKernels kPortableKernels = {
    "portable",          BuildTable<Floats>,   ItemScratchBytes<Floats>,
    ForwardItem<Floats>, BackwardItem<Floats>,
};

}  // namespace cisreg
