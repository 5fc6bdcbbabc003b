// Compiled for AVX-512; called only where the processor has it.

#include "exclusive/backward.h"
#include "exclusive/forward.h"
#include "simd/avx512.h"

namespace cisreg::exclusive {

using BlockFloats = Sites<simd::Avx512Floats>;

const Kernels kAvx512Kernels = {
    "avx512",
    simd::Avx512Floats::kLanes,
    BuildWeights<BlockFloats>,
    ScratchBytes<BlockFloats>,
    ForwardChunk<BlockFloats>,
    BackwardSlice<BlockFloats>,
};

}  // namespace cisreg::exclusive
