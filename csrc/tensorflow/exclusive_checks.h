// What the ops of sites that exclude each other share on every device: attributes, checks, outputs.

#ifndef CISREG_CSRC_TENSORFLOW_EXCLUSIVE_CHECKS_H_
#define CISREG_CSRC_TENSORFLOW_EXCLUSIVE_CHECKS_H_

#include "exclusive/checks.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/occupancy_attributes.h"

namespace cisreg {

// Base of the kernels of both ops. It checks shapes, and the numbers that say where sites lie,
// which are on the host everywhere; others may be on a device.
class ExclusiveOpBase : public tensorflow::OpKernel {
 public:
  explicit ExclusiveOpBase(tensorflow::OpKernelConstruction* context);

 protected:
  // The problem that the inputs describe; it points into them. `on_host`: all are there.
  absl::Status CheckInputs(tensorflow::OpKernelContext* context, bool on_host,
                           exclusive::Problem* problem) const;

  absl::Status AllocateOutputs(tensorflow::OpKernelContext* context,
                               const exclusive::Problem& problem,
                               exclusive::Outputs* outputs) const;

  // Further inputs of the gradient, checked, and its outputs.
  absl::Status CheckUpstream(tensorflow::OpKernelContext* context,
                             const exclusive::Problem& problem,
                             exclusive::Upstream* upstream) const;
  absl::Status AllocateGradients(tensorflow::OpKernelContext* context,
                                 const exclusive::Problem& problem,
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
