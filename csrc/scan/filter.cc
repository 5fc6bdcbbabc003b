#include "scan/filter.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace cisreg::scan {
namespace {

#if defined(CISREG_HAVE_X86_KERNELS)
bool HasAvx2() { return __builtin_cpu_supports("avx2"); }

// Look-ups in tables of 64 bytes need VBMI, which not every processor with AVX-512 has.
bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vbmi");
}
#endif

const FilterKernels& ChooseFilter() {
  if (const char* wanted = std::getenv("CISREG_INSTRUCTION_SET")) {
    if (const FilterKernels* kernels = FindFilter(wanted)) return *kernels;
    std::fprintf(stderr,
                 "cisreg: CISREG_INSTRUCTION_SET=%s is not among what this processor and this "
                 "build have for motif scanning; the best of these is used\n",
                 wanted);
  }
  for (const char* name : {"avx512", "avx2", "neon"}) {
    if (const FilterKernels* kernels = FindFilter(name)) return *kernels;
  }
  return kPortableFilter;
}

}  // namespace

const FilterKernels* FindFilter(const char* name) {
  if (std::strcmp(name, "portable") == 0) return &kPortableFilter;
#if defined(CISREG_HAVE_X86_KERNELS)
  if (std::strcmp(name, "avx2") == 0 && HasAvx2()) return &kAvx2Filter;
  if (std::strcmp(name, "avx512") == 0 && HasAvx512()) return &kAvx512Filter;
#endif
#if defined(CISREG_HAVE_ARM_KERNELS)
  if (std::strcmp(name, "neon") == 0) return &kNeonFilter;
#endif
  return nullptr;
}

const FilterKernels& SelectFilter() {
  static const FilterKernels& chosen = ChooseFilter();
  return chosen;
}

}  // namespace cisreg::scan
