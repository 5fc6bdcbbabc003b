#include "pairs/kernels.h"

#include <cstring>

namespace cisreg::pairs {

const Kernels& KernelsOf(const OccupancyKernels& occupancy) {
#if defined(CISREG_HAVE_X86_KERNELS)
  if (std::strcmp(occupancy.name, "avx2") == 0) return kAvx2Kernels;
  if (std::strcmp(occupancy.name, "avx512") == 0) return kAvx512Kernels;
#endif
#if defined(CISREG_HAVE_ARM_KERNELS)
  if (std::strcmp(occupancy.name, "neon") == 0) return kNeonKernels;
#endif
  return kPortableKernels;
}

}  // namespace cisreg::pairs
