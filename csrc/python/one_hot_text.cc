// cisreg._native: one-hot text.

#include "sequence/one_hot_text.h"

#include <pybind11/pybind11.h>

#include <string>

#include "python/arguments.h"

namespace py = pybind11;

namespace cisreg {
namespace {

py::bytes Format(const Array<uint8_t>& label_data, const Array<int64_t>& label_offsets,
                 const Array<uint8_t>& codes) {
  Require(codes.ndim() == 2 && codes.shape(1) >= 1, "codes: expected [N, 1 or more]");
  const int64_t count = codes.shape(0), length = codes.shape(1);
  Require(label_offsets.ndim() == 1 && label_offsets.size() == count + 1,
          "offsets: expected one more entry than there are sequences");
  for (int64_t i = 0; i < count; ++i) {
    Require(label_offsets.at(i) >= 0 && label_offsets.at(i) <= label_offsets.at(i + 1) &&
                label_offsets.at(i + 1) <= label_data.size(),
            "offsets: expected to rise within data, entry " + std::to_string(i) + " does not");
  }
  const int64_t label_size = count == 0 ? 0 : label_offsets.at(count) - label_offsets.at(0);
  const int64_t size = label_size + count * OneHotLineSize(length);
  py::bytes lines(nullptr, size);
  char* text = PyBytes_AsString(lines.ptr());
  const SequenceText labels = {label_data.data(), label_offsets.data(), count};
  {
    // No other thread has a reference to these bytes yet, so they may be written without the GIL.
    py::gil_scoped_release release;
    FormatOneHot(labels, codes.data(), length, text);
  }
  return lines;
}

const char* FaultName(OneHotFault fault) {
  switch (fault) {
    case OneHotFault::kNone:
      return "";
    case OneHotFault::kFieldCount:
      return "field count";
    case OneHotFault::kField:
      return "field";
    case OneHotFault::kTwoBases:
      return "two bases";
  }
  return "";
}

py::dict Parse(const py::bytes& text, int64_t length) {
  Require(length >= 1, "length: expected 1 or more, got " + std::to_string(length));
  char* data = nullptr;
  ssize_t size = 0;
  if (PyBytes_AsStringAndSize(text.ptr(), &data, &size) != 0) throw py::error_already_set();
  // A correct line is at least as long as its fields; the last one may lack its line end.
  const int64_t most = size / OneHotLineSize(length) + 1;
  py::array_t<uint8_t> codes({most, length});
  py::array_t<int64_t> label_begin(most), label_end(most), line(most);
  const OneHotRows rows = {codes.mutable_data(), label_begin.mutable_data(),
                           label_end.mutable_data(), line.mutable_data()};
  OneHotResult result;
  {
    py::gil_scoped_release release;
    result = ParseOneHot(data, size, length, rows);
  }
  py::dict parsed;
  parsed["rows"] = result.rows;
  parsed["codes"] = codes;
  parsed["label_begin"] = label_begin;
  parsed["label_end"] = label_end;
  parsed["line"] = line;
  parsed["fault"] = FaultName(result.fault);
  parsed["fault_line"] = result.line;
  parsed["fault_field"] = result.field;
  return parsed;
}

}  // namespace

void BindOneHotText(py::module_& module) {
  module.def("format_one_hot", &Format, py::arg("label_data"), py::arg("label_offsets"),
             py::arg("codes"),
             "Lines of one-hot text for codes [N, length] and labels given as Arrow data and "
             "offsets.");
  module.def("parse_one_hot", &Parse, py::arg("text"), py::arg("length"),
             "Codes of whole lines of one-hot text, where their labels are, and what is wrong.");
}

}  // namespace cisreg
