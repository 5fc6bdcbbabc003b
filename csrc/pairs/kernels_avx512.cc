// Compiled for AVX-512; called only where the processor has it.

#include "pairs/backward.h"
#include "pairs/forward.h"
#include "simd/avx512.h"

namespace cisreg::pairs {

using BlockFloats = Sites<simd::Avx512Floats>;

const Kernels kAvx512Kernels = {
    "avx512",
    ScratchBytes<BlockFloats>,
    ForwardChunk<BlockFloats>,
    BackwardSlice<BlockFloats>,
};

}  // namespace cisreg::pairs
