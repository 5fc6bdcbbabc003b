// Edit distance of whole texts, up to a limit.

#ifndef CISREG_CSRC_READS_EDIT_DISTANCE_H_
#define CISREG_CSRC_READS_EDIT_DISTANCE_H_

#include <cstdint>

namespace cisreg::reads {

// The largest allowed limit.
inline constexpr int kMostDifferences = 10;

struct Text {
  const uint8_t* letters;
  int32_t length;
};

// Number of substitutions, insertions and deletions that turn one text into the other; `limit + 1`
// where that is more than `limit`, which is at most kMostDifferences. Letters are compared as they
// are. Takes O(limit^2) steps along diagonals, eight letters at a time: Ukkonen, Information and
// Control 64 (1985), 100-118.
int BoundedEditDistance(Text from, Text to, int limit);

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_EDIT_DISTANCE_H_
