// Compiled for any processor.

#include "pairs/backward.h"
#include "pairs/forward.h"
#include "simd/portable.h"

namespace cisreg::pairs {

using BlockFloats = Sites<simd::PortableFloats>;

const Kernels kPortableKernels = {
    "portable",
    ScratchBytes<BlockFloats>,
    ForwardChunk<BlockFloats>,
    BackwardSlice<BlockFloats>,
};

}  // namespace cisreg::pairs
