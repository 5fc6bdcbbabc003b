// Forward: each item sums the site occupancies of some motif blocks over a slice of the sequences.

#ifndef CISREG_CSRC_OCCUPANCY_FORWARD_H_
#define CISREG_CSRC_OCCUPANCY_FORWARD_H_

#include "occupancy/scan.h"

namespace cisreg {
namespace {

// Enough independent sums to hide the latency of the additions and of the exponentials.
constexpr int kWindowsInFlight = 4;

template <class V>
struct StrandSums {
  V bound[kStrands];
  V weighted[kStrands];
};

// `weight` is that of the first window on strand 0, or null.
template <class V, Reduction kReduction, bool kWeighted, int kWindows>
inline void SumWindows(const OccupancyJob& job, const float* table, int64_t group_count,
                       const uint16_t* kmer_offset, const float* weight, StrandSums<V>* sums) {
  V logit[kWindows][kStrands];
  ScanWindows<V, kWindows>(table, group_count, kmer_offset, logit);
  for (int strand = 0; strand < kStrands; ++strand) {
    V bound = V::Broadcast(0.0f);
    V weighted = V::Broadcast(0.0f);
    for (int k = 0; k < kWindows; ++k) {
      if (kReduction == Reduction::kLogUnbound) bound = bound + Log2Bound(logit[k][strand]);
      if (kReduction == Reduction::kExpected || kWeighted) {
        const V p = Occupancy(logit[k][strand]);
        if (kReduction == Reduction::kExpected) bound = bound + p;
        if (kWeighted) {
          const V w = V::Load(weight + (strand * job.shape.window_count + k) * V::kLanes);
          weighted = MultiplyAdd(w, p, weighted);
        }
      }
    }
    sums->bound[strand] = sums->bound[strand] + bound;
    if (kWeighted) sums->weighted[strand] = sums->weighted[strand] + weighted;
  }
}

// Position weights of a block from one window on, or null.
template <class V>
const float* LaneWeight(const OccupancyJob& job, int64_t block, int64_t window) {
  if (!job.inputs.weighted) return nullptr;
  return job.lane_weight + (block * kStrands * job.shape.window_count + window) * V::kLanes;
}

template <class V, Reduction kReduction, bool kWeighted>
StrandSums<V> SumSegment(const OccupancyJob& job, int64_t block, const Segment& segment,
                         const uint16_t* kmer_offset) {
  const float* table = job.tables + block * job.plan.table_floats();
  const BlockColumns columns = job.block_columns[block];
  kmer_offset += segment.first_row + columns.first;
  const V zero = V::Broadcast(0.0f);
  StrandSums<V> sums = {{zero, zero}, {zero, zero}};
  int64_t j = 0;
  for (; j + kWindowsInFlight <= segment.windows; j += kWindowsInFlight) {
    SumWindows<V, kReduction, kWeighted, kWindowsInFlight>(
        job, table, columns.group_count, kmer_offset + j,
        LaneWeight<V>(job, block, segment.first_window + j), &sums);
  }
  for (; j < segment.windows; ++j) {
    SumWindows<V, kReduction, kWeighted, 1>(job, table, columns.group_count, kmer_offset + j,
                                            LaneWeight<V>(job, block, segment.first_window + j),
                                            &sums);
  }
  return sums;
}

// A sequence's first segment sets its outputs, the later ones add to them.
template <class V>
void WriteSums(const OccupancyJob& job, int64_t block, const Segment& segment, const V* sums,
               float scale, float* outputs) {
  const int64_t motif_count = job.shape.motif_count;
  const int32_t* motif = job.lane_motif + block * V::kLanes;
  const int64_t motifs = BlockMotifs(job, block);
  for (int strand = 0; strand < kStrands; ++strand) {
    float* to = outputs + (segment.sequence * kStrands + strand) * motif_count;
    float lanes[V::kLanes];
    (sums[strand] * V::Broadcast(scale)).Store(lanes);
    for (int64_t i = 0; i < motifs; ++i) {
      to[motif[i]] = segment.first_window > 0 ? to[motif[i]] + lanes[i] : lanes[i];
    }
  }
}

template <class V, Reduction kReduction, bool kWeighted>
void ForwardTile(const OccupancyJob& job, int64_t block, const Tile& tile,
                 const OccupancyOutputs& outputs) {
  constexpr float kScale = kReduction == Reduction::kLogUnbound ? -kLn2 : 1.0f;
  for (int64_t i = 0; i < tile.segment_count; ++i) {
    const Segment& segment = tile.segments[i];
    const StrandSums<V> sums =
        SumSegment<V, kReduction, kWeighted>(job, block, segment, tile.kmer_offset);
    WriteSums(job, block, segment, sums.bound, kScale, outputs.bound);
    if (kWeighted) WriteSums(job, block, segment, sums.weighted, 1.0f, outputs.weighted);
  }
}

template <class V>
void ForwardItem(const OccupancyJob& job, int64_t item, char* scratch,
                 const OccupancyOutputs& outputs) {
  const OccupancyPlan& plan = job.plan;
  const bool weighted = job.inputs.weighted;
  const bool expected = job.reduction == Reduction::kExpected;
  const auto forward_tile = expected ? (weighted ? ForwardTile<V, Reduction::kExpected, true>
                                                 : ForwardTile<V, Reduction::kExpected, false>)
                                     : (weighted ? ForwardTile<V, Reduction::kLogUnbound, true>
                                                 : ForwardTile<V, Reduction::kLogUnbound, false>);
  const ItemRange range = FindItem(plan, item);

  ScratchArena arena = {scratch, 0};
  Tile tile = TakeTile(plan, false, &arena);
  TileCursor cursor = SliceCursor(job.shape, plan, range.slice);
  while (!cursor.done()) {
    FillTile(job.shape, plan, job.inputs.sequence, kRowBytes<V>, &cursor, &tile);
    for (int64_t block = range.first_block; block < range.end_block; ++block) {
      forward_tile(job, block, tile, outputs);
    }
  }
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_FORWARD_H_
