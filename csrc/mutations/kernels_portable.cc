// Compiled for the baseline of the target processor.

#include "mutations/piece.h"
#include "simd/portable.h"

namespace cisreg::mutations {

const Kernels kPortableKernels = {
    "portable",
    BuildTables<simd::PortableFloats>,
    ScratchFloats,
    MutatePiece<simd::PortableFloats>,
};

}  // namespace cisreg::mutations
