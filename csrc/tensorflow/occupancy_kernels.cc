// CPU kernels of the occupancy ops: check, allocate, launch on TensorFlow's own threads.

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "occupancy/launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/lib/core/threadpool.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_CPU;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// Cycles: below the first, work is not worth sharing; tasks of less than the second are joined.
constexpr int64_t kWorthSharing = 500000;
constexpr int64_t kWorthStarting = 20000;

absl::Status CheckShape(const char* name, const Tensor& tensor, const TensorShape& expected,
                        const char* dimensions) {
  if (tensor.shape() == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": expected shape ", dimensions, " = ",
                                                 expected.DebugString(), ", got ",
                                                 tensor.shape().DebugString()));
}

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

// Optional inputs are lists of one tensor or none.
absl::Status CheckCount(const char* name, int count) {
  if (count <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": expected at most one tensor, got ", count));
}

absl::Status CheckColumnRange(const Tensor& column_range, const OccupancyShape& shape) {
  TF_RETURN_IF_ERROR(
      CheckShape("column_range", column_range, TensorShape({2, shape.motif_count}), "[2, M]"));
  const int32_t* first = column_range.flat<int32_t>().data();
  const int32_t* end = first + shape.motif_count;
  for (int64_t motif = 0; motif < shape.motif_count; ++motif) {
    if (0 <= first[motif] && first[motif] <= end[motif] && end[motif] <= shape.width) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("column_range: expected 0 <= first <= end <= W = ", shape.width, ", got ",
                     first[motif], " and ", end[motif], " for motif ", motif));
  }
  return absl::OkStatus();
}

// The op's definition allows no other names.
ComputeType ComputeTypeNamed(const std::string& name) {
  if (name == "bfloat16") return ComputeType::kBfloat16;
  return name == "float16" ? ComputeType::kFloat16 : ComputeType::kFloat32;
}

// What both ops share: the attributes, the checked inputs and the launch.
class OccupancyOpBase : public OpKernel {
 public:
  explicit OccupancyOpBase(OpKernelConstruction* context) : OpKernel(context) {
    std::string reduction, padding, compute_dtype;
    OP_REQUIRES_OK(context, context->GetAttr("reduction", &reduction));
    OP_REQUIRES_OK(context, context->GetAttr("padding", &padding));
    OP_REQUIRES_OK(context, context->GetAttr("compute_dtype", &compute_dtype));
    OP_REQUIRES_OK(context, context->GetAttr("weight_count", &weight_count_));
    OP_REQUIRES_OK(context, context->GetAttr("range_count", &range_count_));
    OP_REQUIRES_OK(context, CheckCount("position_weight", weight_count_));
    OP_REQUIRES_OK(context, CheckCount("column_range", range_count_));
    reduction_ = reduction == "expected" ? Reduction::kExpected : Reduction::kLogUnbound;
    same_padding_ = padding == "same";
    compute_type_ = ComputeTypeNamed(compute_dtype);
  }

