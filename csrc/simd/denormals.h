// While an object of this class exists, denormal numbers count as zero. Products of many odds reach
// them, and computing with them is about a hundred times slower.

#ifndef CISREG_CSRC_SIMD_DENORMALS_H_
#define CISREG_CSRC_SIMD_DENORMALS_H_

#include <cstdint>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace cisreg::simd {
namespace {

#if defined(__SSE2__)
class FlushDenormals {
 public:
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlushToZero | kAreZero); }
  ~FlushDenormals() { _mm_setcsr(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  static constexpr unsigned kFlushToZero = 0x8000;
  static constexpr unsigned kAreZero = 0x0040;
  const unsigned before_;
};
#elif defined(__aarch64__)
class FlushDenormals {
 public:
  FlushDenormals() : before_(Get()) { Set(before_ | kFlushToZero); }
  ~FlushDenormals() { Set(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  // Of inputs and of results, as the two bits of x86 together.
  static constexpr uint64_t kFlushToZero = uint64_t{1} << 24;
  static uint64_t Get() {
    uint64_t control;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(control));
    return control;
  }
  static void Set(uint64_t control) { __asm__ __volatile__("msr fpcr, %0" : : "r"(control)); }
  const uint64_t before_;
};
#else
// On other processors denormals are computed as usual.
class FlushDenormals {
 public:
  FlushDenormals() {}
};
#endif

}  // namespace
}  // namespace cisreg::simd

#endif  // CISREG_CSRC_SIMD_DENORMALS_H_
