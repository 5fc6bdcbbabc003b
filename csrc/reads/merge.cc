#include "reads/merge.h"

#include <algorithm>
#include <initializer_list>

#include "reads/letters.h"

namespace cisreg::reads {
namespace {

// Positions that both reads cover.
struct Shared {
  const char* forward;
  const char* forward_quality;
  const char* reverse;
  const char* reverse_quality;
  int64_t size;
};

// Without branches: they would depend on the qualities and be predicted badly.
void MakeConsensus(const Shared& shared, char* sequence, char* quality) {
  for (int64_t i = 0; i < shared.size; ++i) {
    const uint8_t a = shared.forward[i], b = shared.reverse[i];
    const uint8_t quality_a = shared.forward_quality[i], quality_b = shared.reverse_quality[i];
    const bool only_a = (a != kUnknownLetter) & (b == kUnknownLetter);
    const bool only_b = (a == kUnknownLetter) & (b != kUnknownLetter);
    const bool takes_a = only_a | (!only_b & (quality_a > quality_b));
    sequence[i] = takes_a ? a : b;
    quality[i] = takes_a ? quality_a : quality_b;
  }
}

void Append(std::initializer_list<std::string_view> parts, std::string* output) {
  for (const std::string_view part : parts) output->append(part);
}

// A field of a table. A field that contains quotes is quoted (RFC 4180).
std::string Quoted(std::string_view text) {
  if (text.find('"') == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char letter : text) quoted.append(letter == '"' ? 2 : 1, letter);
  return quoted + "\"";
}

void Write(Format format, std::string_view name, const PairMerger& merged, std::string* output) {
  switch (format) {
    case Format::kSequences:
      return Append({merged.sequence(), "\n"}, output);
    case Format::kTable:
      return Append({Quoted(name), "\t", merged.sequence(), "\t",
                     std::to_string(merged.overlap().size), "\n"},
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
  counts->ambiguous += outcome == Outcome::kAmbiguous;
  if (outcome != Outcome::kMerged) return;
  ++counts->merged;
  counts->read_through += static_cast<int64_t>(merged.sequence().size()) < longer_read;
  counts->compared_bases += merged.overlap().compared;
  counts->different_bases += merged.overlap().compared - merged.overlap().equal;
}

// The next pair of two texts; false at their end and at a fault.
bool TakePair(std::string_view* forward, std::string_view* reverse, Record* first, Record* second,
              BatchFault* fault) {
  if (forward->empty()) return false;
  if ((fault->fault = TakeRecord(forward, first)) != Fault::kNone) {
    fault->file = 0;
  } else if ((fault->fault = TakeRecord(reverse, second)) != Fault::kNone) {
    fault->file = 1;
  } else if (!AreMates(first->name, second->name)) {
    fault->fault = Fault::kMates;
    fault->file = 1;
  }
  return fault->fault == Fault::kNone;
}

}  // namespace

void PairMerger::Load(const Record& forward, const Record& reverse) {
  Normalize(forward.sequence, &forward_bases_);
  ReverseComplement(reverse.sequence, &reverse_bases_);
  pair_.forward.Assign(forward_bases_);
  pair_.reverse.Assign(reverse_bases_);
  FindOverlaps(pair_.forward, pair_.reverse, options_.search, &possible_);
  if (possible_.empty()) return;
  reverse_quality_.assign(reverse.quality.rbegin(), reverse.quality.rend());
  pair_.forward_bases = forward_bases_;
  pair_.reverse_bases = reverse_bases_;
  pair_.forward_quality = forward.quality;
  pair_.reverse_quality = reverse_quality_;
}

Outcome PairMerger::Merge(const Record& forward, const Record& reverse) {
  Load(forward, reverse);
  if (possible_.empty()) return Outcome::kNoOverlap;
  const Overlap* right = chooser_.Choose(possible_, pair_);
  if (right == nullptr) return Outcome::kAmbiguous;
  overlap_ = *right;
  Join(forward.quality);
  if (static_cast<int64_t>(sequence_.size()) < options_.minimum_length) return Outcome::kTooShort;
  const int64_t unknown = std::count(sequence_.begin(), sequence_.end(), kUnknownLetter);
  return unknown > options_.maximum_unknown ? Outcome::kTooManyUnknown : Outcome::kMerged;
}

void PairMerger::AddTo(Survey* survey, const Record& forward, const Record& reverse) {
  Load(forward, reverse);
  if (possible_.size() == 1) survey->Add(options_.search, pair_, possible_.front());
}

void PairMerger::Join(std::string_view forward_quality) {
  const int64_t forward_size = forward_bases_.size(), reverse_size = reverse_bases_.size();
  const int64_t start = forward_size - overlap_.size, length = start + reverse_size;
  // Read 1 alone as far as `first`, both as far as `end`, read 2 alone from there on.
  const int64_t first = std::max<int64_t>(start, 0), end = std::min(forward_size, length);
  sequence_.assign(forward_bases_, 0, first);
  quality_.assign(forward_quality, 0, first);
  sequence_.resize(length);
  quality_.resize(length);
  MakeConsensus({forward_bases_.data() + first, forward_quality.data() + first,
                 reverse_bases_.data() + (first - start), reverse_quality_.data() + (first - start),
                 end - first},
                sequence_.data() + first, quality_.data() + first);
  std::copy(reverse_bases_.begin() + (end - start), reverse_bases_.end(), sequence_.begin() + end);
  std::copy(reverse_quality_.begin() + (end - start), reverse_quality_.end(),
            quality_.begin() + end);
}

BatchFault MergeBatch(std::string_view forward, std::string_view reverse,
                      const MergeOptions& options, const Survey& survey, Format format,
                      std::string* output, MergeCounts* counts) {
  PairMerger merger(options, survey);
  BatchFault fault = {Fault::kNone, 0, 0};
  Record first, second;
  for (; TakePair(&forward, &reverse, &first, &second, &fault); ++fault.record) {
    const Outcome outcome = merger.Merge(first, second);
    if (outcome == Outcome::kMerged) Write(format, Identifier(first.name), merger, output);
    Count(outcome, merger, std::max(first.sequence.size(), second.sequence.size()), counts);
  }
  return fault;
}

Survey SurveyBatch(std::string_view forward, std::string_view reverse,
                   const MergeOptions& options) {
  Survey survey(options.search);
  PairMerger merger(options, survey);
  BatchFault fault = {Fault::kNone, 0, 0};
  Record first, second;
  while (survey.pairs < kSurveyPairs && TakePair(&forward, &reverse, &first, &second, &fault)) {
    merger.AddTo(&survey, first, second);
  }
  return survey;
}

}  // namespace cisreg::reads
