// Arguments of functions of sites that exclude each other.

#ifndef CISREG_CSRC_PYTHON_EXCLUSIVE_ARGUMENTS_H_
#define CISREG_CSRC_PYTHON_EXCLUSIVE_ARGUMENTS_H_

#include <optional>

#include "exclusive/checks.h"
#include "python/arguments.h"

namespace cisreg {

// What sites that exclude each other take beside the occupancy's arguments.
struct ExclusiveArrays {
  const std::optional<Array<int32_t>>& footprint;
  const std::optional<Array<int32_t>>& competitor_width;
  const std::optional<Array<float>>& competitor_log_odds;
};

inline exclusive::Problem CheckExclusive(const OccupancyArrays& arrays,
                                         const ExclusiveArrays& more) {
  const ArrayProblem occupancy = CheckArguments(arrays);
  exclusive::Problem problem = {occupancy.shape, {}};
  exclusive::Inputs& inputs = problem.inputs;
  inputs.scan = occupancy.inputs;
  inputs.position_weight = occupancy.inputs.position_weight;
  inputs.scan.position_weight = nullptr;
  inputs.scan.weight_sets = 0;
  std::optional<Dimensions> sizes;
  if (more.footprint) {
    inputs.footprint = more.footprint->data();
    sizes = SizesOf(*more.footprint);
  }
  InputError error =
      exclusive::CheckExclusiveDimensions(occupancy.dimensions, sizes, problem.shape);
  if (error.empty()) error = exclusive::CheckFootprints(problem.shape, inputs);
  Require(more.competitor_width.has_value() == more.competitor_log_odds.has_value(),
          "competitor_width, competitor_log_odds: expected both or neither, got one");
  if (error.empty() && more.competitor_width) {
    inputs.competitor_width = more.competitor_width->data();
    inputs.competitor_log_odds = more.competitor_log_odds->data();
    error = exclusive::CheckCompetitors(SizesOf(*more.competitor_width),
                                        SizesOf(*more.competitor_log_odds), &inputs);
    if (error.empty()) error = exclusive::CheckCompetitorOdds(inputs);
  }
  Require(error.empty(), error);
  return problem;
}

// A new array, or none.
inline std::optional<pybind11::array_t<float>> NewArray(bool wanted, const Dimensions& sizes) {
  if (!wanted) return {};
  return pybind11::array_t<float>(sizes);
}

inline float* DataOf(std::optional<pybind11::array_t<float>>& array) {
  return array ? array->mutable_data() : nullptr;
}

// New arrays for sums, and where the kernels write them. `sites`: those of competitors, too.
struct ExclusiveSumArrays {
  ExclusiveSumArrays(const exclusive::Problem& problem, bool wants_sites)
      : bound(problem.sums()),
        weighted(NewArray(problem.weighted(), problem.sums())),
        log_partition(problem.shape.sequence_count),
        competitors(NewArray(problem.has_competitors(), problem.competitors())),
        sites(NewArray(wants_sites, {problem.shape.sequence_count, problem.inputs.competitor_count,
                                     problem.shape.length})),
        pointers{bound.mutable_data(), DataOf(weighted), log_partition.mutable_data(),
                 DataOf(competitors), DataOf(sites)} {}

  pybind11::array_t<float> bound;
  std::optional<pybind11::array_t<float>> weighted;
  pybind11::array_t<float> log_partition;
  std::optional<pybind11::array_t<float>> competitors;
  std::optional<pybind11::array_t<float>> sites;
  exclusive::Outputs pointers;
};

// Incoming gradients, of the sums' shapes.
inline exclusive::Upstream CheckExclusiveUpstream(const exclusive::Problem& problem,
                                                  const Array<float>& bound,
                                                  const std::optional<Array<float>>& weighted,
                                                  const Array<float>& log_partition,
                                                  const std::optional<Array<float>>& competitors) {
  Require(weighted.has_value() == problem.weighted(),
          "weighted_gradient: expected [N, 2, M] exactly where position_weight is given");
  Require(competitors.has_value() == problem.has_competitors(),
          "competitor_gradient: expected [N, Q] exactly where there are competitors");
  return {CheckGradient("bound_gradient", bound, problem.sums()),
          weighted ? CheckGradient("weighted_gradient", *weighted, problem.sums()) : nullptr,
          CheckGradient("log_partition_gradient", log_partition, {problem.shape.sequence_count}),
          competitors ? CheckGradient("competitor_gradient", *competitors, problem.competitors())
                      : nullptr};
}

struct ExclusiveGradientArrays {
  explicit ExclusiveGradientArrays(const exclusive::Problem& problem)
      : log_kd(Dimensions{problem.shape.width, kBases, problem.shape.motif_count}),
        log_concentration(problem.shape.motif_count),
        position_weight(NewArray(
            problem.weighted(), {kStrands, problem.shape.window_count, problem.shape.motif_count})),
        competitors(NewArray(problem.has_competitors(), {problem.inputs.competitor_count})),
        pointers{log_kd.mutable_data(), log_concentration.mutable_data(), DataOf(position_weight),
                 DataOf(competitors)} {}
  pybind11::tuple ToTuple() const {
    return pybind11::make_tuple(log_kd, log_concentration, position_weight, competitors);
  }

  pybind11::array_t<float> log_kd;
  pybind11::array_t<float> log_concentration;
  std::optional<pybind11::array_t<float>> position_weight;
  std::optional<pybind11::array_t<float>> competitors;
  exclusive::Gradients pointers;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_PYTHON_EXCLUSIVE_ARGUMENTS_H_
