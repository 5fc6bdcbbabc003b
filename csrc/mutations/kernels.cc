#include "mutations/kernels.h"

#include <cstring>

namespace cisreg::mutations {

const Kernels& KernelsOf([[maybe_unused]] const char* name) {
#if defined(CISREG_HAVE_X86_KERNELS)
  if (std::strcmp(name, "avx2") == 0) return kAvx2Kernels;
  if (std::strcmp(name, "avx512") == 0) return kAvx512Kernels;
#endif
#if defined(CISREG_HAVE_ARM_KERNELS)
  if (std::strcmp(name, "neon") == 0) return kNeonKernels;
#endif
  return kPortableKernels;
}

}  // namespace cisreg::mutations
