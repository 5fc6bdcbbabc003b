// Denormal numbers count as zero while this lives: products of many odds reach them, and they cost
// a hundred times what others do.

#ifndef CISREG_CSRC_SIMD_DENORMALS_H_
#define CISREG_CSRC_SIMD_DENORMALS_H_

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
#else
// Elsewhere denormals are computed with.
class FlushDenormals {
 public:
  FlushDenormals() {}
};
#endif

}  // namespace
}  // namespace cisreg::simd

#endif  // CISREG_CSRC_SIMD_DENORMALS_H_
