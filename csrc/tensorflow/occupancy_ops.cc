// Registers Cisreg>Occupancy and Cisreg>OccupancyGrad: their signatures and their shapes.

#include <string>
#include <vector>

#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace cisreg {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

struct InputShapes {
  DimensionHandle sequence_count;
  DimensionHandle motif_count;
  DimensionHandle window_count;
  ShapeHandle log_kd;
  ShapeHandle log_concentration;  // unknown, or of rank 1 or 2
  ShapeHandle position_weight;    // unknown, or of rank 3 or 4
};

// Windows per sequence, unknown until both the length and the width are known.
absl::Status WindowCount(InferenceContext* c, DimensionHandle length, DimensionHandle width,
                         DimensionHandle* window_count) {
  std::string padding;
  TF_RETURN_IF_ERROR(c->GetAttr("padding", &padding));
  *window_count = length;
  if (padding == "same") return absl::OkStatus();
  *window_count = c->UnknownDim();
  if (!c->ValueKnown(length) || !c->ValueKnown(width)) return absl::OkStatus();
  const int64_t windows = c->Value(length) - c->Value(width) + 1;
  if (windows < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("padding: 'valid' expects sequences at least as long as the motifs, got L = ",
                     c->Value(length), " and W = ", c->Value(width), "; use padding = 'same'"));
  }
  *window_count = c->MakeDim(windows);
  return absl::OkStatus();
}

absl::Status CheckSpanShape(InferenceContext* c, ShapeHandle span,
                            DimensionHandle* sequence_count) {
  DimensionHandle unused;
  if (!c->RankKnown(span)) return absl::OkStatus();
  if (c->Rank(span) != 2) {
    TF_RETURN_IF_ERROR(c->WithRank(span, 1, &span));
    return c->WithValue(c->Dim(span, 0), 2, &unused);
  }
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(span, 1), 2, &unused));
  return c->Merge(c->Dim(span, 0), *sequence_count, sequence_count);
}

// A shape with one axis more than `rank` or not, or of unknown rank.
absl::Status CheckRank(InferenceContext* c, ShapeHandle shape, int rank) {
  ShapeHandle unused;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(shape, rank, &unused));
  return c->WithRankAtMost(shape, rank + 1, &unused);
}

absl::Status CheckWeightShape(InferenceContext* c, InputShapes* shapes) {
  const ShapeHandle weight = shapes->position_weight;
  DimensionHandle unused;
  TF_RETURN_IF_ERROR(CheckRank(c, weight, 3));
  if (!c->RankKnown(weight)) return absl::OkStatus();
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(weight, -3), 2, &unused));
  TF_RETURN_IF_ERROR(c->Merge(c->Dim(weight, -2), shapes->window_count, &shapes->window_count));
  return c->Merge(c->Dim(weight, -1), shapes->motif_count, &shapes->motif_count);
}

absl::Status CheckConditionShape(InferenceContext* c, ShapeHandle condition, InputShapes* shapes) {
  TF_RETURN_IF_ERROR(c->WithRank(condition, 1, &condition));
  TF_RETURN_IF_ERROR(c->WithRank(shapes->log_concentration, 2, &shapes->log_concentration));
  return c->Merge(c->Dim(condition, 0), shapes->sequence_count, &shapes->sequence_count);
}

