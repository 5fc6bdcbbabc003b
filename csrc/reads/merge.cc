#include "reads/merge.h"

#include <algorithm>

#include "reads/letters.h"

namespace cisreg::reads {
namespace {

struct Base {
  char letter;
  char quality;
};

// The bases of a read in the strand of read 1.
struct ForwardBases {
  const Record& record;
  Base operator[](int64_t i) const { return {Capital(record.sequence[i]), record.quality[i]}; }
};

struct ReverseBases {
  const Record& record;
  Base operator[](int64_t i) const {
    const int64_t mirrored = record.sequence.size() - 1 - i;
    return {Complement(record.sequence[mirrored]), record.quality[mirrored]};
  }
};

Base Consensus(Base forward, Base reverse) {
  const auto quality = [](Base base) { return static_cast<uint8_t>(base.quality); };
  const Base surer = quality(forward) > quality(reverse) ? forward : reverse;
  if (forward.letter == reverse.letter) return surer;
  if (forward.letter == kUnknownLetter) return reverse;
  if (reverse.letter == kUnknownLetter) return forward;
  return surer;
}

void Append(std::initializer_list<std::string_view> parts, std::string* output) {
  for (const std::string_view part : parts) output->append(part);
}

void Write(Format format, std::string_view name, const PairMerger& merged, std::string* output) {
  switch (format) {
    case Format::kSequences:
      return Append({merged.sequence(), "\n"}, output);
    case Format::kTable:
      return Append(
          {name, "\t", merged.sequence(), "\t", std::to_string(merged.overlap().size), "\n"},
          output);
    case Format::kFasta:
      return Append({">", name, "\n", merged.sequence(), "\n"}, output);
    case Format::kFastq:
      return Append({"@", name, "\n", merged.sequence(), "\n+\n", merged.quality(), "\n"}, output);
  }
}

void Count(Outcome outcome, const PairMerger& merged, int64_t longer_read, MergeCounts* counts) {
  ++counts->pairs;
  counts->no_overlap += outcome == Outcome::kNoOverlap;
  counts->too_short += outcome == Outcome::kTooShort;
  counts->too_many_unknown += outcome == Outcome::kTooManyUnknown;
  if (outcome != Outcome::kMerged) return;
  ++counts->merged;
  counts->read_through += static_cast<int64_t>(merged.sequence().size()) < longer_read;
  counts->compared_bases += merged.overlap().compared;
  counts->different_bases += merged.overlap().compared - merged.overlap().equal;
}

}  // namespace

Outcome PairMerger::Merge(const Record& forward, const Record& reverse) {
  forward_.Assign(forward.sequence);
  reverse_.AssignReverseComplement(reverse.sequence);
  overlap_ = BestOverlap(forward_, reverse_, options_.search);
  if (overlap_.compared == 0) return Outcome::kNoOverlap;
  MakeConsensus(forward, reverse);
  if (static_cast<int64_t>(sequence_.size()) < options_.minimum_length) return Outcome::kTooShort;
  const int64_t unknown = std::count(sequence_.begin(), sequence_.end(), kUnknownLetter);
  return unknown > options_.maximum_unknown ? Outcome::kTooManyUnknown : Outcome::kMerged;
}

void PairMerger::MakeConsensus(const Record& forward, const Record& reverse) {
  const int64_t start = forward_.size() - overlap_.size;
  const int64_t length = start + reverse_.size();
  const int64_t shared = std::clamp<int64_t>(start, 0, length);
  const int64_t shared_end = std::min(forward_.size(), length);
  const ForwardBases forward_bases = {forward};
  const ReverseBases reverse_bases = {reverse};
  sequence_.resize(length);
  quality_.resize(length);
  const auto set = [this](int64_t i, Base base) {
    sequence_[i] = base.letter;
    quality_[i] = base.quality;
  };
  for (int64_t i = 0; i < shared; ++i) set(i, forward_bases[i]);
  for (int64_t i = shared; i < shared_end; ++i) {
    set(i, Consensus(forward_bases[i], reverse_bases[i - start]));
  }
  for (int64_t i = shared_end; i < length; ++i) set(i, reverse_bases[i - start]);
}

BatchFault MergeBatch(std::string_view forward, std::string_view reverse,
                      const MergeOptions& options, Format format, std::string* output,
                      MergeCounts* counts) {
  PairMerger merger(options);
  for (int64_t i = 0; !forward.empty(); ++i) {
    Record first, second;
    Fault fault = TakeRecord(&forward, &first);
    if (fault != Fault::kNone) return {fault, 0, i};
    fault = TakeRecord(&reverse, &second);
    if (fault != Fault::kNone) return {fault, 1, i};
    if (!AreMates(first.name, second.name)) return {Fault::kMates, 1, i};
    const Outcome outcome = merger.Merge(first, second);
    if (outcome == Outcome::kMerged) Write(format, Identifier(first.name), merger, output);
    Count(outcome, merger, std::max(first.sequence.size(), second.sequence.size()), counts);
  }
  return {Fault::kNone, 0, 0};
}

}  // namespace cisreg::reads
