// Compiled for AVX-512 (F, DQ, BW, VL); called only where the processor has all of them.

#include "occupancy/backward.h"
#include "occupancy/forward.h"
#include "simd/avx512.h"

namespace cisreg {

using BlockFloats = Sites<simd::Avx512Floats>;

const OccupancyKernels kAvx512Kernels = {
    "avx512",
    BuildTable<BlockFloats>,
    EncodeSharedTile,
    ItemScratchBytes<BlockFloats>,
    ForwardItem<BlockFloats>,
    BackwardItem<BlockFloats>,
};

}  // namespace cisreg
