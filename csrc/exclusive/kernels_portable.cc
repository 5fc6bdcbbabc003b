// Compiled for any processor.

#include "exclusive/backward.h"
#include "exclusive/forward.h"
#include "simd/portable.h"

namespace cisreg::exclusive {

using BlockFloats = Sites<simd::PortableFloats>;

const Kernels kPortableKernels = {
    "portable",
    simd::PortableFloats::kLanes,
    BuildWeights<BlockFloats>,
    ScratchBytes<BlockFloats>,
    ForwardChunk<BlockFloats>,
    BackwardSlice<BlockFloats>,
};

}  // namespace cisreg::exclusive
