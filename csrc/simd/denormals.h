// While an object of this class exists, denormal numbers count as zero. Products of many odds reach
// them, and computing with them is about a hundred times slower.

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
// On other processors denormals are computed as usual.
class FlushDenormals {
 public:
  FlushDenormals() {}
};
#endif

}  // namespace
}  // namespace cisreg::simd

#endif  // CISREG_CSRC_SIMD_DENORMALS_H_
