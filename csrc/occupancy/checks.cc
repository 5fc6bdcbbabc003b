#include "occupancy/checks.h"

#include <cmath>
#include <sstream>

namespace cisreg {
namespace {

// The parts one after the other, as a stream prints them.
template <class... Parts>
std::string Text(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

InputError CheckSizes(const char* name, const Dimensions& given, const Dimensions& expected,
                      const char* letters) {
  if (given == expected) return {};
  return Text(name, ": expected shape ", letters, " = ", DimensionText(expected), ", got ",
              DimensionText(given));
}

InputError CheckSpanSizes(const Dimensions& span, int64_t sequence_count) {
  if (span == Dimensions{2} || span == Dimensions{sequence_count, 2}) return {};
  return Text("span: expected shape [2], begin and end for all sequences, or [N, 2] = [",
              sequence_count, ",2], one pair for each, got ", DimensionText(span));
}

InputError CheckRanks(const Dimensions& sequence, const Dimensions& log_kd, bool same_padding) {
  if (sequence.size() != 2) {
    return Text("sequence: expected base codes [N, L], got shape ", DimensionText(sequence));
  }
  // Larger ones, which are possible where the other size is 0, would overflow in products.
  constexpr int64_t kMost = (int64_t{1} << 31) - 1;
  if (sequence[0] > kMost || sequence[1] > kMost) {
    return Text("sequence: expected sizes below 2**31, got shape ", DimensionText(sequence));
  }
  if (log_kd.size() != 3 || log_kd[1] != kBases || log_kd[0] == 0 || log_kd[2] == 0) {
    return Text("log_kd: expected [W, 4, M] with W and M of at least 1, got shape ",
                DimensionText(log_kd));
  }
  if (!same_padding && sequence[1] < log_kd[0]) {
    return Text("padding: 'valid' expects sequences at least as long as the motifs, got L = ",
                sequence[1], " and W = ", log_kd[0], "; use padding = 'same'");
  }
  return {};
}

// Checks that all numbers pass `allowed`, which `expected` describes.
template <class Allowed>
InputError CheckNumbers(const char* name, const float* values, const Dimensions& dimensions,
                        const char* expected, const Allowed& allowed) {
  int64_t count = 1;
  for (const int64_t size : dimensions) count *= size;
  bool all = true;
  for (int64_t i = 0; i < count; ++i) all &= allowed(values[i]);
  if (all) return {};
  int64_t at = 0;
  while (allowed(values[at])) ++at;
  return Text(name, ": expected ", expected, ", got ", values[at], " at flat index ", at,
              " of shape ", DimensionText(dimensions));
}

InputError CheckFinite(const char* name, const float* values, const Dimensions& dimensions) {
  return CheckNumbers(name, values, dimensions, "finite numbers",
                      [](float value) { return std::isfinite(value); });
}

// Messages show an axis of conditions or of sets only where it has several: so the sizes are those
// of what is stored.
InputError CheckConcentration(const OccupancyShape& shape, const OccupancyInputs& inputs) {
  Dimensions dimensions = {shape.motif_count};
  if (inputs.condition_count > 1) dimensions.insert(dimensions.begin(), inputs.condition_count);
  return CheckNumbers("log_concentration", inputs.log_concentration, dimensions,
                      "finite numbers, or -inf where there is no factor",
                      [](float value) { return value < INFINITY; });
}

InputError CheckCodes(const OccupancyShape& shape, const uint8_t* codes) {
  const int64_t count = shape.sequence_count * shape.length;
  uint8_t largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = codes[i] > largest ? codes[i] : largest;
  if (largest <= kUnknownBase) return {};
  int64_t at = 0;
  while (codes[at] <= kUnknownBase) ++at;
  return Text("sequence: expected base codes 0 to 4 (A C G T other), got ",
              static_cast<int>(codes[at]), " in sequence ", at / shape.length, " at base ",
              at % shape.length, "; encode text with cisreg.encode");
}

InputError CheckSpan(const OccupancyShape& shape, const OccupancyInputs& inputs) {
  const int64_t count = inputs.span_stride == 0 ? 1 : shape.sequence_count;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t* span = inputs.span + 2 * i;
    if (0 <= span[0] && span[0] <= shape.length && 0 <= span[1] && span[1] <= shape.length) {
      continue;
    }
    return Text("span: expected begin and end between 0 and L = ", shape.length, ", got ", span[0],
                " and ", span[1], inputs.span_stride == 0 ? "" : Text(" for sequence ", i));
  }
  return {};
}

InputError CheckLength(const OccupancyShape& shape, const int32_t* length) {
  for (int64_t i = 0; i < shape.sequence_count; ++i) {
    if (0 <= length[i] && length[i] <= shape.length) continue;
    return Text("length: expected 0 to L = ", shape.length, " bases for each sequence, got ",
                length[i], " for sequence ", i, "; count the bases before the padding");
  }
  return {};
}

InputError CheckCondition(const OccupancyShape& shape, const OccupancyInputs& inputs) {
  const int32_t* const condition = inputs.condition;
  for (int64_t i = 0; i < shape.sequence_count; ++i) {
    if (0 <= condition[i] && condition[i] < inputs.condition_count) continue;
    return Text("condition: expected 0 to C - 1 = ", inputs.condition_count - 1,
                " for each sequence, got ", condition[i], " for sequence ", i,
                "; conditions are rows of log_concentration, counted from 0");
  }
  return {};
}

InputError CheckConcentrationSizes(const InputDimensions& inputs, int64_t motif_count) {
  const Dimensions& given = inputs.log_concentration;
  if (inputs.condition && given.size() != 2) {
    return Text("condition: expected log_concentration [C, M], a row for each condition, got ",
                DimensionText(given), "; leave condition out where there is only one");
  }
  if (given.size() != 2) return CheckSizes("log_concentration", given, {motif_count}, "[M]");
  if (given[0] == 0) {
    return Text("log_concentration: expected [C, M] with C of at least 1, got shape ",
                DimensionText(given));
  }
  return CheckSizes("log_concentration", given, {given[0], motif_count}, "[C, M]");
}

InputError CheckWeightSizes(const Dimensions& given, const OccupancyShape& shape) {
  const int64_t windows = shape.window_count, motifs = shape.motif_count;
  if (given.size() != 4) {
    return CheckSizes("position_weight", given, {kStrands, windows, motifs}, "[2, P, M]");
  }
  if (given[0] == 0) {
    return Text("position_weight: expected [K, 2, P, M] with K of at least 1, got shape ",
                DimensionText(given));
  }
  return CheckSizes("position_weight", given, {given[0], kStrands, windows, motifs},
                    "[K, 2, P, M]");
}

}  // namespace

bool HasConditionAxis(const InputDimensions& inputs) {
  return inputs.log_concentration.size() == 2 && !inputs.condition;
}

bool HasSetAxis(const InputDimensions& inputs) {
  return inputs.position_weight && inputs.position_weight->size() == 4;
}

OutputDimensions FindOutputDimensions(const InputDimensions& inputs) {
  OutputDimensions outputs;
  outputs.bound = {inputs.sequence[0]};
  if (HasConditionAxis(inputs)) outputs.bound.push_back(inputs.log_concentration[0]);
  outputs.weighted = outputs.bound;
  if (HasSetAxis(inputs)) outputs.weighted.push_back((*inputs.position_weight)[0]);
  for (Dimensions* each : {&outputs.bound, &outputs.weighted}) {
    each->insert(each->end(), {kStrands, inputs.log_kd[2]});
  }
  return outputs;
}

void CountInputs(const InputDimensions& dimensions, OccupancyInputs* inputs) {
  if (dimensions.position_weight) {
    inputs->weight_sets = HasSetAxis(dimensions) ? (*dimensions.position_weight)[0] : 1;
  }
  const Dimensions& concentration = dimensions.log_concentration;
  inputs->condition_count = concentration.size() == 2 ? concentration[0] : 1;
  inputs->span_stride = dimensions.span && dimensions.span->size() == 2 ? 2 : 0;
}

std::string DimensionText(const Dimensions& dimensions) {
  std::string text;
  for (const int64_t size : dimensions) text += (text.empty() ? "" : ",") + std::to_string(size);
  return "[" + text + "]";
}

InputError CheckDimensions(const InputDimensions& inputs, bool same_padding,
                           OccupancyShape* shape) {
  InputError error = CheckRanks(inputs.sequence, inputs.log_kd, same_padding);
  if (!error.empty()) return error;
  *shape = MakeOccupancyShape(inputs.sequence[0], inputs.sequence[1], inputs.log_kd[0],
                              inputs.log_kd[2], same_padding);
  const int64_t motif_count = shape->motif_count;
  error = CheckConcentrationSizes(inputs, motif_count);
  if (error.empty() && inputs.position_weight) {
    error = CheckWeightSizes(*inputs.position_weight, *shape);
  }
  if (error.empty() && inputs.column_range) {
    error = CheckSizes("column_range", *inputs.column_range, {2, motif_count}, "[2, M]");
  }
  if (error.empty() && inputs.span) error = CheckSpanSizes(*inputs.span, shape->sequence_count);
  if (error.empty() && inputs.length) {
    error = CheckSizes("length", *inputs.length, {shape->sequence_count}, "[N]");
  }
  if (error.empty() && inputs.condition) {
    error = CheckSizes("condition", *inputs.condition, {shape->sequence_count}, "[N]");
  }
  return error;
}

InputError CheckBoundGradient(const InputDimensions& inputs, const Dimensions& gradient) {
  return CheckSizes("bound_gradient", gradient, FindOutputDimensions(inputs).bound,
                    HasConditionAxis(inputs) ? "[N, C, 2, M]" : "[N, 2, M]");
}

InputError CheckWeightedGradient(const InputDimensions& inputs, const Dimensions& gradient) {
  const char* const plain = HasConditionAxis(inputs) ? "[N, C, 2, M]" : "[N, 2, M]";
  const char* const sets = HasConditionAxis(inputs) ? "[N, C, K, 2, M]" : "[N, K, 2, M]";
  return CheckSizes("weighted_gradient", gradient, FindOutputDimensions(inputs).weighted,
                    HasSetAxis(inputs) ? sets : plain);
}

InputError CheckColumnRange(const OccupancyShape& shape, const int32_t* first) {
  const int32_t* end = first + shape.motif_count;
  for (int64_t motif = 0; motif < shape.motif_count; ++motif) {
    if (0 <= first[motif] && first[motif] <= end[motif] && end[motif] <= shape.width) continue;
    return Text("column_range: expected 0 <= first <= end <= W = ", shape.width, ", got ",
                first[motif], " and ", end[motif], " for motif ", motif);
  }
  return {};
}

InputError CheckPlaces(const OccupancyShape& shape, const OccupancyInputs& inputs) {
  InputError error = CheckCodes(shape, inputs.sequence);
  if (error.empty() && inputs.column_range != nullptr) {
    error = CheckColumnRange(shape, inputs.column_range);
  }
  if (error.empty() && inputs.span != nullptr) error = CheckSpan(shape, inputs);
  if (error.empty() && inputs.length != nullptr) error = CheckLength(shape, inputs.length);
  if (error.empty() && inputs.condition != nullptr) error = CheckCondition(shape, inputs);
  return error;
}

InputError CheckValues(const OccupancyShape& shape, const OccupancyInputs& inputs) {
  InputError error = CheckPlaces(shape, inputs);
  if (error.empty()) {
    error = CheckFinite("log_kd", inputs.log_kd, {shape.width, kBases, shape.motif_count});
  }
  if (error.empty()) error = CheckConcentration(shape, inputs);
  if (error.empty() && inputs.weighted()) {
    Dimensions weights = {kStrands, shape.window_count, shape.motif_count};
    if (inputs.weight_sets > 1) weights.insert(weights.begin(), inputs.weight_sets);
    error = CheckFinite("position_weight", inputs.position_weight, weights);
  }
  return error;
}

}  // namespace cisreg
