#include "reads/segments.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace cisreg::reads {
namespace {

// Sequences of each length that are sampled to choose the cuts.
constexpr int64_t kSample = 4096;
// Smallest entropy that a column counts as, in bits, so that constant columns are divided among
// segments too.
constexpr double kLeastBits = 0.02;
// Bits 1 and 2 tell A, C, G and T apart. Other letters count as one of these.
constexpr int kLetterKinds = 4;

int LetterKind(uint8_t letter) { return letter >> 1 & (kLetterKinds - 1); }

// Counts of letters in each column of the sequences of one length.
struct Columns {
  int64_t sequences = 0;
  int64_t seen = 0;
  int64_t sampled = 0;
  std::vector<std::array<int32_t, kLetterKinds>> counts;

  // Sequences at equal distances, so that the sample covers all of them.
  bool Samples() { return seen++ % std::max<int64_t>(1, sequences / kSample) == 0; }

  void Add(Text text) {
    ++sampled;
    counts.resize(text.length);
    for (int32_t i = 0; i < text.length; ++i) ++counts[i][LetterKind(text.letters[i])];
  }

  // Bits: minus the logarithm of the probability that two sequences have the same letter.
  double Entropy(int32_t column) const {
    double same = 0;
    for (const int32_t count : counts[column]) {
      const double share = static_cast<double>(count) / sampled;
      same += share * share;
    }
    return std::max(-std::log2(same), kLeastBits);
  }
};

void AppendCuts(const Columns& columns, int segments, std::vector<int32_t>* cuts) {
  const int32_t length = static_cast<int32_t>(columns.counts.size());
  std::vector<double> entropy(length);
  double total = 0;
  for (int32_t i = 0; i < length; ++i) total += entropy[i] = columns.Entropy(i);
  cuts->push_back(0);
  double sum = 0;
  int32_t column = 0;
  for (int segment = 1; segment < segments; ++segment) {
    // No segment is empty if there are enough letters, since an empty one is common to all
    // sequences.
    const int32_t least = std::min(cuts->back() + 1, length);
    const int32_t most = std::max(length - (segments - segment), least);
    while (column < length && sum < total * segment / segments) sum += entropy[column++];
    cuts->push_back(std::clamp(column, least, most));
  }
  cuts->push_back(length);
}

}  // namespace

Cuts::Cuts(const SequenceText& text, int64_t count, int segments) {
  std::vector<Columns> of_length;
  for (int64_t i = 0; i < count; ++i) {
    const size_t length = TextAt(text, i).length;
    if (length >= of_length.size()) of_length.resize(length + 1);
    ++of_length[length].sequences;
  }
  for (int64_t i = 0; i < count; ++i) {
    const Text sequence = TextAt(text, i);
    if (of_length[sequence.length].Samples()) of_length[sequence.length].Add(sequence);
  }
  row_of_.assign(of_length.size(), -1);
  for (size_t length = 0; length < of_length.size(); ++length) {
    if (of_length[length].sequences == 0) continue;
    row_of_[length] = static_cast<int64_t>(cuts_.size());
    AppendCuts(of_length[length], segments, &cuts_);
  }
}

uint32_t HashLetters(const uint8_t* letters, int32_t count, uint32_t kind) {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio
  uint64_t hash = (static_cast<uint64_t>(kind) << 32 | static_cast<uint32_t>(count)) * kOdd;
  const auto mix = [&hash](uint64_t word) {
    hash = (hash ^ word) * kOdd;
    hash ^= hash >> 29;
  };
  const auto word_at = [letters](int32_t position) {
    uint64_t word;
    std::memcpy(&word, letters + position, 8);
    return word;
  };
  int32_t i = 0;
  for (; i + 8 <= count; i += 8) mix(word_at(i));
  if (count >= 8) {
    // The last word overlaps the one before it.
    if (i < count) mix(word_at(count - 8));
  } else {
    uint64_t word = 0;
    for (; i < count; ++i) word = word << 8 | letters[i];
    mix(word);
  }
  mix(hash >> 32);
  return static_cast<uint32_t>(hash >> 32);
}

}  // namespace cisreg::reads
