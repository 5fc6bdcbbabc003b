// Registers Cisreg>PairEffects and Cisreg>PairEffectsGrad: their signatures and their shapes.

#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace cisreg {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

struct Sizes {
  DimensionHandle sequences;
  DimensionHandle motifs;
  ShapeHandle log_kd;
  ShapeHandle effect;
};

absl::Status CheckInputShapes(InferenceContext* c, Sizes* sizes) {
  ShapeHandle sequence, log_concentration, pair, unused;
  DimensionHandle unused_size;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &sequence));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 3, &sizes->log_kd));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(sizes->log_kd, 1), 4, &unused_size));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 1, &log_concentration));
  TF_RETURN_IF_ERROR(
      c->Merge(c->Dim(sizes->log_kd, 2), c->Dim(log_concentration, 0), &sizes->motifs));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 3, &sizes->effect));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(sizes->effect, 1), 2, &unused_size));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(4), 2, &pair));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(pair, 1), 2, &unused_size));
  TF_RETURN_IF_ERROR(c->Merge(c->Dim(sizes->effect, 0), c->Dim(pair, 0), &unused_size));
  sizes->sequences = c->Dim(sequence, 0);
  int ranges;
  TF_RETURN_IF_ERROR(c->GetAttr("range_count", &ranges));
  if (ranges == 0) return absl::OkStatus();
  return c->Merge(c->input(5), c->MakeShape({c->MakeDim(2), sizes->motifs}), &unused);
}

absl::Status PairShapes(InferenceContext* c) {
  Sizes sizes;
  TF_RETURN_IF_ERROR(CheckInputShapes(c, &sizes));
  c->set_output(0, c->MakeShape({sizes.sequences}));
  return absl::OkStatus();
}

absl::Status PairGradShapes(InferenceContext* c) {
  Sizes sizes;
  TF_RETURN_IF_ERROR(CheckInputShapes(c, &sizes));
  c->set_output(0, sizes.log_kd);
  c->set_output(1, c->MakeShape({sizes.motifs}));
  c->set_output(2, sizes.effect);
  return absl::OkStatus();
}

REGISTER_OP("Cisreg>PairEffects")
    .Input("sequence: uint8")
    .Input("log_kd: float")
    .Input("log_concentration: float")
    .Input("effect: float")
    .Input("pair: int32")
    .Input("column_range: range_count * int32")
    .Input("span: span_count * int32")
    .Output("score: float")
    .Attr("distance: int >= 1")
    .Attr("range_count: int >= 0 = 0")
    .Attr("span_count: int >= 0 = 0")
    .Attr("padding: {'same', 'valid'} = 'same'")
    .SetShapeFn(PairShapes)
    .Doc(R"doc(
What pairs of factors do together on every sequence, by orientation and distance of their sites.

sequence: base codes [N, L], 0 to 3 for A C G T, 4 for anything else.
log_kd: position Kd matrices [W, 4, M] in nats, of the factors in pairs.
log_concentration: [M] in nats.
effect: [Q, 2, K], for the same and the opposite orientation the effect at K knots, between which it
  is a straight line. They lie evenly between -distance and distance, where the line is zero.
pair: [Q, 2], the places of both motifs. Of one with itself every two sites count once.
column_range: nothing, or one tensor [2, M]: first column of each motif and the one behind its last;
  the others are held at zero.
span: nothing, or one tensor of bases [begin, end), [2] for all sequences or [N, 2]: only windows
  count in which a motif's own columns lie on one of them.
distance: bases at which effects end.
score: [N], the sum over all pairs and their sites.
)doc");

REGISTER_OP("Cisreg>PairEffectsGrad")
    .Input("sequence: uint8")
    .Input("log_kd: float")
    .Input("log_concentration: float")
    .Input("effect: float")
    .Input("pair: int32")
    .Input("column_range: range_count * int32")
    .Input("span: span_count * int32")
    .Input("score_gradient: float")
    .Output("log_kd_gradient: float")
    .Output("log_concentration_gradient: float")
    .Output("effect_gradient: float")
    .Attr("distance: int >= 1")
    .Attr("range_count: int >= 0 = 0")
    .Attr("span_count: int >= 0 = 0")
    .Attr("padding: {'same', 'valid'} = 'same'")
    .SetShapeFn(PairGradShapes)
    .Doc("Gradient of Cisreg>PairEffects; scans the sequences again and keeps no site.");

}  // namespace
}  // namespace cisreg
