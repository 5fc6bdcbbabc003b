// Where a block's gradients are kept while an item runs.

#ifndef CISREG_CSRC_OCCUPANCY_GRADIENTS_H_
#define CISREG_CSRC_OCCUPANCY_GRADIENTS_H_

#include "occupancy/rows.h"

namespace cisreg {
namespace {

// One block's sums while an item runs. `dlogit` holds one tile in strips; `table` the gradient of
// the k-mer table as [strip, k-mer, group, site].
struct BlockGradients {
  char* dlogit;
  int64_t strip_bytes;
  float* table;
  float* log_concentration;  // [kBlockSites]; with several conditions or sets [C, kBlockMotifs]
  float* position_weight;    // [P, K, kBlockSites] or unused
};

// Where a segment's next windows are read and written.
struct WindowCursor {
  const uint16_t* kmer_offset;
  const float* weight;     // null without weights
  float* weight_gradient;  // null without weights
  GradientCursor gradient;
};

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_GRADIENTS_H_
