// Convergent reads of one molecule, merged into its sequence in the strand of read 1.

#ifndef CISREG_CSRC_READS_MERGE_H_
#define CISREG_CSRC_READS_MERGE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "reads/choice.h"
#include "reads/fastq.h"
#include "reads/overlap.h"

namespace cisreg::reads {

struct MergeOptions {
  OverlapSearch search;
  int64_t minimum_length;   // of the merged sequence, bases
  int64_t maximum_unknown;  // unknown bases of the merged sequence
};

enum class Outcome { kMerged, kNoOverlap, kAmbiguous, kTooShort, kTooManyUnknown };

// Merges one pair after the other. A result is valid until the next pair.
class PairMerger {
 public:
  PairMerger(const MergeOptions& options, const Survey& survey)
      : options_(options), chooser_(options.search, survey) {}

  Outcome Merge(const Record& forward, const Record& reverse);

  // Adds the pair to a survey if it has exactly one possible overlap.
  void AddTo(Survey* survey, const Record& forward, const Record& reverse);

  const Overlap& overlap() const { return overlap_; }
  // Letters A C G T N. Where only one read has a known base, it is that; where they differ, that of
  // the higher quality, and of the same that of read 2. The quality is the higher one where they
  // agree or neither knows, else that of the base which is taken.
  std::string_view sequence() const { return sequence_; }
  std::string_view quality() const { return quality_; }

 private:
  // Reads a pair and finds its possible overlaps.
  void Load(const Record& forward, const Record& reverse);
  void Join(std::string_view forward_quality);

  MergeOptions options_;
  OverlapChooser chooser_;
  // Both reads in the strand of read 1.
  std::string forward_bases_, reverse_bases_, reverse_quality_;
  ReadPair pair_;
  std::vector<Overlap> possible_;
  Overlap overlap_ = {0, 0, 0};
  std::string sequence_, quality_;
};

// What is written of a merged pair, one line each but for FASTA (2) and FASTQ (4).
enum class Format { kSequences, kTable, kFasta, kFastq };

struct MergeCounts {
  int64_t pairs;
  int64_t merged;
  int64_t no_overlap;
  int64_t too_short;
  int64_t too_many_unknown;
  int64_t ambiguous;
  int64_t read_through;     // merged pairs with a read that runs into the adapter
  int64_t compared_bases;   // in the overlaps of the merged
  int64_t different_bases;  // among these
};

// The first faulty record of a batch, counted from 0, and its file. The work stops there.
struct BatchFault {
  Fault fault;
  int file;
  int64_t record;
};

// Merges all pairs of two FASTQ texts with as many records each; appends those that merge to
// `output`, in their order.
BatchFault MergeBatch(std::string_view forward, std::string_view reverse,
                      const MergeOptions& options, const Survey& survey, Format format,
                      std::string* output, MergeCounts* counts);

// Surveys the pairs of such texts, up to the first faulty record.
Survey SurveyBatch(std::string_view forward, std::string_view reverse, const MergeOptions& options);

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_MERGE_H_