absl::Status CheckInputShapes(InferenceContext* c, InputShapes* shapes) {
  ShapeHandle sequence;
  DimensionHandle unused;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &sequence));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 3, &shapes->log_kd));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(shapes->log_kd, 1), 4, &unused));
  shapes->motif_count = c->Dim(shapes->log_kd, 2);
  shapes->log_concentration = c->input(2);
  TF_RETURN_IF_ERROR(CheckRank(c, shapes->log_concentration, 1));
  if (c->RankKnown(shapes->log_concentration)) {
    TF_RETURN_IF_ERROR(
        c->Merge(shapes->motif_count, c->Dim(shapes->log_concentration, -1), &shapes->motif_count));
  }
  TF_RETURN_IF_ERROR(
      WindowCount(c, c->Dim(sequence, 1), c->Dim(shapes->log_kd, 0), &shapes->window_count));
  shapes->sequence_count = c->Dim(sequence, 0);
  int weight_count, range_count, span_count, length_count, condition_count;
  TF_RETURN_IF_ERROR(c->GetAttr("weight_count", &weight_count));
  TF_RETURN_IF_ERROR(c->GetAttr("range_count", &range_count));
  TF_RETURN_IF_ERROR(c->GetAttr("span_count", &span_count));
  TF_RETURN_IF_ERROR(c->GetAttr("length_count", &length_count));
  TF_RETURN_IF_ERROR(c->GetAttr("condition_count", &condition_count));
  if (weight_count > 0) {
    shapes->position_weight = c->input(3);
    TF_RETURN_IF_ERROR(CheckWeightShape(c, shapes));
  }
  if (range_count > 0) {
    ShapeHandle column_range;
    TF_RETURN_IF_ERROR(c->WithRank(c->input(3 + weight_count), 2, &column_range));
    TF_RETURN_IF_ERROR(c->WithValue(c->Dim(column_range, 0), 2, &unused));
    TF_RETURN_IF_ERROR(
        c->Merge(c->Dim(column_range, 1), shapes->motif_count, &shapes->motif_count));
  }
  if (span_count > 0) {
    TF_RETURN_IF_ERROR(
        CheckSpanShape(c, c->input(3 + weight_count + range_count), &shapes->sequence_count));
  }
  if (length_count > 0) {
    ShapeHandle length;
    const int at = 3 + weight_count + range_count + span_count;
    TF_RETURN_IF_ERROR(c->WithRank(c->input(at), 1, &length));
    TF_RETURN_IF_ERROR(
        c->Merge(c->Dim(length, 0), shapes->sequence_count, &shapes->sequence_count));
  }
  if (condition_count > 0) {
    const int at = 3 + weight_count + range_count + span_count + length_count;
    TF_RETURN_IF_ERROR(CheckConditionShape(c, c->input(at), shapes));
  }
  return absl::OkStatus();
}

absl::Status OccupancyShapes(InferenceContext* c) {
  InputShapes shapes;
  TF_RETURN_IF_ERROR(CheckInputShapes(c, &shapes));
  int condition_count;
  TF_RETURN_IF_ERROR(c->GetAttr("condition_count", &condition_count));
  const bool each_has_one = condition_count > 0;
  const bool knows_conditions = each_has_one || c->RankKnown(shapes.log_concentration);
  std::vector<DimensionHandle> sums = {shapes.sequence_count};
  if (knows_conditions && !each_has_one && c->Rank(shapes.log_concentration) == 2) {
    sums.push_back(c->Dim(shapes.log_concentration, 0));
  }
  std::vector<DimensionHandle> weighted = sums;
  sums.insert(sums.end(), {c->MakeDim(2), shapes.motif_count});
  c->set_output(0, knows_conditions ? c->MakeShape(sums) : c->UnknownShape());
  if (c->num_outputs() == 1) return absl::OkStatus();
  const bool knows_sets = c->RankKnown(shapes.position_weight);
  if (knows_sets && c->Rank(shapes.position_weight) == 4) {
    weighted.push_back(c->Dim(shapes.position_weight, 0));
  }
  weighted.insert(weighted.end(), {c->MakeDim(2), shapes.motif_count});
  c->set_output(1, knows_conditions && knows_sets ? c->MakeShape(weighted) : c->UnknownShape());
  return absl::OkStatus();
}

// The gradient of an input: its shape, whose last sizes are known from other inputs too.
absl::Status SetLastSizes(InferenceContext* c, int output, ShapeHandle input,
                          const std::vector<DimensionHandle>& last) {
  ShapeHandle first, gradient = input;
  if (c->RankKnown(input)) {
    const auto behind = static_cast<int64_t>(last.size());
    TF_RETURN_IF_ERROR(c->Subshape(input, 0, c->Rank(input) - behind, &first));
    TF_RETURN_IF_ERROR(c->Concatenate(first, c->MakeShape(last), &gradient));
  }
  c->set_output(output, gradient);
  return absl::OkStatus();
}

