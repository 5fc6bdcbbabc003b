#include "mutations/layout.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace cisreg::mutations {
namespace {

constexpr float kLn2 = 0.693147181f;
// Odds up to which four, and two, values 1 + odds can be multiplied without overflow.
constexpr float kStrongestOfFour = 30 * kLn2;
constexpr float kStrongestOfTwo = 60 * kLn2;
// Partial products below 2^-126 are zero. What follows makes them at most so many times larger,
// so that nothing above 2^-36 is lost.
constexpr float kMostGrowth = 90 * kLn2;
// A ratio of odds that cannot overflow.
constexpr float kMostRatio = 60 * kLn2;
// The sums of a piece stay in the second level of the cache.
constexpr int64_t kPiecePositions = 128;

Strength FindStrength(const Problem& problem, const ColumnRange& columns, int64_t motif) {
  const int64_t motifs = problem.shape.motif_count;
  float growth = 0, ratio = 0;
  for (int64_t column = columns.first; column < columns.end; ++column) {
    const float* log_kd = problem.inputs.log_kd + column * kBases * motifs + motif;
    float least = log_kd[0], most = log_kd[0];
    for (int64_t base = 1; base < kBases; ++base) {
      least = std::min(least, log_kd[base * motifs]);
      most = std::max(most, log_kd[base * motifs]);
    }
    growth += std::max(0.0f, -least);
    ratio = std::max(ratio, most - least);
  }
  const float strongest = growth + problem.inputs.log_concentration[motif];
  // Written so that what is not a number has logarithms too.
  if (!(growth <= kMostGrowth && ratio <= kMostRatio && strongest <= kStrongestOfTwo)) {
    return Strength::kLogarithms;
  }
  return strongest <= kStrongestOfFour ? Strength::kFourPerDivision : Strength::kTwoPerDivision;
}

Site MakeSite(const MotifLayout& motifs, int64_t width, int32_t motif, int32_t strand) {
  const ColumnRange& scanned = motifs.scanned_columns[motif];
  const ColumnRange& counted = motifs.trained_columns[motif];
  const auto last = static_cast<int32_t>(width);
  Site site = {motif, strand, scanned.end - scanned.first, 0, 0, 0};
  if (strand == 0) {
    site.first_column = scanned.first;
    site.counted_first = counted.first;
    site.counted_end = counted.end;
  } else {
    site.first_column = last - scanned.end;
    site.counted_first = last - counted.end;
    site.counted_end = last - counted.first;
  }
  return site;
}

struct RankedSite {
  Strength strength;
  Site site;
};

std::vector<RankedSite> RankSites(const Problem& problem) {
  const MotifLayout motifs = MakeMotifLayout(problem.shape, problem.inputs);
  std::vector<RankedSite> sites;
  for (int32_t motif = 0; motif < problem.shape.motif_count; ++motif) {
    if (problem.inputs.log_concentration[motif] == -std::numeric_limits<float>::infinity()) {
      continue;
    }
    const Strength strength = FindStrength(problem, motifs.scanned_columns[motif], motif);
    for (int32_t strand = 0; strand < kStrands; ++strand) {
      sites.push_back({strength, MakeSite(motifs, problem.shape.width, motif, strand)});
    }
  }
  std::stable_sort(sites.begin(), sites.end(), [](const RankedSite& a, const RankedSite& b) {
    return std::tie(a.strength, a.site.width) < std::tie(b.strength, b.site.width);
  });
  return sites;
}

}  // namespace

int64_t TableFloats(const Problem& problem, int64_t width) {
  const int64_t factors = PairsOf(width) * kBasePairs;
  const int64_t columns = width * (kBases * kOtherBases + 1);
  const int64_t weights = problem.inputs.weighted() ? problem.shape.length + width - 1 : 0;
  return (factors + columns + weights) * kBlockSites;
}

Layout MakeLayout(const Problem& problem) {
  const std::vector<RankedSite> sites = RankSites(problem);
  Layout layout = {};
  layout.most_width = 1;
  for (size_t first = 0; first < sites.size(); first += kBlockSites) {
    Block block = {};
    block.width = 1;
    block.least_width = sites[first].site.width;
    for (size_t i = 0; i < kBlockSites; ++i) {
      block.site[i] = {-1, 0, 0, 0, 0, 0};
      if (first + i >= sites.size()) continue;
      block.site[i] = sites[first + i].site;
      block.width = std::max(block.width, block.site[i].width);
      block.least_width = std::min(block.least_width, block.site[i].width);
      block.strength = std::max(block.strength, sites[first + i].strength);
    }
    block.tables = layout.table_floats;
    layout.table_floats += TableFloats(problem, block.width);
    layout.most_width = std::max<int64_t>(layout.most_width, block.width);
    layout.blocks.push_back(block);
  }
  const int64_t length = problem.shape.length;
  layout.pieces_per_sequence =
      std::max<int64_t>(1, (length + kPiecePositions - 1) / kPiecePositions);
  layout.piece_positions = (length + layout.pieces_per_sequence - 1) / layout.pieces_per_sequence;
  return layout;
}

Piece PieceAt(const Layout& layout, int64_t index, int64_t length) {
  const int64_t begin = index % layout.pieces_per_sequence * layout.piece_positions;
  return {index / layout.pieces_per_sequence, begin,
          std::min(begin + layout.piece_positions, length)};
}

}  // namespace cisreg::mutations
