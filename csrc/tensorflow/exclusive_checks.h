// What the ops of sites that exclude each other share on every device: attributes, checks, outputs.

#ifndef CISREG_CSRC_TENSORFLOW_EXCLUSIVE_CHECKS_H_
#define CISREG_CSRC_TENSORFLOW_EXCLUSIVE_CHECKS_H_

#include "exclusive/problem.h"
#include "occupancy/checks.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/occupancy_attributes.h"

namespace cisreg {

struct ExclusiveProblem {
  OccupancyShape shape;
  exclusive::Inputs inputs;

  Dimensions sums() const { return {shape.sequence_count, kStrands, shape.motif_count}; }
  Dimensions competitors() const { return {shape.sequence_count, inputs.competitor_count}; }
  bool weighted() const { return inputs.position_weight != nullptr; }
  bool has_competitors() const { return inputs.competitor_width != nullptr; }
};

// Base of the kernels of both ops. It checks shapes, and the numbers that say where sites lie,
// which are on the host everywhere; others may be on a device.
class ExclusiveOpBase : public tensorflow::OpKernel {
 public:
  explicit ExclusiveOpBase(tensorflow::OpKernelConstruction* context);

 protected:
  // The problem that the inputs describe; it points into them. `on_host`: all are there.
  absl::Status CheckInputs(tensorflow::OpKernelContext* context, bool on_host,
                           ExclusiveProblem* problem) const;

  absl::Status AllocateOutputs(tensorflow::OpKernelContext* context,
                               const ExclusiveProblem& problem, exclusive::Outputs* outputs) const;

  // Further inputs of the gradient, checked, and its outputs.
  absl::Status CheckUpstream(tensorflow::OpKernelContext* context, const ExclusiveProblem& problem,
                             exclusive::Upstream* upstream) const;
  absl::Status AllocateGradients(tensorflow::OpKernelContext* context,
                                 const ExclusiveProblem& problem,
                                 exclusive::Gradients* gradients) const;

 private:
  int footprint_at() const { return attributes_.upstream_at(); }
  int competitors_at() const { return footprint_at() + footprint_count_; }
  int upstream_at() const { return competitors_at() + 2 * competitor_count_; }

  OccupancyAttributes attributes_;
  int footprint_count_ = 0;
  int competitor_count_ = 0;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_TENSORFLOW_EXCLUSIVE_CHECKS_H_
