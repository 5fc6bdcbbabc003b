#include "xla/problem.h"

#include <optional>

namespace cisreg {
namespace {

bool IsEmpty(const Dimensions& dimensions) {
  for (const int64_t size : dimensions) {
    if (size == 0) return true;
  }
  return false;
}

// What compiled the call and what carries it out are of one build, unless the program was stored.
InputError Mismatch(const std::string& what) {
  return what + "; compile the program with this build of cisreg";
}

// Takes the arguments in their order.
class Arguments {
 public:
  explicit Arguments(const XlaCall& call) : call_(call) {}

  template <class T>
  void Take(const char* name, const T** numbers, Dimensions* dimensions) {
    if (next_ >= call_.argument_count()) return Fail(name, "is missing");
    *dimensions = call_.ArgumentDimensions(next_);
    *numbers = call_.ArgumentNumbers<T>(next_);
    if (*numbers == nullptr && !IsEmpty(*dimensions)) Fail(name, "has an unexpected type");
    ++next_;
  }

  // An argument that is there only where the attribute of its name says so.
  template <class T>
  void TakeOptional(const char* name, const T** numbers, std::optional<Dimensions>* dimensions) {
    *numbers = nullptr;
    if (Attribute(name, 1) == 0) return;
    dimensions->emplace();
    Take(name, numbers, &**dimensions);
  }

  // An attribute that is from 0 to `most`.
  int32_t Attribute(const char* name, int32_t most) {
    const int32_t number = call_.Attribute(name);
    if (0 <= number && number <= most) return number;
    Fail(name, "is not an attribute from 0 to " + std::to_string(most));
    return 0;
  }

  void Finish() {
    if (next_ != call_.argument_count()) Fail("arguments", "are more than the attributes tell");
  }

  const InputError& error() const { return error_; }

 private:
  void Fail(const char* name, const std::string& what) {
    if (error_.empty()) error_ = Mismatch(std::string(name) + " " + what);
  }

  const XlaCall& call_;
  int64_t next_ = 0;
  InputError error_;
};

InputError ReadProblem(Arguments* arguments, OccupancyProblem* problem, InputDimensions* sizes) {
  OccupancyInputs& inputs = problem->inputs;
  inputs = {};
  InputDimensions& dimensions = *sizes;
  arguments->Take("sequence", &inputs.sequence, &dimensions.sequence);
  arguments->Take("log_kd", &inputs.log_kd, &dimensions.log_kd);
  arguments->Take("log_concentration", &inputs.log_concentration, &dimensions.log_concentration);
  arguments->TakeOptional("position_weight", &inputs.position_weight, &dimensions.position_weight);
  arguments->TakeOptional("column_range", &inputs.column_range, &dimensions.column_range);
  arguments->TakeOptional("span", &inputs.span, &dimensions.span);
  arguments->TakeOptional("length", &inputs.length, &dimensions.length);
  arguments->TakeOptional("condition", &inputs.condition, &dimensions.condition);
  const int32_t compute_type = arguments->Attribute("compute_type", 2);
  const int32_t reduction = arguments->Attribute("reduction", 1);
  const bool same_padding = arguments->Attribute("same_padding", 1) == 1;
  if (!arguments->error().empty()) return arguments->error();
  inputs.compute_type = static_cast<ComputeType>(compute_type);
  problem->reduction = static_cast<Reduction>(reduction);
  const InputError error = CheckDimensions(dimensions, same_padding, &problem->shape);
  if (error.empty()) CountInputs(dimensions, &inputs);
  return error;
}

InputError CheckResultCount(const XlaCall& call, int64_t expected) {
  if (call.result_count() == expected) return {};
  return Mismatch("results: expected " + std::to_string(expected) + ", got " +
                  std::to_string(call.result_count()));
}

// The numbers of a result of these sizes; null where it is another one.
float* TakeResult(const XlaCall& call, int64_t index, const Dimensions& expected,
                  InputError* error) {
  if (call.ResultDimensions(index) == expected) {
    float* const numbers = call.ResultNumbers<float>(index);
    if (numbers != nullptr || IsEmpty(expected)) return numbers;
  }
  *error = Mismatch("result " + std::to_string(index) + ": expected float32 of shape " +
                    DimensionText(expected));
  return nullptr;
}

}  // namespace

InputError ReadForward(const XlaCall& call, ForwardCall* read) {
  Arguments arguments(call);
  InputDimensions dimensions;
  InputError error = ReadProblem(&arguments, &read->problem, &dimensions);
  arguments.Finish();
  if (error.empty()) error = arguments.error();
  const bool weighted = read->problem.inputs.weighted();
  if (error.empty()) error = CheckResultCount(call, weighted ? 2 : 1);
  if (!error.empty()) return error;
  const OutputDimensions sums = FindOutputDimensions(dimensions);
  read->outputs = {};
  read->outputs.bound = TakeResult(call, 0, sums.bound, &error);
  if (weighted) read->outputs.weighted = TakeResult(call, 1, sums.weighted, &error);
  return error;
}

InputError ReadBackward(const XlaCall& call, BackwardCall* read) {
  Arguments arguments(call);
  InputDimensions dimensions;
  InputError error = ReadProblem(&arguments, &read->problem, &dimensions);
  if (!error.empty()) return error;
  const bool weighted = read->problem.inputs.weighted();
  Dimensions bound, weighted_sums;
  read->upstream = {};
  arguments.Take("bound_gradient", &read->upstream.bound, &bound);
  if (weighted) arguments.Take("weighted_gradient", &read->upstream.weighted, &weighted_sums);
  arguments.Finish();
  error = arguments.error();
  if (error.empty()) error = CheckBoundGradient(dimensions, bound);
  if (error.empty() && weighted) error = CheckWeightedGradient(dimensions, weighted_sums);
  if (error.empty()) error = CheckResultCount(call, weighted ? 3 : 2);
  if (!error.empty()) return error;
  OccupancyGradients& gradients = read->gradients;
  gradients = {};
  gradients.log_kd = TakeResult(call, 0, dimensions.log_kd, &error);
  gradients.log_concentration = TakeResult(call, 1, dimensions.log_concentration, &error);
  if (weighted) {
    gradients.position_weight = TakeResult(call, 2, *dimensions.position_weight, &error);
  }
  return error;
}

}  // namespace cisreg
