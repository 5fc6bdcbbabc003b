// cisreg._native: read pairs merged into one sequence each.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "python/arguments.h"
#include "reads/choice.h"
#include "reads/fastq.h"
#include "reads/merge.h"

namespace py = pybind11;

namespace cisreg {
namespace {

// Of reads of 65,535 bases, the longest that are merged.
constexpr int64_t kMostOverlap = 131'070;

// The bytes of a buffer, which must stay alive and unchanged while they are used.
std::string_view Text(const py::buffer_info& info) {
  Require(info.itemsize == 1 && info.ndim == 1 && (info.size == 0 || info.strides[0] == 1),
          "text: expected bytes");
  return {static_cast<const char*>(info.ptr), static_cast<size_t>(info.size)};
}

reads::Format FormatNamed(const std::string& name) {
  if (name == "sequences") return reads::Format::kSequences;
  if (name == "table") return reads::Format::kTable;
  if (name == "fasta") return reads::Format::kFasta;
  Require(name == "fastq", "format: expected sequences, table, fasta or fastq, got '" + name + "'");
  return reads::Format::kFastq;
}

const char* NameOf(reads::Fault fault) {
  switch (fault) {
    case reads::Fault::kName:
      return "name";
    case reads::Fault::kSeparator:
      return "separator";
    case reads::Fault::kQuality:
      return "quality";
    case reads::Fault::kMates:
      return "mates";
    case reads::Fault::kNone:
      break;
  }
  return "";
}

void RequireAtLeast(const char* argument, int64_t least, int64_t value) {
  Require(value >= least, std::string(argument) + ": expected " + std::to_string(least) +
                              " or more, got " + std::to_string(value));
}

void RequireAtMost(const char* argument, int64_t most, int64_t value) {
  Require(value <= most, std::string(argument) + ": expected at most " + std::to_string(most) +
                             ", got " + std::to_string(value));
}

reads::OverlapSearch CheckSearch(const reads::OverlapSearch& search) {
  RequireAtLeast("overlap", 1, search.expected);
  RequireAtLeast("slack", 0, search.slack);
  RequireAtLeast("minimum_overlap", 1, search.minimum_compared);
  RequireAtMost("overlap", kMostOverlap, search.expected);
  // A number is stored for every overlap, so their number is limited.
  RequireAtMost("slack", kMostOverlap, search.slack);
  const double identity = search.minimum_identity;
  Require(0 <= identity && identity <= 1,
          "minimum_identity: expected 0 to 1, got " + std::to_string(identity));
  return search;
}

reads::MergeOptions CheckOptions(const reads::MergeOptions& options) {
  CheckSearch(options.search);
  RequireAtLeast("minimum_length", 0, options.minimum_length);
  RequireAtLeast("maximum_unknown", 0, options.maximum_unknown);
  return options;
}

py::dict ToDict(const reads::MergeCounts& counts) {
  py::dict dict;
  dict["pairs"] = counts.pairs;
  dict["merged"] = counts.merged;
  dict["no_overlap"] = counts.no_overlap;
  dict["too_short"] = counts.too_short;
  dict["too_many_unknown"] = counts.too_many_unknown;
  dict["ambiguous"] = counts.ambiguous;
  dict["read_through"] = counts.read_through;
  dict["compared_bases"] = counts.compared_bases;
  dict["different_bases"] = counts.different_bases;
  return dict;
}

// Two FASTQ texts with as many records each; they point into buffers that must stay alive.
struct Texts {
  Texts(const py::buffer_info& forward_info, const py::buffer_info& reverse_info)
      : forward(Text(forward_info)), reverse(Text(reverse_info)) {
    const int64_t records = reads::CountRecords(forward);
    Require(records == reads::CountRecords(reverse),
            "reverse: expected as many records as in forward");
    forward = forward.substr(0, reads::RecordsEnd(forward, records));
  }

  std::string_view forward, reverse;
};

py::tuple MergePairs(const py::buffer& forward, const py::buffer& reverse, int64_t overlap,
                     int64_t slack, int64_t minimum_overlap, double minimum_identity,
                     int64_t minimum_length, int64_t maximum_unknown, const std::string& format,
                     const std::optional<reads::Survey>& survey) {
  const reads::MergeOptions options = CheckOptions(
      {{overlap, slack, minimum_overlap, minimum_identity}, minimum_length, maximum_unknown});
  const reads::Format written = FormatNamed(format);
  const reads::Survey known = survey.value_or(reads::Survey(options.search));
  Require(static_cast<int64_t>(known.pairs_by_overlap.size()) == 2 * slack + 1,
          "survey: expected one of the same slack");
  const py::buffer_info forward_info = forward.request(), reverse_info = reverse.request();
  const Texts texts(forward_info, reverse_info);
  std::string output;
  reads::MergeCounts counts = {};
  reads::BatchFault fault;
  {
    py::gil_scoped_release release;
    fault =
        reads::MergeBatch(texts.forward, texts.reverse, options, known, written, &output, &counts);
  }
  py::object found = py::none();
  if (fault.fault != reads::Fault::kNone) {
    found = py::make_tuple(NameOf(fault.fault), fault.file, fault.record);
  }
  return py::make_tuple(py::bytes(output), ToDict(counts), found);
}

reads::Survey SurveyPairs(const py::buffer& forward, const py::buffer& reverse, int64_t overlap,
                          int64_t slack, int64_t minimum_overlap, double minimum_identity) {
  const reads::OverlapSearch search =
      CheckSearch({overlap, slack, minimum_overlap, minimum_identity});
  const py::buffer_info forward_info = forward.request(), reverse_info = reverse.request();
  const Texts texts(forward_info, reverse_info);
  py::gil_scoped_release release;
  return reads::SurveyBatch(texts.forward, texts.reverse, {search, 0, 0});
}

}  // namespace

void BindReads(py::module_& module) {
  py::class_<reads::Survey>(module, "PairSurvey",
                            "What the first pairs of a run say of all of them.")
      .def_readonly("pairs", &reads::Survey::pairs)
      .def_readonly("pairs_by_overlap", &reads::Survey::pairs_by_overlap)
      .def_readonly("compared", &reads::Survey::compared)
      .def_readonly("different", &reads::Survey::different)
      .def_property_readonly("extra_error", &reads::Survey::ExtraError);
  module.def("survey_pairs", &SurveyPairs, py::arg("forward"), py::arg("reverse"), py::kw_only(),
             py::arg("overlap"), py::arg("slack"), py::arg("minimum_overlap"),
             py::arg("minimum_identity"),
             "How common each overlap is, and how many errors there are, among the pairs of two "
             "FASTQ texts that can overlap in one way alone.");
  module.def("merge_pairs", &MergePairs, py::arg("forward"), py::arg("reverse"), py::kw_only(),
             py::arg("overlap"), py::arg("slack"), py::arg("minimum_overlap"),
             py::arg("minimum_identity"), py::arg("minimum_length"), py::arg("maximum_unknown"),
             py::arg("format"), py::arg("survey") = py::none(),
             "(text, counts, fault) of the pairs of two FASTQ texts with as many records; fault is "
             "None or (kind, file, record) of the first record that is none.");
}

}  // namespace cisreg
