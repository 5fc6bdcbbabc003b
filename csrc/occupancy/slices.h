// What kernels share whose items are slices of the sequences with all motif blocks: their job, and
// the sum of the slices' gradients.

#ifndef CISREG_CSRC_OCCUPANCY_SLICES_H_
#define CISREG_CSRC_OCCUPANCY_SLICES_H_

#include <cstdint>

#include "occupancy/kernels.h"

namespace cisreg {

// A job without weights and conditions, which points into its arguments. Its tables are not there
// yet.
OccupancyJob MakeScanJob(const OccupancyShape& shape, const OccupancyInputs& inputs,
                         const MotifLayout& motifs, const uint8_t* used_rows, bool backward);

// The gradients of one block: those of each slice, `stride` floats apart, have the same layout.
class BlockSlices {
 public:
  BlockSlices(const OccupancyJob& job, int64_t block, int64_t slices, int64_t stride)
      : job_(job), block_(block), slices_(slices), stride_(stride) {}

  // Sums a row of numbers, one for each motif of the block, in the order of the slices. `from` is
  // that of the first slice; `to` has the caller's order of motifs.
  void Sum(const float* from, float* to) const;

  // Sets gradients [W, 4, M] to zero in the columns outside of the block's motifs: these were
  // scanned with the block, but have no gradient.
  void HoldColumns(float* log_kd) const;

 private:
  int64_t motif_count() const;

  const OccupancyJob& job_;
  const int64_t block_, slices_, stride_;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_SLICES_H_
