// CPU kernels of the occupancy ops: check, allocate, launch on TensorFlow's own threads.

#include "occupancy/checks.h"
#include "occupancy/launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/execution.h"
#include "tensorflow/occupancy_checks.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_CPU;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

// What both ops share on the CPU: checks of the numbers.
class OccupancyCpuOpBase : public OccupancyOpBase {
 public:
  using OccupancyOpBase::OccupancyOpBase;

 protected:
  absl::Status CheckInputs(OpKernelContext* context, OccupancyProblem* problem) const {
    TF_RETURN_IF_ERROR(OccupancyOpBase::CheckInputs(context, problem));
    const InputError error = CheckValues(problem->shape, problem->inputs);
    return error.empty() ? absl::OkStatus() : absl::InvalidArgumentError(error);
  }
};

class OccupancyOp : public OccupancyCpuOpBase {
 public:
  using OccupancyCpuOpBase::OccupancyCpuOpBase;

  void Compute(OpKernelContext* context) override {
    OccupancyProblem problem;
    OccupancyOutputs outputs;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    OP_REQUIRES_OK(context, AllocateOutputs(context, problem, &outputs));
    if (problem.shape.sequence_count == 0) return;
    OccupancyLaunch launch(SelectKernels(), problem.shape, problem.reduction, problem.inputs,
                           false);
    const Executor executor = ThreadPoolExecutor(context);
    Tensor workspace;
    char* memory = nullptr;
    OP_REQUIRES_OK(context, AllocateWorkspace(context, launch.Workspace(executor).total(),
                                              &workspace, &memory));
    launch.Forward(executor, memory, outputs);
  }
};

class OccupancyGradOp : public OccupancyCpuOpBase {
 public:
  using OccupancyCpuOpBase::OccupancyCpuOpBase;

  void Compute(OpKernelContext* context) override {
    OccupancyProblem problem;
    OccupancyUpstream upstream;
    OccupancyGradients gradients;
    OP_REQUIRES_OK(context, CheckInputs(context, &problem));
    OP_REQUIRES_OK(context, CheckUpstream(context, problem, &upstream));
    OP_REQUIRES_OK(context, AllocateGradients(context, problem, &gradients));
    OccupancyLaunch launch(SelectKernels(), problem.shape, problem.reduction, problem.inputs, true);
    const Executor executor = ThreadPoolExecutor(context);
    Tensor workspace;
    char* memory = nullptr;
    OP_REQUIRES_OK(context, AllocateWorkspace(context, launch.Workspace(executor).total(),
                                              &workspace, &memory));
    launch.Backward(executor, memory, upstream, gradients);
  }
};

REGISTER_KERNEL_BUILDER(Name("Cisreg>Occupancy").Device(DEVICE_CPU), OccupancyOp);
REGISTER_KERNEL_BUILDER(Name("Cisreg>OccupancyGrad").Device(DEVICE_CPU), OccupancyGradOp);

}  // namespace
}  // namespace cisreg
