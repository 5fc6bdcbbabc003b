// How the gradients dloss/dlogit of a tile's windows are kept: tile.h says where.

#ifndef CISREG_CSRC_OCCUPANCY_ROWS_H_
#define CISREG_CSRC_OCCUPANCY_ROWS_H_

#include "occupancy/sites.h"
#include "occupancy/tile.h"

namespace cisreg {
namespace {

// As floats, one strip of the sites after the other. V: one number for each site of a block.
template <class V>
struct FloatRows {
  using Part = typename V::Part;
  static constexpr int kSites = Part::kStripSites;
  static constexpr int kStrips = kBlockSites / kSites;
  static constexpr int kBytes = kSites * static_cast<int>(sizeof(float));
  // What one row of a strip holds.
  using Values = Sites<Part, kSites>;

  static Values Load(const char* row) { return Values::Load(reinterpret_cast<const float*>(row)); }

  // Stores part `i` of a window's sites. `row` is in the first strip.
  static void StorePart(Part part, int i, char* row, int64_t strip_bytes) {
    const int site = i * Part::kLanes;
    float* const strip = reinterpret_cast<float*>(row + site / kSites * strip_bytes);
    part.Store(strip + site % kSites);
  }
};

// Bytes of one strip of a tile.
template <class Rows>
int64_t StripBytes(const OccupancyPlan& plan) {
  return (plan.max_trained_groups + kGroupBases * plan.slot_stride) * Rows::kBytes;
}

}  // namespace
}  // namespace cisreg

#endif  // CISREG_CSRC_OCCUPANCY_ROWS_H_
