// Compiled for AVX-512 (F, DQ, BW, VL); called only where the processor has all of them.

#include "mutations/piece.h"
#include "simd/avx512.h"

namespace cisreg::mutations {

const Kernels kAvx512Kernels = {
    "avx512",
    BuildTables<simd::Avx512Floats>,
    ScratchFloats,
    MutatePiece<simd::Avx512Floats>,
};

}  // namespace cisreg::mutations
