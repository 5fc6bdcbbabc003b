#include "reads/overlap.h"

#include <algorithm>

#include "reads/letters.h"

namespace cisreg::reads {
namespace {

constexpr int kWordBases = 64;

int CountBits(uint64_t bits) { return __builtin_popcountll(bits); }

// Bits from `shift` on of two words that follow each other.
uint64_t Join(uint64_t word, uint64_t next, int shift) {
  return shift == 0 ? word : word >> shift | next << (kWordBases - shift);
}

bool IsBetter(const Overlap& candidate, const Overlap& best) {
  if (best.compared == 0) return true;
  // Fractions with products, which are exact.
  return candidate.equal * best.compared > best.equal * candidate.compared;
}

}  // namespace

void BitRead::Resize(int64_t size) {
  size_ = size;
  words_.assign(size / kWordBases + 2, Word{0, 0, 0});
}

void BitRead::Set(int64_t position, uint64_t code, uint64_t known) {
  Word& word = words_[position / kWordBases];
  const int shift = position % kWordBases;
  word.low |= (code & 1) << shift;
  word.high |= (code >> 1 & 1) << shift;
  word.known |= known << shift;
}

void BitRead::Assign(std::string_view letters) {
  Resize(letters.size());
  for (int64_t i = 0; i < size_; ++i) {
    const uint8_t code = Code(letters[i]);
    Set(i, code, code != kUnknownCode);
  }
}

void BitRead::AssignReverseComplement(std::string_view letters) {
  Resize(letters.size());
  for (int64_t i = 0; i < size_; ++i) {
    const uint8_t code = Code(letters[size_ - 1 - i]);
    Set(i, code ^ 3, code != kUnknownCode);
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
