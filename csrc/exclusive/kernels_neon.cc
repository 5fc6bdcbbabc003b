// Compiled for 64-bit Arm.

#include "exclusive/backward.h"
#include "exclusive/forward.h"
#include "simd/neon.h"

namespace cisreg::exclusive {

using BlockFloats = Sites<simd::NeonFloats>;

const Kernels kNeonKernels = {
    "neon",
    simd::NeonFloats::kLanes,
    BuildWeights<BlockFloats>,
    ScratchBytes<BlockFloats>,
    ForwardChunk<BlockFloats>,
    BackwardSlice<BlockFloats>,
};

}  // namespace cisreg::exclusive
