// XLA kernels of the occupancy ops: each becomes one custom call, which csrc/xla carries out.
//
// They and the handlers are a library of their own, beside that of the ops: they need
// libtensorflow_cc, which not every program that loads the ops has.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/framework/kernel_def.pb.h"
#include "tensorflow/occupancy_attributes.h"
#include "xla/problem.h"
#include "xla/shape_util.h"

namespace cisreg {
namespace {

using tensorflow::DEVICE_CPU_XLA_JIT;
using tensorflow::OpKernelConstruction;
using tensorflow::XlaOpKernel;
using tensorflow::XlaOpKernelContext;

Dimensions DimensionsOf(const xla::Shape& shape) {
  return {shape.dimensions().begin(), shape.dimensions().end()};
}

xla::Shape RowMajor(xla::PrimitiveType type, const Dimensions& dimensions) {
  return xla::ShapeUtil::MakeShapeWithDescendingLayout(type, dimensions);
}

std::string AttributeText(const OccupancyAttributes& attributes) {
  const auto number = [](const char* name, auto value) {
    return absl::StrCat(name, " = ", static_cast<int>(value), " : i32");
  };
  return absl::StrCat("{", number("reduction", attributes.reduction), ", ",
                      number("same_padding", attributes.same_padding), ", ",
                      number("compute_type", attributes.compute_type), ", ",
                      number("position_weight", attributes.weight_count), ", ",
                      number("column_range", attributes.range_count), ", ",
                      number("span", attributes.span_count), ", ",
                      number("length", attributes.length_count), ", ",
                      number("condition", attributes.condition_count), "}");
}

// The operands of a call. XLA may know only a bound of the number of sequences, for example behind
// tf.boolean_mask: the kernels then get as many as the bound, and those beyond the number are
// replaced by what adds nothing.
class Operands {
 public:
  absl::Status Read(XlaOpKernelContext* context) {
    for (int i = 0; i < context->num_inputs(); ++i) {
      TF_ASSIGN_OR_RETURN(const xla::Shape shape, context->InputXlaShape(i));
      shapes_.push_back(RowMajor(shape.element_type(), DimensionsOf(shape)));
      operands_.push_back(context->Input(i));
      dynamic_.push_back(shape.is_dynamic());
      for (int at = 0; at < static_cast<int>(shape.dimensions().size()); ++at) {
        if (shape.is_static_dimension(at)) continue;
        if (at > 0) return NotStatic(i, at);
      }
    }
    return absl::OkStatus();
  }

  Dimensions dimensions(int i) const { return DimensionsOf(shapes_[i]); }
  const std::vector<xla::XlaOp>& operands() const { return operands_; }
  const std::vector<xla::Shape>& shapes() const { return shapes_; }
  // The number of sequences where only its bound is known.
  const std::optional<xla::XlaOp>& row_count() const { return row_count_; }

