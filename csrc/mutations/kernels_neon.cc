// Compiled for 64-bit Arm, all of which has NEON.

#include "mutations/piece.h"
#include "simd/neon.h"

namespace cisreg::mutations {

const Kernels kNeonKernels = {
    "neon",
    BuildTables<simd::NeonFloats>,
    ScratchFloats,
    MutatePiece<simd::NeonFloats>,
};

}  // namespace cisreg::mutations
