// cisreg._native: base codes from text, and hashes of both.

#include <pybind11/pybind11.h>

#include <optional>
#include <string>

#include "python/arguments.h"
#include "sequence/encode.h"
#include "sequence/hash.h"

namespace py = pybind11;

namespace cisreg {
namespace {

using Codes = py::array_t<uint8_t, py::array::c_style>;

SequenceText CheckText(const Array<uint8_t>& data, const Array<int64_t>& offsets) {
  Require(offsets.ndim() == 1 && offsets.size() >= 1,
          "offsets: expected one more entry than there are sequences");
  const SequenceText text = {data.data(), offsets.data(), offsets.size() - 1};
  for (int64_t i = 0; i < text.count; ++i) {
    const bool rises = text.offsets[i] >= 0 && text.offsets[i] <= text.offsets[i + 1] &&
                       text.offsets[i + 1] <= data.size();
    // A message for every row would take longer than its encoding.
    if (!rises) {
      Require(false,
              "offsets: expected to rise within data, entry " + std::to_string(i) + " does not");
    }
  }
  return text;
}

SequenceRows CheckRows(const std::optional<Array<int64_t>>& rows, int64_t count) {
  if (!rows) return {nullptr, count};
  Require(rows->ndim() == 1, "rows: expected 1 dimension, got " + std::to_string(rows->ndim()));
  const int64_t* const index = rows->data();
  for (int64_t i = 0; i < rows->size(); ++i) {
    if (index[i] < 0 || index[i] >= count) {
      Require(false, "rows: expected 0 to " + std::to_string(count - 1) + ", got " +
                         std::to_string(index[i]) + " in entry " + std::to_string(i));
    }
  }
  return {index, rows->size()};
}

Codes CheckOut(std::optional<Codes> out, int64_t count, int64_t length) {
  if (!out) return Codes({count, length});
  Require(out->ndim() == 2 && out->shape(0) == count && out->shape(1) == length,
          "out: expected shape [" + std::to_string(count) + ", " + std::to_string(length) + "]");
  Require(out->writeable(), "out: expected an array that can be written");
  return *out;
}

py::tuple Encode(const Array<uint8_t>& data, const Array<int64_t>& offsets, int64_t length,
                 bool pad_left, const std::optional<Array<int64_t>>& rows,
                 const std::optional<Codes>& out) {
  Require(length >= 0, "length: expected 0 or more, got " + std::to_string(length));
  const SequenceText text = CheckText(data, offsets);
  const SequenceRows wanted = CheckRows(rows, text.count);
  Codes codes = CheckOut(out, wanted.count, length);
  uint8_t* const to = codes.mutable_data();
  EncodeCounts counts;
  {
    py::gil_scoped_release release;
    counts = EncodeSequences(text, wanted, length, pad_left, to);
  }
  return py::make_tuple(codes, counts.padded, counts.trimmed);
}

py::array_t<uint8_t> SequenceFaults(const Array<uint8_t>& data, const Array<int64_t>& offsets) {
  const SequenceText text = CheckText(data, offsets);
  py::array_t<uint8_t> faults(text.count);
  SequenceFault* const to = reinterpret_cast<SequenceFault*>(faults.mutable_data());
  {
    py::gil_scoped_release release;
    FindSequenceFaults(text, to);
  }
  return faults;
}

py::array_t<uint64_t> SequenceHashes(const Array<uint8_t>& codes, uint64_t seed) {
  Require(codes.ndim() == 2, "codes: expected 2 dimensions, got " + std::to_string(codes.ndim()));
  const int64_t count = codes.shape(0), length = codes.shape(1);
  const uint8_t* const from = codes.data();
  for (int64_t i = 0; i < codes.size(); ++i) {
    if (from[i] > 4) {
      Require(false, "codes: expected 0 to 4, got " + std::to_string(from[i]) + " in row " +
                         std::to_string(i / length));
    }
  }
  py::array_t<uint64_t> hashes(count);
  uint64_t* const to = hashes.mutable_data();
  {
    py::gil_scoped_release release;
    HashSequences(from, count, length, seed, to);
  }
  return hashes;
}

py::array_t<uint64_t> TextHashes(const Array<uint8_t>& data, const Array<int64_t>& offsets,
                                 uint64_t seed) {
  const SequenceText text = CheckText(data, offsets);
  py::array_t<uint64_t> hashes(text.count);
  uint64_t* const to = hashes.mutable_data();
  {
    py::gil_scoped_release release;
    HashTexts(text, seed, to);
  }
  return hashes;
}

}  // namespace

void BindSequence(py::module_& module) {
  module.def("encode", &Encode, py::arg("data"), py::arg("offsets"), py::arg("length"),
             py::arg("pad_left"), py::arg("rows") = py::none(),
             py::arg("out").noconvert() = py::none(),
             "Base codes [N, length] of texts given as Arrow data and offsets, and how many were "
             "padded and trimmed; of the texts `rows` in that order, written to `out`.");
  module.def("sequence_faults", &SequenceFaults, py::arg("data"), py::arg("offsets"),
             "For each text 0 where it is a sequence, 1 where it is empty, 2 where it has a letter "
             "that is no nucleotide code.");
  module.def("sequence_hashes", &SequenceHashes, py::arg("codes"), py::arg("seed"),
             "A hash of each row of base codes [N, L]; the same for the reverse complement, and "
             "whatever the padding.");
  module.def("text_hashes", &TextHashes, py::arg("data"), py::arg("offsets"), py::arg("seed"),
             "A hash of each text.");
}

}  // namespace cisreg