 protected:
  absl::Status CheckRanks(const Tensor& sequence, const Tensor& log_kd) const {
    if (sequence.dims() != 2) {
      return absl::InvalidArgumentError(absl::StrCat(
          "sequence: expected base codes [N, L], got shape ", sequence.shape().DebugString()));
    }
    if (log_kd.dims() != 3 || log_kd.dim_size(1) != kBases || log_kd.dim_size(0) == 0 ||
        log_kd.dim_size(2) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("log_kd: expected [W, 4, M] with W and M of at least 1, got shape ",
                       log_kd.shape().DebugString()));
    }
    if (!same_padding_ && sequence.dim_size(1) < log_kd.dim_size(0)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "padding: 'valid' expects sequences at least as long as the motifs, got L = ",
          sequence.dim_size(1), " and W = ", log_kd.dim_size(0), "; use padding = 'same'"));
    }
    return absl::OkStatus();
  }

  absl::Status CheckInputs(OpKernelContext* context, OccupancyShape* shape,
                           OccupancyInputs* inputs) const {
    const Tensor& sequence = context->input(0);
    const Tensor& log_kd = context->input(1);
    const Tensor& log_concentration = context->input(2);
    TF_RETURN_IF_ERROR(CheckRanks(sequence, log_kd));
    *shape = MakeOccupancyShape(sequence.dim_size(0), sequence.dim_size(1), log_kd.dim_size(0),
                                log_kd.dim_size(2), same_padding_);
    TF_RETURN_IF_ERROR(CheckShape("log_concentration", log_concentration,
                                  TensorShape({shape->motif_count}), "[M]"));
    TF_RETURN_IF_ERROR(CheckCodes(sequence));
    TF_RETURN_IF_ERROR(CheckFinite("log_kd", log_kd));
    TF_RETURN_IF_ERROR(CheckFinite("log_concentration", log_concentration));
    *inputs = {};
    inputs->compute_type = compute_type_;
    inputs->sequence = sequence.flat<uint8_t>().data();
    inputs->log_kd = log_kd.flat<float>().data();
    inputs->log_concentration = log_concentration.flat<float>().data();
    inputs->weighted = weight_count_ > 0;
    if (inputs->weighted) {
      const Tensor& position_weight = context->input(3);
      TF_RETURN_IF_ERROR(
          CheckShape("position_weight", position_weight, WeightShape(*shape), "[2, P, M]"));
      TF_RETURN_IF_ERROR(CheckFinite("position_weight", position_weight));
      inputs->position_weight = position_weight.flat<float>().data();
    }
    if (range_count_ > 0) {
      const Tensor& column_range = context->input(3 + weight_count_);
      TF_RETURN_IF_ERROR(CheckColumnRange(column_range, *shape));
      inputs->column_range = column_range.flat<int32_t>().data();
    }
    return absl::OkStatus();
  }

  static TensorShape WeightShape(const OccupancyShape& shape) {
    return TensorShape({kStrands, shape.window_count, shape.motif_count});
  }

  static TensorShape SumShape(const OccupancyShape& shape) {
    return TensorShape({shape.sequence_count, kStrands, shape.motif_count});
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
      // Not by adaptive cost: that joins items until few are left, and these are of unlike size.
      const int64_t together = std::max<int64_t>(1, kWorthStarting / std::max<int64_t>(1, cost));
      pool->ParallelForWithWorkerId(
          count, tsl::thread::ThreadPool::SchedulingParams::Fixed(together), run);
    };
    return executor;
  }

  // Workspace aligned to a cache line, as the kernels want it.
  static absl::Status Allocate(OpKernelContext* context, size_t bytes, Tensor* tensor,
                               char** memory) {
    constexpr size_t kLine = 64;
    TF_RETURN_IF_ERROR(context->allocate_temp(
        tensorflow::DT_INT8, TensorShape({static_cast<int64_t>(bytes + kLine)}), tensor));
    char* const start = reinterpret_cast<char*>(tensor->flat<int8_t>().data());
    *memory = start + (kLine - reinterpret_cast<uintptr_t>(start) % kLine) % kLine;
    return absl::OkStatus();
  }

  int weight_count_ = 0;
  int range_count_ = 0;
  Reduction reduction_;
  bool same_padding_;
  ComputeType compute_type_;
};

class OccupancyOp : public OccupancyOpBase {
 public:
  using OccupancyOpBase::OccupancyOpBase;

  void Compute(OpKernelContext* context) override {
    OccupancyShape shape;
    OccupancyInputs inputs;
    OP_REQUIRES_OK(context, CheckInputs(context, &shape, &inputs));
    Tensor* bound = nullptr;
    Tensor* weighted = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, SumShape(shape), &bound));
    if (weight_count_ > 0) {
      OP_REQUIRES_OK(context, context->allocate_output(1, SumShape(shape), &weighted));
    }
    if (shape.sequence_count == 0) return;
    OccupancyLaunch launch(SelectKernels(), shape, reduction_, inputs, false);
    const Executor executor = ThreadPoolExecutor(context);
    Tensor workspace;
    char* memory = nullptr;
    OP_REQUIRES_OK(context,
                   Allocate(context, launch.Workspace(executor).total(), &workspace, &memory));
    launch.Forward(executor, memory,
                   {bound->flat<float>().data(),
                    weighted == nullptr ? nullptr : weighted->flat<float>().data()});
  }
};

class OccupancyGradOp : public OccupancyOpBase {
 public:
  using OccupancyOpBase::OccupancyOpBase;

  void Compute(OpKernelContext* context) override {
    OccupancyShape shape;
    OccupancyInputs inputs;
    OP_REQUIRES_OK(context, CheckInputs(context, &shape, &inputs));
    const Tensor& bound_gradient = context->input(3 + weight_count_ + range_count_);
    OP_REQUIRES_OK(context,
                   CheckShape("bound_gradient", bound_gradient, SumShape(shape), "[N, 2, M]"));
    OccupancyUpstream upstream = {bound_gradient.flat<float>().data(), nullptr};
    OccupancyGradients gradients = {};
    Tensor* output = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(1).shape(), &output));
    gradients.log_kd = output->flat<float>().data();
    OP_REQUIRES_OK(context, context->allocate_output(1, context->input(2).shape(), &output));
    gradients.log_concentration = output->flat<float>().data();
    if (weight_count_ > 0) {
      const Tensor& weighted_gradient = context->input(4 + weight_count_ + range_count_);
      OP_REQUIRES_OK(context, CheckShape("weighted_gradient", weighted_gradient, SumShape(shape),
                                         "[N, 2, M]"));
      upstream.weighted = weighted_gradient.flat<float>().data();
      OP_REQUIRES_OK(context, context->allocate_output(2, WeightShape(shape), &output));
      gradients.position_weight = output->flat<float>().data();
    }
    OccupancyLaunch launch(SelectKernels(), shape, reduction_, inputs, true);
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