absl::Status OccupancyGradShapes(InferenceContext* c) {
  InputShapes shapes;
  TF_RETURN_IF_ERROR(CheckInputShapes(c, &shapes));
  const DimensionHandle width = c->Dim(shapes.log_kd, 0);
  c->set_output(0, c->MakeShape({width, c->MakeDim(4), shapes.motif_count}));
  TF_RETURN_IF_ERROR(SetLastSizes(c, 1, shapes.log_concentration, {shapes.motif_count}));
  if (c->num_outputs() == 2) return absl::OkStatus();
  return SetLastSizes(c, 2, shapes.position_weight,
                      {c->MakeDim(2), shapes.window_count, shapes.motif_count});
}

REGISTER_OP("Cisreg>Occupancy")
    .Input("sequence: uint8")
    .Input("log_kd: float")
    .Input("log_concentration: float")
    .Input("position_weight: weight_count * float")
    .Input("column_range: range_count * int32")
    .Input("span: span_count * int32")
    .Input("length: length_count * int32")
    .Input("condition: condition_count * int32")
    .Output("bound: float")
    .Output("weighted: weight_count * float")
    .Attr("weight_count: int >= 0 = 0")
    .Attr("range_count: int >= 0 = 0")
    .Attr("span_count: int >= 0 = 0")
    .Attr("length_count: int >= 0 = 0")
    .Attr("condition_count: int >= 0 = 0")
    .Attr("reduction: {'expected', 'log_unbound'} = 'expected'")
    .Attr("padding: {'same', 'valid'} = 'same'")
    .Attr("compute_dtype: {'float32', 'bfloat16', 'float16'} = 'float32'")
    .SetShapeFn(OccupancyShapes)
    .Doc(R"doc(
Occupancy of every motif on every sequence, both strands, summed over the windows.

sequence: base codes [N, L], 0 to 3 for A C G T, 4 for anything else.
log_kd: position Kd matrices [W, 4, M] in nats.
log_concentration: [M] in nats, or [C, M], a row for each of C conditions.
position_weight: nothing, or one tensor [2, P, M] that weights the windows of `weighted`; or
  [K, 2, P, M], sets of weights that each give weighted sums of their own.
column_range: nothing, or one tensor [2, M]: first column of each motif and the one behind its last;
  the others are held at zero.
span: nothing, or one tensor of bases [begin, end), [2] for all sequences or [N, 2]: only windows
  count in which a motif's own columns lie on one of them.
length: nothing, or one tensor [N] of 0 to L: each row's sequence is its first `length` bases. Codes
  behind them count as unknown, and windows that such a sequence alone would not have do not exist.
condition: nothing, or one tensor [N] of 0 to C - 1: the one condition of each row.
bound: the sum of p, or of log(1 - p), [N, 2, M]; [N, C, 2, M] with conditions of which no row has
  one of its own.
weighted: nothing, or the sum of position_weight * p, of the shape of bound; with sets of weights
  [N, K, 2, M] or [N, C, K, 2, M].
compute_dtype: what sites may be computed in; sums and outputs are float32 whatever it is.
)doc");

REGISTER_OP("Cisreg>OccupancyGrad")
    .Input("sequence: uint8")
    .Input("log_kd: float")
    .Input("log_concentration: float")
    .Input("position_weight: weight_count * float")
    .Input("column_range: range_count * int32")
    .Input("span: span_count * int32")
    .Input("length: length_count * int32")
    .Input("condition: condition_count * int32")
    .Input("bound_gradient: float")
    .Input("weighted_gradient: weight_count * float")
    .Output("log_kd_gradient: float")
    .Output("log_concentration_gradient: float")
    .Output("position_weight_gradient: weight_count * float")
    .Attr("weight_count: int >= 0 = 0")
    .Attr("range_count: int >= 0 = 0")
    .Attr("span_count: int >= 0 = 0")
    .Attr("length_count: int >= 0 = 0")
    .Attr("condition_count: int >= 0 = 0")
    .Attr("reduction: {'expected', 'log_unbound'} = 'expected'")
    .Attr("padding: {'same', 'valid'} = 'same'")
    .Attr("compute_dtype: {'float32', 'bfloat16', 'float16'} = 'float32'")
    .SetShapeFn(OccupancyGradShapes)
    .Doc("Gradient of Cisreg>Occupancy; scans the sequences again and keeps no site in memory.");

}  // namespace
}  // namespace cisreg
