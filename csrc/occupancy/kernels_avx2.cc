// Compiled for AVX2 and FMA; called only where the processor has both.

#include "occupancy/backward.h"
#include "occupancy/forward.h"
#include "simd/avx2.h"

namespace cisreg {

using BlockFloats = Sites<simd::Avx2Floats>;

const OccupancyKernels kAvx2Kernels = {
    "avx2",
    BuildTable<BlockFloats>,
    EncodeSharedTile,
    ItemScratchBytes<BlockFloats>,
    ForwardItem<BlockFloats>,
    BackwardItem<BlockFloats>,
};

}  // namespace cisreg
