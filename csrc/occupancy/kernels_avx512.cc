// Compiled for AVX-512 (F, DQ, BW, VL); called only where the processor has all of them.

#include "occupancy/backward.h"
#include "occupancy/forward.h"
#include "simd/avx512.h"

namespace cisreg {

using Floats = simd::Avx512Floats;

const OccupancyKernels kAvx512Kernels = {
    "avx512",
    BuildTable<Floats>,
    ItemScratchBytes<Floats>,
    ForwardItem<Floats>,
    BackwardItem<Floats>,
};

}  // namespace cisreg
