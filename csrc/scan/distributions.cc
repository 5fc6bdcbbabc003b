#include "scan/distributions.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cisreg::scan {
namespace {

// Step of the scores in nats, and the most scores of a motif: beyond, the step is eight times as
// large. A power of two divides entries exactly: sites of equal log Kd keep equal scores where the
// entries are such multiples.
constexpr double kStep = 1.0 / 1024, kCoarser = 8;
constexpr int64_t kMostScores = 100'000;
// Scores computed at first; doubled while more are needed.
constexpr int64_t kFirstScores = 4096;

using Columns = std::vector<double>;  // [own width, kBases], nats above the strongest base

Columns FindExcess(const Problem& problem, int64_t motif, double* strongest) {
  const int64_t motifs = problem.motif_count;
  Columns excess;
  for (int column = problem.column_range[motif]; column < problem.column_range[motifs + motif];
       ++column) {
    const float* entry = problem.log_kd + static_cast<int64_t>(column) * kBases * motifs + motif;
    double lowest = entry[0];
    for (int base = 1; base < kBases; ++base) {
      lowest = std::min<double>(lowest, entry[base * motifs]);
    }
    *strongest += lowest;
    for (int base = 0; base < kBases; ++base) excess.push_back(entry[base * motifs] - lowest);
  }
  return excess;
}

// Scores above kMostScores are all the same: no sum with them is needed.
std::vector<int32_t> RoundDown(const Columns& excess, double step) {
  std::vector<int32_t> score;
  for (const double each : excess) {
    const double quotient = std::min<double>(each / step, kMostScores + 1);
    score.push_back(static_cast<int32_t>(quotient));
  }
  return score;
}

// The probability of each of the first `most` scores.
std::vector<double> Chances(const std::vector<int32_t>& score, const double* background,
                            int64_t most) {
  std::vector<double> chance(most, 0.0), next(most);
  chance[0] = 1;
  int64_t length = 1;
  for (size_t column = 0; column < score.size(); column += kBases) {
    const int32_t largest = *std::max_element(&score[column], &score[column] + kBases);
    const int64_t longer = std::min(most, length + largest);
    std::fill(next.begin(), next.begin() + longer, 0.0);
    for (int base = 0; base < kBases; ++base) {
      const int64_t shift = score[column + base];
      const double weight = background[base];
      const int64_t count = std::min(length, longer - shift);
      double* to = next.data() + shift;
      for (int64_t i = 0; i < count; ++i) to[i] += weight * chance[i];
    }
    chance.swap(next);
    length = longer;
  }
  chance.resize(length);
  return chance;
}

// The probabilities of a score or a lower one, up to the last one that is at most `p_value`.
std::vector<double> CumulativeUpTo(double p_value, const std::vector<int32_t>& score,
                                   const double* background) {
  for (int64_t most = kFirstScores;; most *= 2) {
    std::vector<double> chance = Chances(score, background, std::min(most, kMostScores));
    double sum = 0;
    for (size_t i = 0; i < chance.size(); ++i) {
      sum += chance[i];
      if (sum > p_value) {
        chance.resize(i);
        return chance;
      }
      chance[i] = sum;
    }
    if (most >= kMostScores || static_cast<int64_t>(chance.size()) < most) return chance;
  }
}

std::vector<double> CumulativeOf(int64_t count, const std::vector<int32_t>& score,
                                 const double* background) {
  std::vector<double> chance = Chances(score, background, count);
  double sum = 0;
  for (double& each : chance) each = std::min(sum += each, 1.0);
  return chance;
}

}  // namespace

void Distributions::Make(const Problem& problem, const double* background, const Wanted& wanted,
                         int64_t index) {
  MotifDistribution& motif = motifs_[index];
  const Columns excess = FindExcess(problem, index, &motif.strongest);
  motif.same_on_both = std::equal(background, background + kBases, background + kBases);
  for (motif.step = kStep;; motif.step *= kCoarser) {
    motif.score = RoundDown(excess, motif.step);
    bool complete = true;
    for (int strand = 0; strand < (motif.same_on_both ? 1 : kStrands); ++strand) {
      std::vector<double>& cumulative = motif.cumulative[strand];
      const double* bases = background + strand * kBases;
      if (wanted.limit == nullptr) {
        cumulative = CumulativeUpTo(wanted.p_value, motif.score, bases);
        complete &= static_cast<int64_t>(cumulative.size()) < kMostScores;
        continue;
      }
      const float limit = std::max(wanted.limit[index], wanted.limit[problem.motif_count + index]);
      double total = 0;
      for (size_t column = 0; column < excess.size(); column += kBases) {
        total += *std::max_element(&excess[column], &excess[column] + kBases);
      }
      const double slack = std::min<double>(limit - motif.strongest, total);
      // One more for what rounding does to a sum of float32 numbers.
      const double count = slack < -1 ? 0 : std::floor(std::max(slack, 0.0) / motif.step) + 2;
      complete &= count < kMostScores;
      if (count < kMostScores && count > 0) {
        cumulative = CumulativeOf(static_cast<int64_t>(count), motif.score, bases);
      }
    }
    if (complete) return;
  }
}

Distributions::Distributions(const Problem& problem, const double* background, const Wanted& wanted,
                             int threads)
    : by_p_value_(wanted.limit == nullptr), motifs_(problem.motif_count) {
  const Interrupted never = [] { return false; };
  ShareOut(motif_count(), threads, never, [&](const NextItem& next) {
    for (int64_t i = next(); i >= 0; i = next()) Make(problem, background, wanted, i);
  });
}

double Distributions::Threshold(int64_t index, int strand) const {
  const int64_t largest = LargestScore(index, strand);
  const MotifDistribution& motif = motifs_[index];
  if (largest < 0) return -std::numeric_limits<double>::infinity();
  return motif.strongest + (static_cast<double>(largest) + 0.5) * motif.step;
}

float Distributions::Limit(int64_t index, int strand) const {
  const int64_t largest = LargestScore(index, strand);
  const MotifDistribution& motif = motifs_[index];
  if (largest < 0) return -std::numeric_limits<float>::infinity();
  // Rounding took less than a step from each column.
  const double columns = static_cast<double>(motif.score.size() / kBases);
  const double limit = motif.strongest + (static_cast<double>(largest) + columns + 1) * motif.step;
  return static_cast<float>(std::min<double>(limit, std::numeric_limits<float>::max()));
}

}  // namespace cisreg::scan
