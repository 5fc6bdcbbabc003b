// Handlers on the CPU: check, allocate, launch on XLA's threads.

#include <cstdlib>
#include <memory>

#include "common/cache_line.h"
#include "occupancy/launch.h"
#include "xla/handlers.h"
#include "xla/pool.h"
#include "xla/problem.h"

namespace cisreg {
namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Workspace = std::unique_ptr<char, Free>;

// XLA's interface allocates on GPUs only.
Workspace Allocate(size_t bytes) {
  return Workspace(static_cast<char*>(std::aligned_alloc(kCacheLine, RoundToLine(bytes))));
}

XLA_FFI_Error* Invalid(const XlaCall& call, const InputError& error) {
  return call.Error(XLA_FFI_Error_Code_INVALID_ARGUMENT, error);
}

XLA_FFI_Error* NoMemory(const XlaCall& call, size_t bytes) {
  return call.Error(XLA_FFI_Error_Code_RESOURCE_EXHAUSTED,
                    "the occupancy operation needs " + std::to_string(bytes) +
                        " bytes beside its inputs and outputs, which are not to be had");
}

}  // namespace

XLA_FFI_Error* HostForward(XLA_FFI_CallFrame* frame) {
  const XlaCall call(frame);
  if (call.AnswersQuestion()) return nullptr;
  ForwardCall read;
  InputError error = ReadForward(call, &read);
  const OccupancyProblem& problem = read.problem;
  if (error.empty()) error = CheckValues(problem.shape, problem.inputs);
  if (!error.empty()) return Invalid(call, error);
  if (problem.shape.sequence_count == 0) return nullptr;
  OccupancyLaunch launch(SelectKernels(), problem.shape, problem.reduction, problem.inputs, false);
  const Executor executor = XlaPoolExecutor(call);
  const size_t bytes = launch.Workspace(executor).total();
  const Workspace workspace = Allocate(bytes);
  if (workspace == nullptr) return NoMemory(call, bytes);
  launch.Forward(executor, workspace.get(), read.outputs);
  return nullptr;
}

XLA_FFI_Error* HostBackward(XLA_FFI_CallFrame* frame) {
  const XlaCall call(frame);
  if (call.AnswersQuestion()) return nullptr;
  BackwardCall read;
  InputError error = ReadBackward(call, &read);
  const OccupancyProblem& problem = read.problem;
  if (error.empty()) error = CheckValues(problem.shape, problem.inputs);
  if (!error.empty()) return Invalid(call, error);
  OccupancyLaunch launch(SelectKernels(), problem.shape, problem.reduction, problem.inputs, true);
  const Executor executor = XlaPoolExecutor(call);
  const size_t bytes = launch.Workspace(executor).total();
  const Workspace workspace = Allocate(bytes);
  if (workspace == nullptr) return NoMemory(call, bytes);
  launch.Backward(executor, workspace.get(), read.upstream, read.gradients);
  return nullptr;
}

}  // namespace cisreg
