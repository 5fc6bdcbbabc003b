// cisreg._native: read pairs merged into one sequence each.

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>

#include "python/arguments.h"
#include "reads/fastq.h"
#include "reads/merge.h"

namespace py = pybind11;

namespace cisreg {
namespace {

// The bytes of a buffer, which must stay alive and as it is meanwhile.
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

reads::MergeOptions CheckOptions(const reads::MergeOptions& options) {
  RequireAtLeast("overlap", 1, options.search.expected);
  RequireAtLeast("slack", 0, options.search.slack);
  RequireAtLeast("minimum_overlap", 1, options.search.minimum_compared);
  RequireAtLeast("minimum_length", 0, options.minimum_length);
  RequireAtLeast("maximum_unknown", 0, options.maximum_unknown);
  const double identity = options.search.minimum_identity;
  Require(0 <= identity && identity <= 1,
          "minimum_identity: expected 0 to 1, got " + std::to_string(identity));
  return options;
}

py::dict ToDict(const reads::MergeCounts& counts) {
  py::dict dict;
  dict["pairs"] = counts.pairs;
  dict["merged"] = counts.merged;
  dict["no_overlap"] = counts.no_overlap;
  dict["too_short"] = counts.too_short;
  dict["too_many_unknown"] = counts.too_many_unknown;
  dict["read_through"] = counts.read_through;
  dict["compared_bases"] = counts.compared_bases;
  dict["different_bases"] = counts.different_bases;
  return dict;
}

py::tuple MergePairs(const py::buffer& forward, const py::buffer& reverse, int64_t overlap,
                     int64_t slack, int64_t minimum_overlap, double minimum_identity,
                     int64_t minimum_length, int64_t maximum_unknown, const std::string& format) {
  const reads::MergeOptions options = CheckOptions(
      {{overlap, slack, minimum_overlap, minimum_identity}, minimum_length, maximum_unknown});
  const reads::Format written = FormatNamed(format);
  const py::buffer_info forward_info = forward.request(), reverse_info = reverse.request();
  const std::string_view forward_text = Text(forward_info), reverse_text = Text(reverse_info);
  const int64_t records = reads::CountRecords(forward_text);
  Require(records == reads::CountRecords(reverse_text),
          "reverse: expected as many records as in forward");
  std::string output;
  reads::MergeCounts counts = {};
  reads::BatchFault fault;
  {
    py::gil_scoped_release release;
    fault = reads::MergeBatch(forward_text.substr(0, reads::RecordsEnd(forward_text, records)),
                              reverse_text, options, written, &output, &counts);
  }
  py::object found = py::none();
  if (fault.fault != reads::Fault::kNone) {
    found = py::make_tuple(NameOf(fault.fault), fault.file, fault.record);
  }
  return py::make_tuple(py::bytes(output), ToDict(counts), found);
}

}  // namespace

void BindReads(py::module_& module) {
  module.def("merge_pairs", &MergePairs, py::arg("forward"), py::arg("reverse"), py::kw_only(),
             py::arg("overlap"), py::arg("slack"), py::arg("minimum_overlap"),
             py::arg("minimum_identity"), py::arg("minimum_length"), py::arg("maximum_unknown"),
             py::arg("format"),
             "(text, counts, fault) of the pairs of two FASTQ texts with as many records; fault is "
             "None or (kind, file, record) of the first record that is none.");
}

}  // namespace cisreg
