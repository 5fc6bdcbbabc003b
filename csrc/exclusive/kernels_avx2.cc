// Compiled for AVX2 and FMA; called only where the processor has both.

#include "exclusive/backward.h"
#include "exclusive/forward.h"
#include "simd/avx2.h"

namespace cisreg::exclusive {

using BlockFloats = Sites<simd::Avx2Floats>;

const Kernels kAvx2Kernels = {
    "avx2",
    simd::Avx2Floats::kLanes,
    BuildWeights<BlockFloats>,
    ScratchBytes<BlockFloats>,
    ForwardChunk<BlockFloats>,
    BackwardSlice<BlockFloats>,
};

}  // namespace cisreg::exclusive
