// cisreg._native: base codes from the text of FASTA files.

#include "sequence/fasta.h"

#include <pybind11/pybind11.h>

#include <string>

#include "python/arguments.h"

namespace py = pybind11;

namespace cisreg {
namespace {

using Codes = py::array_t<uint8_t, py::array::c_style>;

py::tuple Encode(const Array<uint8_t>& text, Codes codes, int64_t begin, int64_t filled, int place,
                 bool masked_unknown) {
  Require(text.ndim() == 1, "text: expected 1 dimension, got " + std::to_string(text.ndim()));
  Require(codes.ndim() == 1, "codes: expected 1 dimension, got " + std::to_string(codes.ndim()));
  Require(codes.writeable(), "codes: expected an array that can be written");
  Require(begin >= 0 && begin <= text.size(), "begin: expected a position of the text");
  Require(filled >= 0 && filled <= codes.size(), "filled: expected a position of the codes");
  Require(place >= 0 && place <= 3, "place: expected 0 to 3, got " + std::to_string(place));
  const FastaBlock block = {
      text.data() + begin, text.size() - begin,           static_cast<FastaPlace>(place),
      masked_unknown,      codes.mutable_data() + filled, codes.size() - filled};
  FastaResult result;
  {
    py::gil_scoped_release release;
    result = EncodeFasta(block);
  }
  py::list headers;
  for (const FastaHeader& header : result.headers) {
    headers.append(py::make_tuple(begin + header.begin, begin + header.end, filled + header.bases,
                                  header.line));
  }
  return py::make_tuple(static_cast<int>(result.stop), static_cast<int>(result.place),
                        begin + result.text, filled + result.bases, result.lines, headers);
}

}  // namespace

void BindFasta(py::module_& module) {
  module.def(
      "encode_fasta", &Encode, py::arg("text"), py::arg("codes").noconvert(), py::arg("begin"),
      py::arg("filled"), py::arg("place"), py::arg("masked_unknown"),
      "Reads FASTA text from `begin` on and writes base codes behind codes[:filled]. Returns "
      "why it stopped (0 end of the text, 1 a header that goes on, 2 no room, 3 a foreign "
      "letter), the place in the line (0 start, 1 sequence, 2 behind a blank, 3 comment), "
      "where in the text and in the codes it stopped, how many line ends it read, and the "
      "headers: begin and end of their text, codes before them, line ends before them.");
}

}  // namespace cisreg
