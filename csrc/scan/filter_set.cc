#include "scan/filter_set.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace cisreg::scan {
namespace {

// The largest penalty that is not saturated.
constexpr int kLargest = kSaturated - 1;

// Cycles that computing a site's log Kd takes: to begin with, and for each column.
constexpr double kSiteCycles = 30, kColumnCycles = 4;

// Rounded down, so that the byte is never above the penalty.
uint8_t RoundDown(double penalty) {
  return static_cast<uint8_t>(std::min<double>(penalty, kSaturated));
}

}  // namespace

uint8_t MotifFilter::LargestPenalty(float log_kd) const {
  const double penalty = log_kd - strongest + rounding;
  return penalty >= 0 ? RoundDown(penalty * scale) : 0;
}

uint8_t MotifFilter::LargestOfStrongest(uint8_t lowest) const {
  // Rounding takes less than 1 from each table's part of a penalty.
  return RoundDown(lowest + strand[0].table_count + 2 * rounding * scale);
}

// What each base adds to the penalty of a site, by column, for all base codes.
struct FilterSet::Penalties {
  std::vector<std::array<double, kBaseCodes>> column;
  double strongest = 0;
  double largest = 0;
  double rounding = 0;

  int width() const { return static_cast<int>(column.size()); }
};

// Columns [begin, end) of a motif, which one table covers by the k-mer at column `offset`.
struct FilterSet::Tile {
  int offset;
  int begin;
  int end;
};

FilterSet::Penalties FilterSet::FindPenalties(int64_t motif) const {
  const int64_t motifs = problem_.motif_count;
  Penalties penalties;
  double magnitude = 0;
  for (int column = problem_.column_range[motif]; column < problem_.column_range[motifs + motif];
       ++column) {
    std::array<double, kBaseCodes> entry = {};  // 0 for the unknown base
    for (int base = 0; base < kBases; ++base) {
      entry[base] =
          problem_.log_kd[(static_cast<int64_t>(column) * kBases + base) * motifs + motif];
    }
    const bool neutral = problem_.unknown == Unknown::kNeutral;
    const auto [lowest, highest] =
        std::minmax_element(entry.begin(), entry.begin() + (neutral ? kBaseCodes : kBases));
    const double low = *lowest, high = *highest;
    if (!neutral) entry[kUnknownBase] = high;
    penalties.strongest += low;
    penalties.largest += high - low;
    magnitude += std::max(-low, high);
    for (double& value : entry) value -= low;
    penalties.column.push_back(entry);
  }
  // Twice the bound on what rounding does to a sum of float32 numbers.
  penalties.rounding = magnitude * penalties.width() * std::ldexp(1.0, -23);
  return penalties;
}

std::vector<FilterSet::Tile> FilterSet::CutColumns(int width) const {
  const int length = kmers_.length();
  std::vector<Tile> tiles;
  for (int begin = 0; begin < width; begin += length) {
    const int end = std::min(begin + length, width);
    tiles.push_back({std::max(end - length, 0), begin, end});
  }
  return tiles;
}

// Keeps the tables that rule out most sites, as many as make the expected work smallest: that of
// the look-ups and that of the exact log Kd of random sites that pass. Returns the share of these.
double FilterSet::KeepWorthwhile(const Penalties& penalties, double scale,
                                 std::vector<Tile>* tiles) const {
  const auto penalty = [&](int column, int base) {
    return RoundDown(penalties.column[column][base] * scale);
  };
  const auto told = [&](const Tile& tile) {
    int sum = 0;
    for (int column = tile.begin; column < tile.end; ++column) {
      for (int base = 0; base < kBases; ++base) sum += penalty(column, base);
    }
    return sum;
  };
  std::stable_sort(tiles->begin(), tiles->end(),
                   [&](const Tile& a, const Tile& b) { return told(a) > told(b); });
  std::array<double, kSaturated> chance = {1.0}, next;
  double passing = 1, least_work = INFINITY, passing_kept = 1;
  size_t kept = 0;
  for (size_t i = 0; i < tiles->size(); ++i) {
    for (int column = (*tiles)[i].begin; column < (*tiles)[i].end; ++column) {
      next.fill(0);
      for (int base = 0; base < kBases; ++base) {
        const int shift = penalty(column, base);
        for (int j = shift; j < kSaturated; ++j) next[j] += chance[j - shift] / kBases;
      }
      chance = next;
    }
    passing = 0;
    for (const double value : chance) passing += value;
    const double site_cycles = kSiteCycles + kColumnCycles * penalties.width();
    const double work = (i + 1) * kernels_.lookup_cycles + passing * site_cycles;
    if (work >= least_work) continue;
    least_work = work;
    passing_kept = passing;
    kept = i + 1;
  }
  tiles->resize(kept);
  return passing_kept;
}

