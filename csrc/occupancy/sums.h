// Where a block's position weights are read and its sums are written.

#ifndef CISREG_CSRC_OCCUPANCY_SUMS_H_
#define CISREG_CSRC_OCCUPANCY_SUMS_H_

#include "occupancy/table.h"

namespace cisreg {
namespace {

// Position weights of a block from one window on, or null.
inline const float* BlockWeight(const OccupancyJob& job, int64_t block, int64_t window) {
  if (!job.inputs.weighted()) return nullptr;
  const int64_t windows = block * job.shape.window_count + window;
  return job.block_weight + windows * job.inputs.weight_sets * kBlockSites;
}

// Number of motifs of a block, without the repeats that fill the last block.
inline int64_t OwnMotifs(const OccupancyJob& job, int64_t block) {
  const int64_t left = job.shape.motif_count - block * kBlockMotifs;
  return left < kBlockMotifs ? left : kBlockMotifs;
}

// Writes a segment's sums to row [2, M] of outputs. The first segment of a sequence sets them, the
// later ones add to them.
template <class V>
void WriteSums(const OccupancyJob& job, int64_t block, bool is_first, V sums, int64_t row,
               float* outputs) {
  const int32_t* motif = job.block_motif + block * kBlockMotifs;
  const int64_t motifs = OwnMotifs(job, block);
  float sites[kBlockSites];
  sums.Store(sites);
  ClearAbsent(job, block, sites);
  for (int strand = 0; strand < kStrands; ++strand) {
    float* to = outputs + (row * kStrands + strand) * job.shape.motif_count;
    const float* from = sites + strand * kBlockMotifs;
    for (int64_t i = 0; i < motifs; ++i) {
      to[motif[i]] = is_first ? from[i] : to[motif[i]] + from[i];
    }
  }
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_SUMS_H_
