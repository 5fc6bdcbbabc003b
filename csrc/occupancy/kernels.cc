#include "occupancy/kernels.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cisreg {
namespace {

#if defined(CISREG_HAVE_X86_KERNELS)
bool HasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

const OccupancyKernels& ChooseKernels() {
  if (const char* wanted = std::getenv("CISREG_INSTRUCTION_SET")) {
    if (const OccupancyKernels* kernels = FindKernels(wanted)) return *kernels;
    std::fprintf(stderr,
                 "cisreg: CISREG_INSTRUCTION_SET=%s is not among what this processor and "
                 "this build have; the best of these is used\n",
                 wanted);
  }
  for (const char* name : {"avx512", "avx2", "neon"}) {
    if (const OccupancyKernels* kernels = FindKernels(name)) return *kernels;
  }
  return kPortableKernels;
}

}  // namespace

const OccupancyKernels* FindKernels(const char* name) {
  if (std::strcmp(name, "portable") == 0) return &kPortableKernels;
#if defined(CISREG_HAVE_X86_KERNELS)
  if (std::strcmp(name, "avx2") == 0 && HasAvx2()) return &kAvx2Kernels;
  if (std::strcmp(name, "avx512") == 0 && HasAvx512()) return &kAvx512Kernels;
#endif
#if defined(CISREG_HAVE_ARM_KERNELS)
  if (std::strcmp(name, "neon") == 0) return &kNeonKernels;
#endif
  return nullptr;
}

const OccupancyKernels& SelectKernels() {
  static const OccupancyKernels& chosen = ChooseKernels();
  return chosen;
}

}  // namespace cisreg
