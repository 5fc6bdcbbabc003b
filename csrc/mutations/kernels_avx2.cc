// Compiled for AVX2 and FMA; called only where the processor has both.

#include "mutations/piece.h"
#include "simd/avx2.h"

namespace cisreg::mutations {

const Kernels kAvx2Kernels = {
    "avx2",
    BuildTables<simd::Avx2Floats>,
    ScratchFloats,
    MutatePiece<simd::Avx2Floats>,
};

}  // namespace cisreg::mutations
