// Filters of many motifs, made from their matrices.

#ifndef CISREG_CSRC_SCAN_FILTER_SET_H_
#define CISREG_CSRC_SCAN_FILTER_SET_H_

#include <cstdint>
#include <vector>

#include "scan/filter.h"
#include "scan/kmers.h"
#include "scan/problem.h"

namespace cisreg::scan {

// One motif's filters. Bytes are penalties in units of 1 / scale nats.
struct MotifFilter {
  int64_t motif;
  int width;
  Filter strand[kStrands];
  double strongest;  // log Kd below which there is no site
  double rounding;   // how far a float32 log Kd may be from the sum in exact numbers
  double scale;

  // A penalty that sites with this log Kd, or a lower one, do not exceed.
  uint8_t LargestPenalty(float log_kd) const;
  // A penalty that the strongest of some sites does not exceed if their lowest one is `lowest`,
  // which is not saturated. Needs filters that cover all columns.
  uint8_t LargestOfStrongest(uint8_t lowest) const;
};

class FilterSet {
 public:
  FilterSet(const Problem& problem, const FilterKernels& kernels, const KmerNumbering& kmers)
      : problem_(problem), kernels_(kernels), kmers_(kmers) {}
  FilterSet(const FilterSet&) = delete;
  FilterSet& operator=(const FilterSet&) = delete;

  // Filters for sites with log Kd of at most limit[lane], of which a motif has one for each strand,
  // [2, M]. Motifs that have none are left out, and so are tables that would cost more than the
  // work they save.
  void MakeForLimits(const float* limit);
  // Filters that cover all columns and tell all sites apart, for finding the strongest.
  void MakeForStrongest();

  const std::vector<MotifFilter>& motifs() const { return motifs_; }
  // How many sites of random bases pass the filters at one window, of all motifs and both strands.
  double expected_candidates() const { return expected_candidates_; }

 private:
  struct alignas(64) CacheLine {
    uint8_t bytes[64];
  };
  struct Penalties;
  struct Tile;

  Penalties FindPenalties(int64_t motif) const;
  std::vector<Tile> CutColumns(int width) const;
  double KeepWorthwhile(const Penalties& penalties, double scale, std::vector<Tile>* tiles) const;
  void Add(int64_t motif, const Penalties& penalties, double scale, const std::vector<Tile>& tiles);
  void FillTable(const Penalties& penalties, const Tile& tile, int strand, double scale,
                 uint8_t* table) const;
  void PointAtTables();

  const Problem& problem_;
  const FilterKernels& kernels_;
  const KmerNumbering& kmers_;
  double expected_candidates_ = 0;
  std::vector<MotifFilter> motifs_;
  std::vector<int32_t> offsets_;
  std::vector<CacheLine> tables_;
};

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_FILTER_SET_H_
