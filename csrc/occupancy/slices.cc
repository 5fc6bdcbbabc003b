#include "occupancy/slices.h"

#include <algorithm>

namespace cisreg {

OccupancyJob MakeScanJob(const OccupancyShape& shape, const OccupancyInputs& inputs,
                         const MotifLayout& motifs, const uint8_t* used_rows, bool backward) {
  OccupancyJob job = {};
  job.shape = shape;
  job.plan = MakeOccupancyPlan(shape, inputs, motifs, backward);
  job.inputs = inputs;
  job.block_motif = motifs.block_motif.data();
  job.motif_columns = motifs.trained_columns.data();
  job.block_scanned = motifs.block_scanned.data();
  job.block_trained = motifs.block_trained.data();
  job.base_concentration = inputs.log_concentration;
  job.block_sites = inputs.span == nullptr ? nullptr : motifs.block_sites.data();
  job.block_absent = motifs.block_absent.empty() ? nullptr : motifs.block_absent.data();
  job.table_offset = motifs.table_offset.data();
  job.used_rows = used_rows;
  return job;
}

int64_t BlockSlices::motif_count() const {
  return std::min<int64_t>(kBlockMotifs, job_.shape.motif_count - block_ * kBlockMotifs);
}

void BlockSlices::Sum(const float* from, float* to) const {
  const int32_t* motif = job_.block_motif + block_ * kBlockMotifs;
  const int64_t motifs = motif_count();
  for (int64_t i = 0; i < motifs; ++i, ++from) {
    float sum = 0.0f;
    for (int64_t slice = 0; slice < slices_; ++slice) sum += from[slice * stride_];
    to[motif[i]] = sum;
  }
}

void BlockSlices::HoldColumns(float* log_kd) const {
  const OccupancyShape& shape = job_.shape;
  const int32_t* motif = job_.block_motif + block_ * kBlockMotifs;
  const int64_t motifs = motif_count();
  for (int64_t i = 0; i < motifs; ++i) {
    const ColumnRange& columns = job_.motif_columns[motif[i]];
    for (int64_t column = 0; column < shape.width; ++column) {
      if (column >= columns.first && column < columns.end) continue;
      for (int64_t base = 0; base < kBases; ++base) {
        log_kd[(column * kBases + base) * shape.motif_count + motif[i]] = 0.0f;
      }
    }
  }
}

}  // namespace cisreg
