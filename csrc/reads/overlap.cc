#include "reads/overlap.h"

#include <algorithm>
#include <cstring>

#include "reads/letters.h"

// Compiled twice: with and without the instruction that counts bits. The loader chooses; nearly
// every x86 processor has the instruction.
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define CISREG_COUNTS_BITS __attribute__((target_clones("popcnt", "default")))
#else
#define CISREG_COUNTS_BITS
#endif

namespace cisreg::reads {
namespace {

inline int CountBits(uint64_t bits) { return __builtin_popcountll(bits); }

// The lowest bits of eight bytes, that of the first byte lowest.
uint64_t GatherBits(uint64_t bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101, kGather = 0x0102040810204080;
  return (bytes & kOnes) * kGather >> 56;
}

uint64_t LoadEight(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value |= static_cast<uint64_t>(bytes[i]) << 8 * i;
  return value;
}

// In ASCII the second and third bits tell A, C, G and T apart.
BitRead::Word Pack(const uint8_t* letters) {
  uint8_t known[kWordBases];
  for (int i = 0; i < kWordBases; ++i) known[i] = letters[i] != kUnknownLetter && letters[i] != 0;
  BitRead::Word word = {0, 0, 0};
  for (int i = 0; i < kWordBases; i += 8) {
    const uint64_t eight = LoadEight(letters + i);
    word.low |= GatherBits(eight >> 1) << i;
    word.high |= GatherBits(eight >> 2) << i;
    word.known |= GatherBits(LoadEight(known + i)) << i;
  }
  return word;
}

}  // namespace

void BitRead::Assign(std::string_view bases) {
  size_ = bases.size();
  has_unknown_ = false;
  words_.assign(size_ / kWordBases + 2, Word{0, 0, 0});
  for (int64_t i = 0; i < size_; i += kWordBases) {
    // Zeros behind the end are no known bases.
    uint8_t letters[kWordBases] = {};
    std::memcpy(letters, bases.data() + i, std::min<int64_t>(kWordBases, size_ - i));
    words_[i / kWordBases] = Pack(letters);
    const uint64_t all = ~uint64_t{0} >> std::max<int64_t>(kWordBases - (size_ - i), 0);
    has_unknown_ |= words_[i / kWordBases].known != all;
  }
}

namespace {

Overlap Compare(const BitRead& forward, const BitRead& reverse, int64_t size) {
  const int64_t start = forward.size() - size;
  const int64_t end = std::min(forward.size(), start + reverse.size());
  Overlap overlap = {size, 0, 0};
  for (int64_t i = std::max<int64_t>(start, 0); i < end; i += kWordBases) {
    const BitRead::Word a = forward.At(i), b = reverse.At(i - start);
    // Bases behind the end of a read are unknown, so the last word needs no mask.
    const uint64_t known = a.known & b.known;
    overlap.compared += CountBits(known);
    overlap.equal += CountBits(known & ~Differences(a, b));
  }
  return overlap;
}

}  // namespace

CISREG_COUNTS_BITS
void FindOverlaps(const BitRead& forward, const BitRead& reverse, const OverlapSearch& search,
                  std::vector<Overlap>* found) {
  found->clear();
  if (forward.size() == 0 || reverse.size() == 0) return;
  // Largest share of different bases, in units of 2^-30, rounded up a little: the exact quotient is
  // checked at the end.
  const int64_t most_different =
      static_cast<int64_t>((1 - search.minimum_identity + 1e-6) * (1 << 30));
  const bool all_known = !forward.has_unknown() && !reverse.has_unknown();
  const int64_t longest =
      std::min(forward.size() + reverse.size() - 1, search.expected + search.slack);
  for (int64_t size = std::max<int64_t>(search.expected - search.slack, 1); size <= longest;
       ++size) {
    const int64_t start = forward.size() - size;
    const int64_t first = std::max<int64_t>(start, 0);
    const int64_t span = std::min(forward.size(), start + reverse.size()) - first;
    const int64_t most = most_different * span >> 30;
    // Quick test: nearly all overlaps are wrong, and one bit of each of 64 bases is enough to see
    // it.
    if (all_known) {
      const uint64_t bits = forward.LowBitsAt(first) ^ reverse.LowBitsAt(first - start);
      if (CountBits(bits << std::max<int64_t>(kWordBases - span, 0)) > most) continue;
    }
    const Overlap overlap = Compare(forward, reverse, size);
    if (overlap.compared < search.minimum_compared) continue;
    const double equal = static_cast<double>(overlap.equal);
    if (equal / static_cast<double>(overlap.compared) < search.minimum_identity) continue;
    found->push_back(overlap);
  }
}

}  // namespace cisreg::reads
