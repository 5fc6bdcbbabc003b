// CPU kernels of the occupancy ops: check, allocate, launch on TensorFlow's own threads.

#include <algorithm>
#include <cmath>

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

// In cycles. Work below the first number runs on one thread; tasks below the second are joined.
constexpr int64_t kWorthSharing = 500000;
constexpr int64_t kWorthStarting = 20000;

absl::Status CheckFinite(const char* name, const Tensor& tensor) {
  const float* values = tensor.flat<float>().data();
  const int64_t count = tensor.NumElements();
  bool finite = true;
  for (int64_t i = 0; i < count; ++i) finite &= std::isfinite(values[i]);
  if (finite) return absl::OkStatus();
  int64_t at = 0;
  while (std::isfinite(values[at])) ++at;
  return absl::InvalidArgumentError(absl::StrCat(name, ": expected finite numbers, got ",
                                                 values[at], " at flat index ", at, " of shape ",
                                                 tensor.shape().DebugString()));
}

absl::Status CheckCodes(const Tensor& sequence) {
  const uint8_t* codes = sequence.flat<uint8_t>().data();
  const int64_t count = sequence.NumElements();
  uint8_t largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = codes[i] > largest ? codes[i] : largest;
  if (largest <= kUnknownBase) return absl::OkStatus();
  int64_t at = 0;
  while (codes[at] <= kUnknownBase) ++at;
  const int64_t length = sequence.dim_size(1);
  return absl::InvalidArgumentError(absl::StrCat(
      "sequence: expected base codes 0 to 4 (A C G T other), got ", static_cast<int>(codes[at]),
      " in sequence ", at / length, " at base ", at % length, "; encode text with cisreg.encode"));
}

absl::Status CheckColumnRange(const int32_t* first, const OccupancyShape& shape) {
  const int32_t* end = first + shape.motif_count;
  for (int64_t motif = 0; motif < shape.motif_count; ++motif) {
    if (0 <= first[motif] && first[motif] <= end[motif] && end[motif] <= shape.width) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("column_range: expected 0 <= first <= end <= W = ", shape.width, ", got ",
                     first[motif], " and ", end[motif], " for motif ", motif));
  }
  return absl::OkStatus();
}

absl::Status CheckSpan(const OccupancyInputs& inputs, const OccupancyShape& shape) {
  const int64_t count = inputs.span_stride == 0 ? 1 : shape.sequence_count;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t* span = inputs.span + 2 * i;
    if (0 <= span[0] && span[0] <= shape.length && 0 <= span[1] && span[1] <= shape.length) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "span: expected begin and end between 0 and L = ", shape.length, ", got ", span[0], " and ",
        span[1], inputs.span_stride == 0 ? "" : absl::StrCat(" for sequence ", i)));
  }
  return absl::OkStatus();
}

// What both ops share on the CPU: checks of the numbers, threads, memory.
class OccupancyCpuOpBase : public OccupancyOpBase {
 public:
  using OccupancyOpBase::OccupancyOpBase;

 protected:
  absl::Status CheckInputs(OpKernelContext* context, OccupancyProblem* problem) const {
    TF_RETURN_IF_ERROR(OccupancyOpBase::CheckInputs(context, problem));
    TF_RETURN_IF_ERROR(CheckCodes(context->input(0)));
    TF_RETURN_IF_ERROR(CheckFinite("log_kd", context->input(1)));
    TF_RETURN_IF_ERROR(CheckFinite("log_concentration", context->input(2)));
    if (problem->inputs.weighted) {
      TF_RETURN_IF_ERROR(CheckFinite("position_weight", context->input(3)));
    }
    if (problem->inputs.column_range != nullptr) {
      TF_RETURN_IF_ERROR(CheckColumnRange(problem->inputs.column_range, problem->shape));
    }
    if (problem->inputs.span == nullptr) return absl::OkStatus();
    return CheckSpan(problem->inputs, problem->shape);
  }

  static Executor ThreadPoolExecutor(OpKernelContext* context) {
    tsl::thread::ThreadPool* pool = context->device()->tensorflow_cpu_worker_threads()->workers;
    Executor executor;
    // The calling thread may take part besides the pool's own.
    executor.worker_count = pool->NumThreads() + 1;
    executor.parallel_for = [pool](int64_t count, int64_t cost,
                                   const std::function<void(int64_t, int)>& task) {
      const auto run = [&task](int64_t begin, int64_t end, int worker) {
        for (int64_t i = begin; i < end; ++i) task(i, worker);
      };
      if (count * cost < kWorthSharing) return run(0, count, 0);
      // Not the adaptive scheduling: it joins items until only a few are left, and these differ in
      // size.
      const int64_t together = std::max<int64_t>(1, kWorthStarting / std::max<int64_t>(1, cost));
      pool->ParallelForWithWorkerId(
          count, tsl::thread::ThreadPool::SchedulingParams::Fixed(together), run);
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
