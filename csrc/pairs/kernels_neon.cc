// Compiled for 64-bit Arm.

#include "pairs/backward.h"
#include "pairs/forward.h"
#include "simd/neon.h"

namespace cisreg::pairs {

using BlockFloats = Sites<simd::NeonFloats>;

const Kernels kNeonKernels = {
    "neon",
    ScratchBytes<BlockFloats>,
    ForwardChunk<BlockFloats>,
    BackwardSlice<BlockFloats>,
};

}  // namespace cisreg::pairs
