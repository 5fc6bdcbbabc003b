#include "exclusive/checks.h"

#include <string>

namespace cisreg::exclusive {
namespace {

// Bases that a footprint may reach beyond its window, on either side.
constexpr int64_t kFarthest = 10000;

}  // namespace

InputError CheckExclusiveDimensions(const InputDimensions& inputs,
                                    const std::optional<Dimensions>& footprint,
                                    const OccupancyShape& shape) {
  if (inputs.log_concentration.size() != 1) {
    return "log_concentration: expected shape [M] where sites exclude each other, got " +
           DimensionText(inputs.log_concentration);
  }
  if (HasSetAxis(inputs)) {
    return "position_weight: expected shape [2, P, M] where sites exclude each other, got " +
           DimensionText(*inputs.position_weight);
  }
  const Dimensions expected = {2, shape.motif_count};
  if (!footprint || *footprint == expected) return {};
  return "footprint: expected shape [2, M] = " + DimensionText(expected) + ", got " +
         DimensionText(*footprint);
}

InputError CheckFootprints(const OccupancyShape& shape, const Inputs& inputs) {
  const bool own = inputs.footprint == nullptr;
  const int32_t* first = own ? inputs.scan.column_range : inputs.footprint;
  if (first == nullptr) return {};
  const int32_t* end = first + shape.motif_count;
  for (int64_t motif = 0; motif < shape.motif_count; ++motif) {
    const std::string got = ", got " + std::to_string(first[motif]) + " and " +
                            std::to_string(end[motif]) + " for motif " + std::to_string(motif);
    if (own && first[motif] >= end[motif]) {
      return "column_range: expected first < end, since a site covers its motif's columns" + got +
             "; or give the footprint";
    }
    if (first[motif] >= end[motif] || first[motif] < -kFarthest ||
        end[motif] > shape.width + kFarthest) {
      return "footprint: expected " + std::to_string(-kFarthest) +
             " <= first < end <= " + std::to_string(shape.width + kFarthest) + got;
    }
  }
  return {};
}

}  // namespace cisreg::exclusive
