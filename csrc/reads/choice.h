// Which of several possible overlaps of two reads is the right one.
//
// Reads of repeats (tandem sites, CA repeats, poly-T) can lie on each other in several ways. The
// evidence of a difference against an overlap is its log likelihood ratio,
//
//   log( P(same base) / P(this other base) ) = log( (1 - d) / (d / 3) ),   d = a + b - 4 a b / 3,
//
// with a and b the error probabilities of the two bases (Edgar & Flyvbjerg 2015, Bioinformatics
// 31:3476). Bases that agree are no evidence, for in a repeat they agree in wrong overlaps too. A
// difference at a base that the other overlap does not compare is no evidence either: an error
// there is equally likely in both. When two overlaps are compared, up to `kFreeErrors` such
// differences are left out; more of them mean that the repeat ends there.
//
// The log odds of overlap s over overlap t are log p(s) - log p(t) + E(t) - E(s), where E sums the
// evidence and p is the share of molecules with that overlap. The odds of all others together must
// not be above (1 - kSureProbability) / kSureProbability; else the pair is ambiguous.

#ifndef CISREG_CSRC_READS_CHOICE_H_
#define CISREG_CSRC_READS_CHOICE_H_

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "reads/overlap.h"

namespace cisreg::reads {

inline constexpr double kSureProbability = 0.999;
// Number of pairs in a survey.
inline constexpr int64_t kSurveyPairs = 4096;
// Pseudocount: this many pairs, times the share of pairs that do not have the most common overlap,
// are spread evenly over all overlaps. A small survey does not contain every overlap that occurs.
inline constexpr double kEvenPairs = 100;
// Smallest share given to all overlaps together that no pair of the survey has.
inline constexpr double kUnseenShare = 2e-4;
// Limits of the error rate per base that qualities do not predict.
inline constexpr double kLeastExtraError = 1e-3, kMostExtraError = 0.1;

// Differences at bases that the other overlap does not compare, of which this many are left out.
inline constexpr int kFreeErrors = 2;

// Both reads in the strand of read 1.
struct ReadPair {
  BitRead forward, reverse;
  std::string_view forward_bases, reverse_bases;  // the same in the letters A C G T N
  std::string_view forward_quality, reverse_quality;
};

// Statistics of the first pairs of a run, used for all of them: how common each overlap is, and the
// error rate. Only pairs with exactly one possible overlap are counted.
struct Survey {
  explicit Survey(const OverlapSearch& search) : pairs_by_overlap(2 * search.slack + 1) {}

  std::vector<int64_t> pairs_by_overlap;  // starts at the expected overlap minus the slack
  int64_t pairs = 0;
  int64_t compared = 0;   // bases in their overlaps
  int64_t different = 0;  // of these
  double foretold = 0;    // expected differences according to the qualities

  void Add(const OverlapSearch& search, const ReadPair& pair, const Overlap& overlap);

  // Errors per base that the qualities do not predict.
  double ExtraError() const;
};

class OverlapChooser {
 public:
  OverlapChooser(const OverlapSearch& search, const Survey& survey);

  // Returns the right one of the possible overlaps (at least one), or null if the pair is
  // ambiguous.
  const Overlap* Choose(const std::vector<Overlap>& possible, const ReadPair& pair) const;

 private:
  // A base of read 1 and one of read 2 that an overlap compares and that differ.
  struct Difference {
    int64_t i, j;
    double evidence;
  };
  struct Candidate {
    int64_t size;
    double cost;  // evidence of all differences, plus -log p
    std::vector<Difference> differences;
  };

  Candidate Weigh(const ReadPair& pair, int64_t size) const;
  static double FreeEvidence(const ReadPair& pair, const Candidate& candidate, int64_t other_size);
  static bool IsSure(const ReadPair& pair, const std::vector<Candidate>& all, size_t which);

  int64_t shortest_;               // overlap
  std::vector<double> rarity_;     // -log p of the shortest overlap and those that follow
  std::array<double, 256> error_;  // probability by letter of the quality
};

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_CHOICE_H_
