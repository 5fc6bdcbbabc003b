// Compiled for AVX2 and FMA; called only where the processor has both.

#include "occupancy/backward.h"
#include "occupancy/forward.h"
#include "simd/avx2.h"

namespace cisreg {

using Floats = simd::Avx2Floats;

const OccupancyKernels kAvx2Kernels = {
    "avx2", BuildTable<Floats>, ItemScratchBytes<Floats>, ForwardItem<Floats>, BackwardItem<Floats>,
};

}  // namespace cisreg
