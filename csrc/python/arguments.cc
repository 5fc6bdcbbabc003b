#include "python/arguments.h"

#include <algorithm>
#include <stdexcept>

namespace cisreg {
namespace {

template <class T>
bool HasShape(const Array<T>& array, const std::vector<int64_t>& shape) {
  return std::equal(shape.begin(), shape.end(), array.shape(), array.shape() + array.ndim());
}

ComputeType ComputeTypeNamed(const std::string& name) {
  if (name == "float32") return ComputeType::kFloat32;
  if (name == "bfloat16") return ComputeType::kBfloat16;
  Require(name == "float16",
          "compute_dtype: expected 'float32', 'bfloat16' or 'float16', got '" + name + "'");
  return ComputeType::kFloat16;
}

OccupancyShape CheckShapes(const OccupancyArrays& arrays) {
  const Array<float>& log_kd = arrays.log_kd;
  Require(arrays.sequence.ndim() == 2, "sequence: expected [N, L]");
  Require(log_kd.ndim() == 3 && log_kd.shape(1) == kBases, "log_kd: expected [W, 4, M]");
  const bool same_padding = arrays.padding == "same";
  Require(same_padding || arrays.padding == "valid", "padding: expected 'same' or 'valid'");
  const OccupancyShape shape =
      MakeOccupancyShape(arrays.sequence.shape(0), arrays.sequence.shape(1), log_kd.shape(0),
                         log_kd.shape(2), same_padding);
  Require(shape.width > 0 && shape.motif_count > 0, "log_kd: expected W and M of at least 1");
  Require(same_padding || shape.window_count >= 1, "padding: 'valid' wants W of at most L");
  Require(HasShape(arrays.log_concentration, {shape.motif_count}),
          "log_concentration: expected [M]");
  Require(!arrays.position_weight || HasShape(*arrays.position_weight, WeightShape(shape)),
          "position_weight: expected [2, P, M]");
  Require(!arrays.column_range || HasShape(*arrays.column_range, {2, shape.motif_count}),
          "column_range: expected [2, M]");
  Require(!arrays.span || HasShape(*arrays.span, {2}) ||
              HasShape(*arrays.span, {shape.sequence_count, 2}),
          "span: expected [2] or [N, 2]");
  return shape;
}

void CheckValues(const OccupancyArrays& arrays, const OccupancyShape& shape) {
  for (int64_t motif = 0; arrays.column_range && motif < shape.motif_count; ++motif) {
    const int64_t first = arrays.column_range->at(0, motif),
                  end = arrays.column_range->at(1, motif);
    Require(0 <= first && first <= end && end <= shape.width,
            "column_range: expected 0 <= first <= end <= W");
  }
  for (ssize_t i = 0; arrays.span && i < arrays.span->size(); ++i) {
    const int64_t edge = arrays.span->data()[i];
    Require(0 <= edge && edge <= shape.length,
            "span: expected begin and end between 0 and L = " + std::to_string(shape.length) +
                ", got " + std::to_string(edge));
  }
  for (ssize_t i = 0; i < arrays.sequence.size(); ++i) {
    Require(arrays.sequence.data()[i] <= kUnknownBase, "sequence: expected codes of at most 4");
  }
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

OccupancyProblem CheckArguments(const OccupancyArrays& arrays) {
  Require(arrays.reduction == "expected" || arrays.reduction == "log_unbound",
          "reduction: expected 'expected' or 'log_unbound'");
  OccupancyProblem problem;
  problem.shape = CheckShapes(arrays);
  CheckValues(arrays, problem.shape);
  problem.reduction =
      arrays.reduction == "expected" ? Reduction::kExpected : Reduction::kLogUnbound;
  OccupancyInputs& inputs = problem.inputs;
  inputs = {};
  inputs.compute_type = ComputeTypeNamed(arrays.compute_dtype);
  inputs.weighted = arrays.position_weight.has_value();
  inputs.sequence = arrays.sequence.data();
  inputs.log_kd = arrays.log_kd.data();
  inputs.log_concentration = arrays.log_concentration.data();
  if (arrays.position_weight) inputs.position_weight = arrays.position_weight->data();
  if (arrays.column_range) inputs.column_range = arrays.column_range->data();
  if (arrays.span) {
    inputs.span = arrays.span->data();
    inputs.span_stride = arrays.span->ndim() == 2 ? 2 : 0;
  }
  return problem;
}

OccupancyUpstream CheckUpstream(const OccupancyProblem& problem, const Array<float>& bound_gradient,
                                const std::optional<Array<float>>& weighted_gradient) {
  const std::vector<int64_t> sums = SumShape(problem.shape);
  Require(HasShape(bound_gradient, sums), "bound_gradient: expected [N, 2, M]");
  Require(weighted_gradient.has_value() == problem.inputs.weighted &&
              (!weighted_gradient || HasShape(*weighted_gradient, sums)),
          "weighted_gradient: expected [N, 2, M] exactly where position_weight is given");
  return {bound_gradient.data(), weighted_gradient ? weighted_gradient->data() : nullptr};
}

std::vector<int64_t> SumShape(const OccupancyShape& shape) {
  return {shape.sequence_count, kStrands, shape.motif_count};
}

std::vector<int64_t> WeightShape(const OccupancyShape& shape) {
  return {kStrands, shape.window_count, shape.motif_count};
}

OutputArrays::OutputArrays(const OccupancyProblem& problem) : bound(SumShape(problem.shape)) {
  if (problem.inputs.weighted) weighted.emplace(SumShape(problem.shape));
  pointers = {bound.mutable_data(), weighted ? weighted->mutable_data() : nullptr};
}

GradientArrays::GradientArrays(const OccupancyProblem& problem)
    : log_kd(std::vector<int64_t>{problem.shape.width, kBases, problem.shape.motif_count}),
      log_concentration(problem.shape.motif_count) {
  if (problem.inputs.weighted) position_weight.emplace(WeightShape(problem.shape));
  pointers = {log_kd.mutable_data(), log_concentration.mutable_data(),
              position_weight ? position_weight->mutable_data() : nullptr};
}

}  // namespace cisreg
