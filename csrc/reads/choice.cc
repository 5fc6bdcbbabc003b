#include "reads/choice.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cisreg::reads {
namespace {

// A base with this error probability is random, and so carries no information.
constexpr double kMostError = 0.75;
constexpr int kFirstQuality = '!';

// Error probabilities by letter of the quality (Phred: the letter minus 33), each with `extra`.
std::array<double, 256> ErrorProbabilities(double extra) {
  std::array<double, 256> error;
  for (int letter = 0; letter < 256; ++letter) {
    const double quality = std::max(letter - kFirstQuality, 0);
    error[letter] = std::min(std::pow(10, quality / -10) + extra, kMostError);
  }
  return error;
}

// The probability that two readings of one base differ.
double DifferenceProbability(double a, double b) { return a + b - 4 * a * b / 3; }

}  // namespace

void Survey::Add(const OverlapSearch& search, const ReadPair& pair, const Overlap& overlap) {
  static const std::array<double, 256> kError = ErrorProbabilities(0);
  ++pairs;
  ++pairs_by_overlap[overlap.size - (search.expected - search.slack)];
  compared += overlap.compared;
  different += overlap.compared - overlap.equal;
  // Unknown bases are counted as compared here; they are few.
  const int64_t start = pair.forward.size() - overlap.size;
  const int64_t end = std::min(pair.forward.size(), start + pair.reverse.size());
  for (int64_t i = std::max<int64_t>(start, 0); i < end; ++i) {
    const uint8_t a = pair.forward_quality[i], b = pair.reverse_quality[i - start];
    foretold += DifferenceProbability(kError[a], kError[b]);
  }
}

double Survey::ExtraError() const {
  if (compared == 0) return kLeastExtraError;
  const double extra = (static_cast<double>(different) - foretold) / (2.0 * compared);
  return std::clamp(extra, kLeastExtraError, kMostExtraError);
}

OverlapChooser::OverlapChooser(const OverlapSearch& search, const Survey& survey)
    : shortest_(search.expected - search.slack),
      rarity_(survey.pairs_by_overlap.size()),
      error_(ErrorProbabilities(survey.ExtraError())) {
  // One pair of the expected overlap is added. So without a survey the expected overlap is
  // preferred.
  std::vector<int64_t> seen = survey.pairs_by_overlap;
  ++seen[search.slack];
  const double pairs = static_cast<double>(survey.pairs + 1);
  const double count = static_cast<double>(seen.size());
  const double most = static_cast<double>(*std::max_element(seen.begin(), seen.end()));
  const double even = kEvenPairs * (1 - most / pairs) / count;
  for (size_t i = 0; i < seen.size(); ++i) {
    const double share = (static_cast<double>(seen[i]) + even) / (pairs + even * count);
    rarity_[i] = -std::log(std::max(share, kUnseenShare / count));
  }
}

const Overlap* OverlapChooser::Choose(const std::vector<Overlap>& possible,
                                      const ReadPair& pair) const {
  if (possible.size() == 1) return &possible.front();
  std::vector<Candidate> candidates;
  candidates.reserve(possible.size());
  for (const Overlap& overlap : possible) candidates.push_back(Weigh(pair, overlap.size));
  for (size_t i = 0; i < possible.size(); ++i) {
    if (IsSure(pair, candidates, i)) return &possible[i];
  }
  return nullptr;
}

OverlapChooser::Candidate OverlapChooser::Weigh(const ReadPair& pair, int64_t size) const {
  Candidate candidate = {size, rarity_[size - shortest_], {}};
  ForEachDifference(pair.forward, pair.reverse, size, [&](int64_t i, int64_t j) {
    const uint8_t a = pair.forward_quality[i], b = pair.reverse_quality[j];
    const double different = DifferenceProbability(error_[a], error_[b]);
    const double evidence = std::log((1 - different) / (different / 3));
    candidate.cost += evidence;
    candidate.differences.push_back({i, j, evidence});
  });
  return candidate;
}

// The evidence of those differences of an overlap that do not count when it is compared with
// another one.
double OverlapChooser::FreeEvidence(const ReadPair& pair, const Candidate& candidate,
                                    int64_t other_size) {
  const int64_t start = pair.forward.size() - other_size;
  // The base that the other overlap compares with this one, if there is any.
  const auto is_covered = [](int64_t at, int64_t size) { return 0 <= at && at < size; };
  std::array<double, kFreeErrors> most = {};  // falling
  for (const Difference& difference : candidate.differences) {
    const int64_t opposite_i = difference.i - start, opposite_j = difference.j + start;
    const bool has_i = is_covered(opposite_i, pair.reverse.size());
    const bool has_j = is_covered(opposite_j, pair.forward.size());
    if (has_i && has_j) continue;
    // A base that differs in both overlaps is evidence against both.
    if (has_i && pair.forward_bases[difference.i] != pair.reverse_bases[opposite_i]) continue;
    if (has_j && pair.reverse_bases[difference.j] != pair.forward_bases[opposite_j]) continue;
    double evidence = difference.evidence;
    for (double& kept : most) {
      if (evidence > kept) std::swap(evidence, kept);
    }
  }
  double sum = 0;
  for (const double evidence : most) sum += evidence;
  return sum;
}

bool OverlapChooser::IsSure(const ReadPair& pair, const std::vector<Candidate>& all, size_t which) {
  const Candidate& chosen = all[which];
  double odds = 0;  // of all others together
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == which) continue;
    const double own = chosen.cost - FreeEvidence(pair, chosen, all[i].size);
    const double other = all[i].cost - FreeEvidence(pair, all[i], chosen.size);
    odds += std::exp(own - other);
    if (kSureProbability * (1 + odds) > 1) return false;
  }
  return true;
}

}  // namespace cisreg::reads
