// CPU kernels of the occupancy ops: check, allocate, launch on TensorFlow's own threads.

#include <algorithm>
#include <memory>

#include "common/shared_items.h"
#include "occupancy/checks.h"
#include "occupancy/launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/lib/core/threadpool.h"
#include "tensorflow/occupancy_checks.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_CPU;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// What both ops share on the CPU: checks of the numbers, threads, memory.
class OccupancyCpuOpBase : public OccupancyOpBase {
 public:
  using OccupancyOpBase::OccupancyOpBase;

 protected:
  absl::Status CheckInputs(OpKernelContext* context, OccupancyProblem* problem) const {
    TF_RETURN_IF_ERROR(OccupancyOpBase::CheckInputs(context, problem));
    const InputError error = CheckValues(problem->shape, problem->inputs);
    return error.empty() ? absl::OkStatus() : absl::InvalidArgumentError(error);
  }

  static Executor ThreadPoolExecutor(OpKernelContext* context) {
    tsl::thread::ThreadPool* pool = context->device()->tensorflow_cpu_worker_threads()->workers;
    Executor executor;
    // The calling thread is one of the workers.
    executor.worker_count = std::max(1, pool->NumThreads());
    executor.parallel_for = [pool, workers = executor.worker_count](int64_t count, int64_t cost,
                                                                    const SharedItems::Task& task) {
      ShareItems(count, cost, workers, task,
                 [pool](const std::shared_ptr<SharedItems>& items, int worker) {
                   pool->Schedule([items, worker] { items->Work(worker); });
                   return true;
                 });
    };
    return executor;
  }

  // Workspace aligned to a cache line, as the kernels require.
  static absl::Status Allocate(OpKernelContext* context, size_t bytes, Tensor* tensor,
                               char** memory) {
    constexpr size_t kLine = 64;
    TF_RETURN_IF_ERROR(context->allocate_temp(
        tensorflow::DT_INT8, TensorShape({static_cast<int64_t>(bytes + kLine)}), tensor));
    char* const start = reinterpret_cast<char*>(tensor->flat<int8_t>().data());
    *memory = start + (kLine - reinterpret_cast<uintptr_t>(start) % kLine) % kLine;
    return absl::OkStatus();
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
    OP_REQUIRES_OK(context,
                   Allocate(context, launch.Workspace(executor).total(), &workspace, &memory));
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
    OP_REQUIRES_OK(context,
                   Allocate(context, launch.Workspace(executor).total(), &workspace, &memory));
    launch.Backward(executor, memory, upstream, gradients);
  }
};

REGISTER_KERNEL_BUILDER(Name("Cisreg>Occupancy").Device(DEVICE_CPU), OccupancyOp);
REGISTER_KERNEL_BUILDER(Name("Cisreg>OccupancyGrad").Device(DEVICE_CPU), OccupancyGradOp);

}  // namespace
}  // namespace cisreg
