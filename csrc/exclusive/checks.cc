#include "exclusive/checks.h"

#include <limits>
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

InputError CheckCompetitors(const Dimensions& width, const Dimensions& log_odds, Inputs* inputs) {
  if (width.size() != 1 || width != log_odds) {
    return "competitor_width, competitor_log_odds: expected shape [Q] both, got " +
           DimensionText(width) + " and " + DimensionText(log_odds);
  }
  inputs->competitor_count = width[0];
  for (int64_t i = 0; i < width[0]; ++i) {
    const int32_t bases = inputs->competitor_width[i];
    if (bases < 1 || bases > kFarthest) {
      return "competitor_width: expected 1 to " + std::to_string(kFarthest) + " bases, got " +
             std::to_string(bases) + " for competitor " + std::to_string(i);
    }
  }
  return {};
}

InputError CheckCompetitorOdds(const Inputs& inputs) {
  for (int64_t i = 0; i < inputs.competitor_count; ++i) {
    const float odds = inputs.competitor_log_odds[i];
    if (!(odds <= std::numeric_limits<float>::max())) {
      return "competitor_log_odds: expected finite numbers or minus infinity, got " +
             std::to_string(odds) + " for competitor " + std::to_string(i);
    }
  }
  return {};
}

InputError CheckFootprints(const OccupancyShape& shape, const Inputs& inputs) {
  if (inputs.scan.column_range != nullptr) {
    InputError error = CheckColumnRange(shape, inputs.scan.column_range);
    if (!error.empty()) return error;
  }
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
