// What the ops of pairs of factors share on every device: attributes, checks of shapes, outputs.

#ifndef CISREG_CSRC_TENSORFLOW_PAIR_CHECKS_H_
#define CISREG_CSRC_TENSORFLOW_PAIR_CHECKS_H_

#include "pairs/problem.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace cisreg {

// Base of the kernels of both ops. It checks shapes only: the numbers may be on a device.
class PairOpBase : public tensorflow::OpKernel {
 public:
  explicit PairOpBase(tensorflow::OpKernelConstruction* context);

 protected:
  // The problem that the inputs describe; it points into them, on whatever device they are.
  absl::Status CheckInputs(tensorflow::OpKernelContext* context, pairs::Problem* problem) const;

  absl::Status AllocateScore(tensorflow::OpKernelContext* context, const pairs::Problem& problem,
                             float** score) const;

  // The further input of the gradient, checked, and its outputs.
  absl::Status CheckUpstream(tensorflow::OpKernelContext* context, const pairs::Problem& problem,
                             const float** upstream) const;
  absl::Status AllocateGradients(tensorflow::OpKernelContext* context,
                                 pairs::Gradients* gradients) const;

 private:
  // Behind sequence, log_kd, log_concentration, effect and pair.
  int ranges_at() const { return 5; }
  int span_at() const { return ranges_at() + range_count_; }
  int upstream_at() const { return span_at() + span_count_; }

  bool same_padding_ = true;
  int64_t distance_ = 0;
  int range_count_ = 0;
  int span_count_ = 0;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_TENSORFLOW_PAIR_CHECKS_H_
