#include "pairs/checks.h"

#include <string>

namespace cisreg::pairs {
namespace {

// Bases at which effects may end: distances stay within 32 bits.
constexpr int64_t kFarthest = int64_t{1} << 29;

InputError CheckDistance(const Inputs& inputs) {
  const std::string got = std::to_string(inputs.distance);
  if (inputs.distance < 1 || inputs.distance > kFarthest) {
    return "distance: expected 1 to " + std::to_string(kFarthest) + " bases, got " + got;
  }
  if (2 * inputs.distance % (inputs.knot_count + 1) == 0) return {};
  return "distance: expected knots a whole number of bases apart, 2 * distance / (K + 1), got 2 "
         "* " +
         got + " / " + std::to_string(inputs.knot_count + 1);
}

}  // namespace

InputError CheckPairSizes(const InputDimensions& dimensions, const Dimensions& pair,
                          const Dimensions& effect, Inputs* inputs) {
  if (dimensions.log_concentration.size() != 1) {
    return "log_concentration: expected shape [M] for pairs of factors, got " +
           DimensionText(dimensions.log_concentration);
  }
  if (pair.size() != 2 || pair[1] != 2) {
    return "pair: expected shape [Q, 2], got " + DimensionText(pair);
  }
  if (effect.size() != 3 || effect[0] != pair[0] || effect[1] != kOrientations || effect[2] < 1) {
    return "effect: expected shape [Q, 2, K] with Q = " + std::to_string(pair[0]) + ", got " +
           DimensionText(effect);
  }
  inputs->pair_count = pair[0];
  inputs->knot_count = effect[2];
  return CheckDistance(*inputs);
}

InputError CheckPairPlaces(const OccupancyShape& shape, const Inputs& inputs) {
  for (int64_t i = 0; i < 2 * inputs.pair_count; ++i) {
    if (inputs.pair[i] >= 0 && inputs.pair[i] < shape.motif_count) continue;
    return "pair: expected places of motifs, 0 to " + std::to_string(shape.motif_count - 1) +
           ", got " + std::to_string(inputs.pair[i]) + " in pair " + std::to_string(i / 2);
  }
  return {};
}

}  // namespace cisreg::pairs
