#include "python/arguments.h"

#include <stdexcept>

namespace cisreg {
namespace {

template <class T>
std::optional<Dimensions> SizesOf(const std::optional<Array<T>>& array) {
  if (!array) return {};
  return cisreg::SizesOf(*array);
}

void RequireNone(const InputError& error) { Require(error.empty(), error); }

ComputeType ComputeTypeNamed(const std::string& name) {
  if (name == "float32") return ComputeType::kFloat32;
  if (name == "bfloat16") return ComputeType::kBfloat16;
  Require(name == "float16",
          "compute_dtype: expected 'float32', 'bfloat16' or 'float16', got '" + name + "'");
  return ComputeType::kFloat16;
}

}  // namespace

void Require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

void RequireThreads(int threads) {
  constexpr int kMostThreads = 1024;
  Require(1 <= threads && threads <= kMostThreads, "threads: expected 1 to " +
                                                       std::to_string(kMostThreads) + ", got " +
                                                       std::to_string(threads));
}

ArrayProblem CheckArguments(const OccupancyArrays& arrays) {
  Require(arrays.reduction == "expected" || arrays.reduction == "log_unbound",
          "reduction: expected 'expected' or 'log_unbound', got '" + arrays.reduction + "'");
  Require(arrays.padding == "same" || arrays.padding == "valid",
          "padding: expected 'same' or 'valid', got '" + arrays.padding + "'");
  ArrayProblem problem;
  problem.dimensions = {SizesOf(arrays.sequence),
                        SizesOf(arrays.log_kd),
                        SizesOf(arrays.log_concentration),
                        SizesOf(arrays.position_weight),
                        SizesOf(arrays.column_range),
                        SizesOf(arrays.span),
                        SizesOf(arrays.length),
                        SizesOf(arrays.condition)};
  RequireNone(CheckDimensions(problem.dimensions, arrays.padding == "same", &problem.shape));
  problem.reduction =
      arrays.reduction == "expected" ? Reduction::kExpected : Reduction::kLogUnbound;
  OccupancyInputs& inputs = problem.inputs;
  inputs = {};
  inputs.compute_type = ComputeTypeNamed(arrays.compute_dtype);
  CountInputs(problem.dimensions, &inputs);
  inputs.sequence = arrays.sequence.data();
  inputs.log_kd = arrays.log_kd.data();
  inputs.log_concentration = arrays.log_concentration.data();
  if (arrays.position_weight) inputs.position_weight = arrays.position_weight->data();
  if (arrays.column_range) inputs.column_range = arrays.column_range->data();
  if (arrays.span) inputs.span = arrays.span->data();
  if (arrays.length) inputs.length = arrays.length->data();
  if (arrays.condition) inputs.condition = arrays.condition->data();
  RequireNone(CheckPlaces(problem.shape, inputs));
  return problem;
}

const float* CheckGradient(const char* name, const Array<float>& gradient,
                           const Dimensions& expected) {
  const Dimensions sizes = SizesOf(gradient);
  Require(sizes == expected, std::string(name) + ": expected shape " + DimensionText(expected) +
                                 ", got " + DimensionText(sizes));
  return gradient.data();
}

OccupancyUpstream CheckUpstream(const ArrayProblem& problem, const Array<float>& bound_gradient,
                                const std::optional<Array<float>>& weighted_gradient) {
  Require(weighted_gradient.has_value() == problem.inputs.weighted(),
          "weighted_gradient: expected [N, 2, M] exactly where position_weight is given");
  RequireNone(CheckBoundGradient(problem.dimensions, SizesOf(bound_gradient)));
  if (weighted_gradient) {
    RequireNone(CheckWeightedGradient(problem.dimensions, SizesOf(*weighted_gradient)));
  }
  return {bound_gradient.data(), weighted_gradient ? weighted_gradient->data() : nullptr};
}

OutputArrays::OutputArrays(const ArrayProblem& problem)
    : bound(FindOutputDimensions(problem.dimensions).bound) {
  if (problem.inputs.weighted())
    weighted.emplace(FindOutputDimensions(problem.dimensions).weighted);
  pointers = {bound.mutable_data(), weighted ? weighted->mutable_data() : nullptr};
}

GradientArrays::GradientArrays(const ArrayProblem& problem)
    : log_kd(problem.dimensions.log_kd), log_concentration(problem.dimensions.log_concentration) {
  if (problem.inputs.weighted()) position_weight.emplace(*problem.dimensions.position_weight);
  pointers = {log_kd.mutable_data(), log_concentration.mutable_data(),
              position_weight ? position_weight->mutable_data() : nullptr};
}

}  // namespace cisreg
