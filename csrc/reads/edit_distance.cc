#include "reads/edit_distance.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace cisreg::reads {
namespace {

// Below any number of letters, also after a step or two.
constexpr int32_t kNever = -4;

// How many letters are equal from here on. The first that differ in a word are those of its lowest
// bytes, which come first in memory on little-endian machines: all that this library is built for.
int32_t EqualLetters(const uint8_t* a, const uint8_t* b, int32_t most) {
  int32_t i = 0;
  for (; i + 8 <= most; i += 8) {
    uint64_t left, right;
    std::memcpy(&left, a + i, 8);
    std::memcpy(&right, b + i, 8);
    if (left != right) return i + __builtin_ctzll(left ^ right) / 8;
  }
  while (i < most && a[i] == b[i]) ++i;
  return i;
}

// On each diagonal (position in `to` minus position in `from`), how much of `from` is done at most
// with some number of edits. A margin on both sides is never reached.
class Diagonals {
 public:
  Diagonals() { reach_.fill(kNever); }
  int32_t& operator[](int diagonal) { return reach_[diagonal + kMostDifferences + 1]; }

 private:
  std::array<int32_t, 2 * kMostDifferences + 3> reach_;
};

}  // namespace

int BoundedEditDistance(Text from, Text to, int limit) {
  const int last = to.length - from.length;  // the diagonal on which both end
  if (std::abs(last) > limit) return limit + 1;
  const auto extend = [&](int diagonal, int32_t done) {
    const int32_t most = std::min(from.length - done, to.length - done - diagonal);
    return done + EqualLetters(from.letters + done, to.letters + done + diagonal, most);
  };
  Diagonals first, second;
  Diagonals *before = &second, *now = &first;
  (*now)[0] = extend(0, 0);
  if (last == 0 && (*now)[0] == from.length) return 0;
  for (int edits = 1; edits <= limit; ++edits) {
    std::swap(before, now);
    // Diagonals further off cannot come back to the last one with the edits that are left. What an
    // earlier step left there is not read: neighbours of this range lie in the one before.
    const int left = limit - edits;
    const int begin = std::max({-edits, last - left, -from.length});
    const int end = std::min({edits, last + left, to.length});
    for (int diagonal = begin; diagonal <= end; ++diagonal) {
      const int32_t substituted = (*before)[diagonal] + 1, deleted = (*before)[diagonal + 1] + 1;
      const int32_t inserted = (*before)[diagonal - 1];
      const int32_t furthest = std::max({substituted, deleted, inserted});
      (*now)[diagonal] = extend(diagonal, std::min({furthest, from.length, to.length - diagonal}));
    }
    if (edits >= std::abs(last) && (*now)[last] == from.length) return edits;
  }
  return limit + 1;
}

}  // namespace cisreg::reads
