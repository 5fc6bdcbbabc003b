// Sizes of what threads write to beside each other.

#ifndef CISREG_CSRC_COMMON_CACHE_LINE_H_
#define CISREG_CSRC_COMMON_CACHE_LINE_H_

#include <cstddef>

namespace cisreg {

// Bytes up to the end of a cache line.
constexpr size_t RoundToLine(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace cisreg

#endif  // CISREG_CSRC_COMMON_CACHE_LINE_H_
