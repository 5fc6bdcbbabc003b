// The scan: k-mer tables of motif energies, and the site occupancies read from them.
//
// A block is `kLanes` motifs on both strands. Row k of group g of its table holds the summed energy
// of the motif columns 3g, 3g+1, 3g+2 on the three bases of k-mer k, forward strand first, reverse
// strand behind it. Energies are in units of log 2 and group 0 carries the concentration, so that
// a site's occupancy is 1 / (1 + 2^(sum of rows)).

#ifndef CISREG_CSRC_OCCUPANCY_SCAN_H_
#define CISREG_CSRC_OCCUPANCY_SCAN_H_

#include "occupancy/kernels.h"
#include "occupancy/tile.h"
#include "simd/math.h"

namespace cisreg {
namespace {

constexpr float kLog2E = 1.44269504f;
constexpr float kLn2 = 0.693147181f;
// Larger energies mean the same occupancy and could overflow when they are summed.
constexpr float kMaxEnergy = 1e30f;

template <class V>
constexpr int kRowBytes = kStrands * V::kLanes * static_cast<int>(sizeof(float));

// Lanes of a block that hold a motif of their own.
inline int64_t BlockMotifs(const OccupancyJob& job, int64_t block) {
  const int64_t left = job.shape.motif_count - block * job.plan.lanes;
  return left < job.plan.lanes ? left : job.plan.lanes;
}

// The sequences and the motif blocks of a work item.
struct ItemRange {
  int64_t slice;
  int64_t first_block;
  int64_t end_block;
};

inline ItemRange FindItem(const OccupancyPlan& plan, int64_t item) {
  const int64_t first = item % plan.block_groups * plan.blocks_per_item;
  const int64_t end = first + plan.blocks_per_item;
  return {item / plan.block_groups, first, end < plan.block_count ? end : plan.block_count};
}

// A row of M numbers, as the lanes of a block want them.
template <class V>
V GatherLanes(const OccupancyJob& job, int64_t block, const float* row) {
  const int32_t* motif = job.lane_motif + block * V::kLanes;
  float lanes[V::kLanes];
  for (int i = 0; i < V::kLanes; ++i) lanes[i] = row[motif[i]];
  return V::Load(lanes);
}

template <class V>
V ScaledEnergy(V energy) {
  energy = energy * V::Broadcast(kLog2E);
  return Max(Min(energy, V::Broadcast(kMaxEnergy)), V::Broadcast(-kMaxEnergy));
}

// Energies of the unknown base and of columns outside a motif are zero.
template <class V>
V BaseEnergy(const OccupancyJob& job, int64_t block, int strand, int64_t column, int base) {
  const int64_t width = job.shape.width;
  if (column >= width || base == kUnknownBase) return V::Broadcast(0.0f);
  const int64_t w = strand == 0 ? column : width - 1 - column;
  const int64_t b = strand == 0 ? base : kBases - 1 - base;
  const float* row = job.inputs.log_kd + (w * kBases + b) * job.shape.motif_count;
  const int32_t* motif = job.lane_motif + block * V::kLanes;
  float lanes[V::kLanes];
  for (int i = 0; i < V::kLanes; ++i) {
    const ColumnRange& columns = job.motif_columns[motif[i]];
    lanes[i] = w >= columns.first && w < columns.end ? row[motif[i]] : 0.0f;
  }
  return ScaledEnergy(V::Load(lanes));
}

// Sums of the energies of three bases, for every triplet of base codes.
template <class V>
void FillGroup(const V (&energy)[kStrands][kGroupBases][kBases + 1], float* row) {
  for (int k = 0; k < kTableRows; ++k) {
    const uint8_t* base = kTriplets.base[k];
    for (int strand = 0; strand < kStrands; ++strand, row += V::kLanes) {
      const auto& e = energy[strand];
      ((e[0][base[0]] + e[1][base[1]]) + e[2][base[2]]).Store(row);
    }
  }
}

template <class V>
void BuildTable(const OccupancyJob& job, int64_t block) {
  float* table = job.tables + block * job.plan.table_floats();
  const BlockColumns columns = job.block_columns[block];
  const V concentration = ScaledEnergy(GatherLanes<V>(job, block, job.inputs.log_concentration));
  for (int64_t group = 0; group < columns.group_count; ++group) {
    V energy[kStrands][kGroupBases][kBases + 1];
    for (int strand = 0; strand < kStrands; ++strand) {
      for (int j = 0; j < kGroupBases; ++j) {
        const int64_t column = columns.first + group * kGroupBases + j;
        for (int base = 0; base <= kBases; ++base) {
          V e = BaseEnergy<V>(job, block, strand, column, base);
          if (group == 0 && j == 0) e = e - concentration;
          energy[strand][j][base] = e;
        }
      }
    }
    FillGroup(energy, table + group * kTableRows * kStrands * V::kLanes);
  }
  if (!job.inputs.weighted) return;
  const int64_t rows = kStrands * job.shape.window_count;
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = job.inputs.position_weight + row * job.shape.motif_count;
    GatherLanes<V>(job, block, from).Store(job.lane_weight + (block * rows + row) * V::kLanes);
  }
}

inline const float* TableRow(const float* table, uint16_t byte_offset) {
  return reinterpret_cast<const float*>(reinterpret_cast<const char*>(table) + byte_offset);
}

// Logits (log2 of Kd over concentration) of kWindows windows in a row, both strands.
template <class V, int kWindows>
inline void ScanWindows(const float* table, int64_t group_count, const uint16_t* kmer_offset,
                        V (&logit)[kWindows][kStrands]) {
  for (int k = 0; k < kWindows; ++k) {
    const float* row = TableRow(table, kmer_offset[k]);
    logit[k][0] = V::Load(row);
    logit[k][1] = V::Load(row + V::kLanes);
  }
  for (int64_t group = 1; group < group_count; ++group) {
    table += kTableRows * kStrands * V::kLanes;
    kmer_offset += kGroupBases;
    for (int k = 0; k < kWindows; ++k) {
      const float* row = TableRow(table, kmer_offset[k]);
      logit[k][0] = logit[k][0] + V::Load(row);
      logit[k][1] = logit[k][1] + V::Load(row + V::kLanes);
    }
  }
}

template <class V>
inline V Occupancy(V logit) {
  const V one = V::Broadcast(1.0f);
  return one / (one + simd::Exp2(simd::ClampExponent(logit)));
}

// -log2(1 - p): linear for strong sites, so without bound.
template <class V>
inline V Log2Bound(V logit) {
  const V zero = V::Broadcast(0.0f);
  const V magnitude = Max(logit, zero - logit);
  const V weak = simd::Exp2(zero - Min(magnitude, V::Broadcast(simd::kMaxExponent)));
  return Max(zero - logit, zero) + simd::Log2OnePlus(weak);
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_SCAN_H_
