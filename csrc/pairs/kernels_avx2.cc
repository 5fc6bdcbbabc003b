// Compiled for AVX2 and FMA; called only where the processor has both.

#include "pairs/backward.h"
#include "pairs/forward.h"
#include "simd/avx2.h"

namespace cisreg::pairs {

using BlockFloats = Sites<simd::Avx2Floats>;

const Kernels kAvx2Kernels = {
    "avx2",
    ScratchBytes<BlockFloats>,
    ForwardChunk<BlockFloats>,
    BackwardSlice<BlockFloats>,
};

}  // namespace cisreg::pairs
