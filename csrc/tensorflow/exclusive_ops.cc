// Registers Cisreg>ExclusiveOccupancy and Cisreg>ExclusiveOccupancyGrad: their signatures and their
// shapes.

#include <string>

#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace cisreg {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// The lists of optional inputs, in their order.
constexpr const char* kCounts[] = {"weight_count",    "range_count",     "span_count",
                                   "length_count",    "footprint_count", "competitor_count",
                                   "competitor_count"};

struct Sizes {
  DimensionHandle sequences;
  DimensionHandle motifs;
  ShapeHandle log_kd;
  ShapeHandle position_weight;  // unknown without weights
  ShapeHandle competitors;      // unknown without competitors
};

absl::Status CheckInputShapes(InferenceContext* c, Sizes* sizes) {
  ShapeHandle sequence, log_concentration, unused;
  DimensionHandle bases;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &sequence));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 3, &sizes->log_kd));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(sizes->log_kd, 1), 4, &bases));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 1, &log_concentration));
  TF_RETURN_IF_ERROR(
      c->Merge(c->Dim(sizes->log_kd, 2), c->Dim(log_concentration, 0), &sizes->motifs));
  sizes->sequences = c->Dim(sequence, 0);
  sizes->position_weight = c->UnknownShapeOfRank(3);
  sizes->competitors = c->UnknownShapeOfRank(1);
  int at = 3;
  for (const char* name : kCounts) {
    int count;
    TF_RETURN_IF_ERROR(c->GetAttr(name, &count));
    const std::string counted = name;
    if (count > 0 && counted == "weight_count") {
      TF_RETURN_IF_ERROR(c->WithRank(c->input(at), 3, &sizes->position_weight));
      TF_RETURN_IF_ERROR(
          c->Merge(c->Dim(sizes->position_weight, 2), sizes->motifs, &sizes->motifs));
    } else if (count > 0 && (counted == "range_count" || counted == "footprint_count")) {
      const ShapeHandle columns = c->MakeShape({c->MakeDim(2), sizes->motifs});
      TF_RETURN_IF_ERROR(c->Merge(c->input(at), columns, &unused));
    } else if (count > 0 && counted == "competitor_count") {
      TF_RETURN_IF_ERROR(c->Merge(sizes->competitors, c->input(at), &sizes->competitors));
    } else if (count > 0 && counted == "length_count") {
      const ShapeHandle lengths = c->MakeShape({sizes->sequences});
      TF_RETURN_IF_ERROR(c->Merge(c->input(at), lengths, &unused));
    }
    at += count;
  }
  return absl::OkStatus();
}

absl::Status ExclusiveShapes(InferenceContext* c) {
  Sizes sizes;
  TF_RETURN_IF_ERROR(CheckInputShapes(c, &sizes));
  const ShapeHandle sums = c->MakeShape({sizes.sequences, c->MakeDim(2), sizes.motifs});
  int weights, competitors;
  TF_RETURN_IF_ERROR(c->GetAttr("weight_count", &weights));
  TF_RETURN_IF_ERROR(c->GetAttr("competitor_count", &competitors));
  for (int i = 0; i <= weights; ++i) c->set_output(i, sums);
  c->set_output(weights + 1, c->MakeShape({sizes.sequences}));
  if (competitors > 0) {
    const DimensionHandle count = c->Dim(sizes.competitors, 0);
    c->set_output(weights + 2, c->MakeShape({sizes.sequences, count}));
  }
  return absl::OkStatus();
}

absl::Status ExclusiveGradShapes(InferenceContext* c) {
  Sizes sizes;
  TF_RETURN_IF_ERROR(CheckInputShapes(c, &sizes));
  c->set_output(0, sizes.log_kd);
  c->set_output(1, c->MakeShape({sizes.motifs}));
  int weights, competitors;
  TF_RETURN_IF_ERROR(c->GetAttr("weight_count", &weights));
  TF_RETURN_IF_ERROR(c->GetAttr("competitor_count", &competitors));
  if (weights > 0) c->set_output(2, sizes.position_weight);
  if (competitors > 0) c->set_output(2 + weights, sizes.competitors);
  return absl::OkStatus();
}

