// Which of several possible overlaps of two reads is the right one.
//
// Reads of repeats (tandem sites, CA repeats, poly-T) can lie on each other in several ways. The
// evidence of a difference against an overlap is its log likelihood ratio,
//
//   log( P(same base) / P(this other base) ) = log( (1 - d) / (d / 3) ),   d = a + b - 4 a b / 3,
//
// with a and b the error probabilities of the two bases (Edgar & Flyvbjerg 2015, Bioinformatics
// 31:3476). Bases that agree are no evidence, for in a repeat they agree in wrong overlaps too. Nor
// is a difference that one of two overlaps has because the other one does not compare that base: an
// error there is as likely in both. `kFreeErrors` of them are left out where two overlaps are
// compared; more of them say that the repeat ends.
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
// Pairs that a survey takes.
inline constexpr int64_t kSurveyPairs = 4096;
// Pairs that are added to a survey: as large a share of them as differs in overlap from the most is
// spread evenly, since a survey of few pairs does not have every overlap that there is.
inline constexpr double kEvenPairs = 100;
// Least share of all overlaps together that no pair of the survey has.
inline constexpr double kUnseenShare = 2e-4;
// Errors per base beyond what qualities say.
inline constexpr double kLeastExtraError = 1e-3, kMostExtraError = 0.1;

// Differences that one of two overlaps may have without being the less probable.
inline constexpr int kFreeErrors = 2;

// Both reads in the strand of read 1.
struct ReadPair {
  BitRead forward, reverse;
  std::string_view forward_bases, reverse_bases;  // the same in the letters A C G T N
  std::string_view forward_quality, reverse_quality;
};

// What the first pairs of a run say of all: how common each overlap is, and how many errors there
// are. Pairs with one possible overlap count alone.
struct Survey {
  explicit Survey(const OverlapSearch& search) : pairs_by_overlap(2 * search.slack + 1) {}

  std::vector<int64_t> pairs_by_overlap;  // from the expected overlap less the slack on
  int64_t pairs = 0;
  int64_t compared = 0;   // bases in their overlaps
  int64_t different = 0;  // of these
  double foretold = 0;    // differences that the qualities let expect

  void Add(const OverlapSearch& search, const ReadPair& pair, const Overlap& overlap);

  // Errors per base that the qualities do not tell of.
  double ExtraError() const;
};

class OverlapChooser {
 public:
  OverlapChooser(const OverlapSearch& search, const Survey& survey);

  // The right one of one or more possible overlaps; null where that is not sure.
  const Overlap* Choose(const std::vector<Overlap>& possible, const ReadPair& pair) const;

 private:
  // A base of read 1 and one of read 2 that an overlap compares and that differ.
  struct Difference {
    int64_t i, j;
    double evidence;
  };
  struct Candidate {
    int64_t size;
    double cost;  // evidence of all differences, and rarity
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
