// Sizes of what threads write to beside each other.

#ifndef CISREG_CSRC_COMMON_CACHE_LINE_H_
#define CISREG_CSRC_COMMON_CACHE_LINE_H_

#include <cstddef>

namespace cisreg {

inline constexpr size_t kCacheLine = 64;  // bytes

// Bytes up to the end of a cache line.
constexpr size_t RoundToLine(size_t bytes) {
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

}  // namespace cisreg

#endif  // CISREG_CSRC_COMMON_CACHE_LINE_H_