REGISTER_OP("Cisreg>ExclusiveOccupancy")
    .Input("sequence: uint8")
    .Input("log_kd: float")
    .Input("log_concentration: float")
    .Input("position_weight: weight_count * float")
    .Input("column_range: range_count * int32")
    .Input("span: span_count * int32")
    .Input("length: length_count * int32")
    .Input("footprint: footprint_count * int32")
    .Input("competitor_width: competitor_count * int32")
    .Input("competitor_log_odds: competitor_count * float")
    .Output("bound: float")
    .Output("weighted: weight_count * float")
    .Output("log_partition: float")
    .Output("competitors: competitor_count * float")
    .Attr("weight_count: int >= 0 = 0")
    .Attr("range_count: int >= 0 = 0")
    .Attr("span_count: int >= 0 = 0")
    .Attr("length_count: int >= 0 = 0")
    .Attr("footprint_count: int >= 0 = 0")
    .Attr("competitor_count: int >= 0 = 0")
    .Attr("padding: {'same', 'valid'} = 'same'")
    .SetShapeFn(ExclusiveShapes)
    .Doc(R"doc(
Occupancy of every motif on every sequence where no base is covered by two sites.

sequence: base codes [N, L], 0 to 3 for A C G T, 4 for anything else.
log_kd: position Kd matrices [W, 4, M] in nats.
log_concentration: [M] in nats.
position_weight: nothing, or one tensor [2, P, M] that weights the windows of `weighted`.
column_range: nothing, or one tensor [2, M]: first column of each motif and the one behind its last;
  the others are held at zero.
span: nothing, or one tensor of bases [begin, end), [2] for all sequences or [N, 2]: only windows
  count in which a motif's own columns lie on one of them.
length: nothing, or one tensor [N] of 0 to L: each row's sequence is its first `length` bases.
footprint: nothing, or one tensor [2, M]: the bases that a site covers, from the first base of its
  window on: the first and the one behind the last. Without it, the motif's own columns.
competitor_width, competitor_log_odds: nothing, or one tensor [Q] each: the bases that a competitor
  covers, and the log of its odds at any place within a sequence.
bound: [N, 2, M], the sum of the occupancies.
weighted: nothing, or the sum of position_weight * occupancy, [N, 2, M].
log_partition: [N], the log of the sum over all configurations of sites that share no base.
competitors: nothing, or the expected number of bound competitors, [N, Q].
)doc");

REGISTER_OP("Cisreg>ExclusiveOccupancyGrad")
    .Input("sequence: uint8")
    .Input("log_kd: float")
    .Input("log_concentration: float")
    .Input("position_weight: weight_count * float")
    .Input("column_range: range_count * int32")
    .Input("span: span_count * int32")
    .Input("length: length_count * int32")
    .Input("footprint: footprint_count * int32")
    .Input("competitor_width: competitor_count * int32")
    .Input("competitor_log_odds: competitor_count * float")
    .Input("bound_gradient: float")
    .Input("weighted_gradient: weight_count * float")
    .Input("log_partition_gradient: float")
    .Input("competitor_gradient: competitor_count * float")
    .Output("log_kd_gradient: float")
    .Output("log_concentration_gradient: float")
    .Output("position_weight_gradient: weight_count * float")
    .Output("competitor_log_odds_gradient: competitor_count * float")
    .Attr("weight_count: int >= 0 = 0")
    .Attr("range_count: int >= 0 = 0")
    .Attr("span_count: int >= 0 = 0")
    .Attr("length_count: int >= 0 = 0")
    .Attr("footprint_count: int >= 0 = 0")
    .Attr("competitor_count: int >= 0 = 0")
    .Attr("padding: {'same', 'valid'} = 'same'")
    .SetShapeFn(ExclusiveGradShapes)
    .Doc("Gradient of Cisreg>ExclusiveOccupancy; scans the sequences again and keeps no site.");

}  // namespace
}  // namespace cisreg
