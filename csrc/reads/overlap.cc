#include "reads/overlap.h"

#include <algorithm>
#include <cstring>

#include "reads/letters.h"

namespace cisreg::reads {
namespace {

constexpr int kWordBases = 64;

int CountBits(uint64_t bits) { return __builtin_popcountll(bits); }

// Bits from `shift` on of two words that follow each other.
uint64_t Join(uint64_t word, uint64_t next, int shift) {
  return shift == 0 ? word : word >> shift | next << (kWordBases - shift);
}

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

bool IsBetter(const Overlap& candidate, const Overlap& best) {
  if (best.compared == 0) return true;
  // Fractions with products, which are exact.
  return candidate.equal * best.compared > best.equal * candidate.compared;
}

}  // namespace

void BitRead::Assign(std::string_view bases) {
  size_ = bases.size();
  words_.assign(size_ / kWordBases + 2, Word{0, 0, 0});
  for (int64_t i = 0; i < size_; i += kWordBases) {
    // Zeros behind the end are no known bases.
    uint8_t letters[kWordBases] = {};
    std::memcpy(letters, bases.data() + i, std::min<int64_t>(kWordBases, size_ - i));
    words_[i / kWordBases] = Pack(letters);
  }
}

BitRead::Word BitRead::At(int64_t position) const {
  const Word& word = words_[position / kWordBases];
  const Word& next = words_[position / kWordBases + 1];
  const int shift = position % kWordBases;
  return {Join(word.low, next.low, shift), Join(word.high, next.high, shift),
          Join(word.known, next.known, shift)};
}

Overlap Compare(const BitRead& forward, const BitRead& reverse, int64_t size) {
  const int64_t start = forward.size() - size;
  const int64_t end = std::min(forward.size(), start + reverse.size());
  Overlap overlap = {size, 0, 0};
  for (int64_t i = std::max<int64_t>(start, 0); i < end; i += kWordBases) {
    const BitRead::Word a = forward.At(i), b = reverse.At(i - start);
    // Behind the end of either read nothing is known, so the last word needs no mask.
    const uint64_t known = a.known & b.known;
    overlap.compared += CountBits(known);
    overlap.equal += CountBits(known & ~(a.low ^ b.low) & ~(a.high ^ b.high));
  }
  return overlap;
}

Overlap BestOverlap(const BitRead& forward, const BitRead& reverse, const OverlapSearch& search) {
  Overlap best = {0, 0, 0};
  const int64_t longest = forward.size() + reverse.size() - 1;
  const auto consider = [&](int64_t size) {
    if (size < 1 || size > longest) return;
    const Overlap candidate = Compare(forward, reverse, size);
    if (candidate.compared < search.minimum_compared) return;
    if (IsBetter(candidate, best)) best = candidate;
  };
  // The best first: a later one must be better, and none is better than equal in all bases.
  const int64_t farthest = std::min(search.slack, std::max(search.expected, longest));
  for (int64_t away = 0; away <= farthest; ++away) {
    consider(search.expected + away);
    if (away > 0) consider(search.expected - away);
    if (best.compared > 0 && best.equal == best.compared) break;
  }
  if (best.compared == 0) return best;
  const double identity = static_cast<double>(best.equal) / static_cast<double>(best.compared);
  return identity >= search.minimum_identity ? best : Overlap{0, 0, 0};
}

}  // namespace cisreg::reads
