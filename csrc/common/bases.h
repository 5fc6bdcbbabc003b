// Base codes and strands, the same in all of csrc.

#ifndef CISREG_CSRC_COMMON_BASES_H_
#define CISREG_CSRC_COMMON_BASES_H_

namespace cisreg {

inline constexpr int kStrands = 2;
inline constexpr int kBases = 4;
// Base codes: 0 A, 1 C, 2 G, 3 T, and kUnknownBase for anything else and for padding.
inline constexpr int kUnknownBase = 4;
inline constexpr int kBaseCodes = 5;

}  // namespace cisreg

#endif  // CISREG_CSRC_COMMON_BASES_H_