void FilterSet::FillTable(const Penalties& penalties, const Tile& tile, int strand, double scale,
                          uint8_t* table) const {
  const int length = kmers_.length();
  for (int digits = 0; digits < kmers_.count(); ++digits) {
    double sum = 0;
    bool is_site = true;
    // The reverse strand meets the columns from the last to the first, and the other bases.
    for (int k = length - 1, rest = digits; k >= 0; --k, rest /= kBaseCodes) {
      const int base = rest % kBaseCodes;
      const int column =
          tile.offset + (strand == 0 ? k : std::min(length, penalties.width()) - 1 - k);
      if (column < tile.begin || column >= tile.end) continue;
      is_site &= base != kUnknownBase || problem_.unknown != Unknown::kSkip;
      const bool as_read = strand == 0 || base == kUnknownBase;
      sum += penalties.column[column][as_read ? base : kBases - 1 - base];
    }
    table[kmers_.code(digits)] = is_site ? RoundDown(sum * scale) : kSaturated;
  }
}

void FilterSet::Add(int64_t motif, const Penalties& penalties, double scale,
                    const std::vector<Tile>& tiles) {
  const int width = penalties.width(), length = kmers_.length();
  const int count = static_cast<int>(tiles.size());
  MotifFilter filter = {motif, width, {}, penalties.strongest, penalties.rounding, scale};
  for (int strand = 0; strand < kStrands; ++strand) {
    filter.strand[strand].table_count = count;
    const size_t first_line = tables_.size();
    const size_t bytes = static_cast<size_t>(count) * kernels_.table_bytes;
    tables_.resize(first_line + (bytes + sizeof(CacheLine) - 1) / sizeof(CacheLine), CacheLine{});
    uint8_t* table = tables_[first_line].bytes;
    for (const Tile& tile : tiles) {
      offsets_.push_back(strand == 0 ? tile.offset : std::max(width - length - tile.offset, 0));
      FillTable(penalties, tile, strand, scale, table);
      table += kernels_.table_bytes;
    }
  }
  motifs_.push_back(filter);
}

// Called when all tables are complete, since adding to the vectors may move them.
void FilterSet::PointAtTables() {
  const int32_t* offset = offsets_.data();
  const CacheLine* line = tables_.data();
  for (MotifFilter& motif : motifs_) {
    for (Filter& filter : motif.strand) {
      const size_t bytes = static_cast<size_t>(filter.table_count) * kernels_.table_bytes;
      filter.offset = offset;
      filter.table = line->bytes;
      offset += filter.table_count;
      line += (bytes + sizeof(CacheLine) - 1) / sizeof(CacheLine);
    }
  }
}

void FilterSet::MakeForLimits(const float* limit) {
  for (int64_t motif = 0; motif < problem_.motif_count; ++motif) {
    const Penalties penalties = FindPenalties(motif);
    const float largest = std::max(limit[motif], limit[problem_.motif_count + motif]);
    const double slack = largest - penalties.strongest + penalties.rounding;
    if (!(slack >= 0)) continue;
    // The limit is scaled to the largest byte. The scale is kept finite: infinity times a penalty
    // of 0 would be NaN.
    const double scale = std::min(kLargest / slack, 1e30);
    std::vector<Tile> tiles = CutColumns(penalties.width());
    expected_candidates_ += kStrands * KeepWorthwhile(penalties, scale, &tiles);
    Add(motif, penalties, scale, tiles);
  }
  PointAtTables();
}

void FilterSet::MakeForStrongest() {
  for (int64_t motif = 0; motif < problem_.motif_count; ++motif) {
    const Penalties penalties = FindPenalties(motif);
    const double scale = std::min(kLargest / penalties.largest, 1e30);
    Add(motif, penalties, scale, CutColumns(penalties.width()));
  }
  PointAtTables();
}

}  // namespace cisreg::scan
