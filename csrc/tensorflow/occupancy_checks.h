// What the occupancy ops share on every device: attributes, checks of shapes, outputs.

#ifndef CISREG_CSRC_TENSORFLOW_OCCUPANCY_CHECKS_H_
#define CISREG_CSRC_TENSORFLOW_OCCUPANCY_CHECKS_H_

#include "occupancy/problem.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/occupancy_attributes.h"

namespace cisreg {

// Base of the kernels of both ops. It checks shapes only: the numbers may be on a device.
class OccupancyOpBase : public tensorflow::OpKernel {
 public:
  explicit OccupancyOpBase(tensorflow::OpKernelConstruction* context);

 protected:
  // The problem that the inputs describe; it points into them, on whatever device they are.
  absl::Status CheckInputs(tensorflow::OpKernelContext* context, OccupancyProblem* problem) const;

  // Outputs of the operation.
  absl::Status AllocateOutputs(tensorflow::OpKernelContext* context,
                               const OccupancyProblem& problem, OccupancyOutputs* outputs) const;

  // Further inputs of the gradient, checked, and its outputs.
  absl::Status CheckUpstream(tensorflow::OpKernelContext* context, const OccupancyProblem& problem,
                             OccupancyUpstream* upstream) const;
  absl::Status AllocateGradients(tensorflow::OpKernelContext* context,
                                 const OccupancyProblem& problem,
                                 OccupancyGradients* gradients) const;

 private:
  InputDimensions DimensionsOfInputs(tensorflow::OpKernelContext* context) const;

  OccupancyAttributes attributes_;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_TENSORFLOW_OCCUPANCY_CHECKS_H_