  // Makes all sizes static. Row inputs are those with a row for each sequence.
  absl::Status MakeStatic(const std::vector<int>& row_inputs) {
    for (int i = 0; i < static_cast<int>(operands_.size()); ++i) {
      const bool has_rows = std::count(row_inputs.begin(), row_inputs.end(), i) > 0;
      if (dynamic_[i] && !has_rows) return NotStatic(i, 0);
    }
    for (const int i : row_inputs) {
      if (dynamic_[i] && !row_count_) row_count_ = xla::GetDimensionSize(operands_[i], 0);
    }
    if (!row_count_) return absl::OkStatus();
    for (const int i : row_inputs) {
      if (dynamic_[i]) operands_[i] = xla::RemoveDynamicDimension(operands_[i], 0);
      operands_[i] = HoldRows(operands_[i], shapes_[i], i == 0 ? kUnknownBase : 0);
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status NotStatic(int input, int dimension) {
    return absl::UnimplementedError(absl::StrCat(
        "occupancy under XLA: expected a known size for all but the number of sequences, got only "
        "a bound for dimension ",
        dimension, " of input ", input, "; compute that input outside of the compiled function"));
  }

  // `value` in the rows beyond the number.
  xla::XlaOp HoldRows(xla::XlaOp operand, const xla::Shape& shape, int value) const {
    xla::XlaBuilder* const builder = operand.builder();
    const xla::Shape rows = xla::ShapeUtil::ChangeElementType(shape, xla::S32);
    const xla::XlaOp exists = xla::Lt(xla::Iota(builder, rows, 0), *row_count_);
    const xla::XlaOp held =
        xla::ConvertElementType(xla::ConstantR0<int32_t>(builder, value), shape.element_type());
    return xla::Select(exists, operand, xla::Broadcast(held, shape.dimensions()));
  }

  std::vector<xla::XlaOp> operands_;
  std::vector<xla::Shape> shapes_;
  std::vector<bool> dynamic_;
  std::optional<xla::XlaOp> row_count_;
};

// What both ops share under XLA.
class OccupancyXlaOpBase : public XlaOpKernel {
 public:
  explicit OccupancyXlaOpBase(OpKernelConstruction* context) : XlaOpKernel(context) {
    OP_REQUIRES_OK(context, ReadAttributes(context, &attributes_));
  }

 protected:
  absl::Status ReadInputs(XlaOpKernelContext* context, Operands* operands,
                          InputDimensions* sizes) const {
    TF_RETURN_IF_ERROR(operands->Read(context));
    *sizes = ArrangeDimensions(attributes_, [&](int i) { return operands->dimensions(i); });
    const InputDimensions& dimensions = *sizes;
    OccupancyShape shape;
    TF_RETURN_IF_ERROR(FromCheck(CheckDimensions(dimensions, attributes_.same_padding, &shape)));
    std::vector<int> row_inputs = {0};
    if (dimensions.span && dimensions.span->size() == 2) {
      row_inputs.push_back(attributes_.span_at());
    }
    if (dimensions.length) row_inputs.push_back(attributes_.length_at());
    if (dimensions.condition) row_inputs.push_back(attributes_.condition_at());
    for (int i = attributes_.upstream_at(); i < context->num_inputs(); ++i) {
      const auto check =
          i == attributes_.upstream_at() ? CheckBoundGradient : CheckWeightedGradient;
      TF_RETURN_IF_ERROR(FromCheck(check(dimensions, operands->dimensions(i))));
      row_inputs.push_back(i);
    }
    return operands->MakeStatic(row_inputs);
  }

  // One result for each of these sizes.
  std::vector<xla::XlaOp> Call(XlaOpKernelContext* context, const char* target,
                               const Operands& operands,
                               const std::vector<Dimensions>& sizes) const {
    std::vector<xla::Shape> shapes;
    for (const Dimensions& each : sizes) shapes.push_back(RowMajor(xla::F32, each));
    const xla::XlaOp call = xla::CustomCallWithLayout(
        context->builder(), target, operands.operands(), xla::ShapeUtil::MakeTupleShape(shapes),
        operands.shapes(), AttributeText(attributes_), /*has_side_effect=*/false,
        /*output_operand_aliasing=*/{}, /*literal=*/nullptr, xla::CustomCallSchedule::SCHEDULE_NONE,
        xla::CustomCallApiVersion::API_VERSION_TYPED_FFI);
    std::vector<xla::XlaOp> results;
    for (size_t i = 0; i < sizes.size(); ++i) results.push_back(xla::GetTupleElement(call, i));
    return results;
  }

  OccupancyAttributes attributes_;
};

class OccupancyXlaOp : public OccupancyXlaOpBase {
 public:
  using OccupancyXlaOpBase::OccupancyXlaOpBase;

  void Compile(XlaOpKernelContext* context) override {
    Operands operands;
    InputDimensions inputs;
    OP_REQUIRES_OK(context, ReadInputs(context, &operands, &inputs));
    const OutputDimensions outputs = FindOutputDimensions(inputs);
    std::vector<Dimensions> sizes = {outputs.bound};
    if (attributes_.weight_count > 0) sizes.push_back(outputs.weighted);
    const std::vector<xla::XlaOp> results = Call(context, kForwardCall, operands, sizes);
    for (size_t i = 0; i < results.size(); ++i) {
      context->SetOutput(i, operands.row_count()
                                ? xla::SetDimensionSize(results[i], *operands.row_count(), 0)
                                : results[i]);
    }
  }
};

class OccupancyGradXlaOp : public OccupancyXlaOpBase {
 public:
  using OccupancyXlaOpBase::OccupancyXlaOpBase;

  void Compile(XlaOpKernelContext* context) override {
    Operands operands;
    InputDimensions inputs;
    OP_REQUIRES_OK(context, ReadInputs(context, &operands, &inputs));
    std::vector<Dimensions> sizes = {inputs.log_kd, inputs.log_concentration};
    if (attributes_.weight_count > 0) sizes.push_back(*inputs.position_weight);
    const std::vector<xla::XlaOp> results = Call(context, kBackwardCall, operands, sizes);
    for (size_t i = 0; i < results.size(); ++i) context->SetOutput(i, results[i]);
  }
};

// The compilers of devices whose handlers are built in.
std::vector<absl::string_view> CompiledDevices() {
#ifdef CISREG_HAVE_CUDA
  return {DEVICE_CPU_XLA_JIT, tensorflow::DEVICE_GPU_XLA_JIT};
#else
  return {DEVICE_CPU_XLA_JIT};
#endif
}

// Whether TensorFlow has already taken the XLA kernels that were registered into its list of
// kernels, as it does once, when it first compiles something.
bool KernelsAreTaken() {
  const tensorflow::KernelList kernels = tensorflow::GetRegisteredKernelsForOp("AddV2");
  for (const tensorflow::KernelDef& kernel : kernels.kernel()) {
    if (kernel.device_type() == DEVICE_CPU_XLA_JIT) return true;
  }
  return false;
}

template <class Kernel>
tensorflow::OpKernel* Make(OpKernelConstruction* context) {
  return new Kernel(context);
}

template <class Kernel>
void RegisterKernel(const char* op) {
  const auto devices = CompiledDevices();
  tensorflow::XlaOpRegistrar(tensorflow::XlaOpRegistrationBuilder::Name(op)
                                 .Device(absl::MakeSpan(devices))
                                 .Build(Make<Kernel>));
  if (!KernelsAreTaken()) return;
  for (const absl::string_view device : devices) {
    tensorflow::kernel_factory::OpKernelRegistrar(
        tensorflow::KernelDefBuilder(op).Device(std::string(device).c_str()).Build(), op,
        Make<Kernel>);
  }
}

const bool registered = [] {
  RegisterKernel<OccupancyXlaOp>("Cisreg>Occupancy");
  RegisterKernel<OccupancyGradXlaOp>("Cisreg>OccupancyGrad");
  return true;
}();

}  // namespace
}  // namespace cisreg
