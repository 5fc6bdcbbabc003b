// cisreg._native: plain motif scanning.

#include "scan/scan.h"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "python/arguments.h"

namespace py = pybind11;

namespace cisreg {
namespace {

void CheckCodes(const Array<uint8_t>& sequence) {
  const uint8_t* begin = sequence.data();
  const uint8_t* end = begin + sequence.size();
  uint8_t largest = 0;
  for (const uint8_t* code = begin; code < end; ++code) largest = std::max(largest, *code);
  if (largest <= kUnknownBase) return;
  const int64_t first =
      std::find_if(begin, end, [](uint8_t code) { return code > kUnknownBase; }) - begin;
  throw std::invalid_argument(
      "sequence: expected base codes 0 to 4, got " + std::to_string(begin[first]) + " at [" +
      std::to_string(first / sequence.shape(1)) + ", " + std::to_string(first % sequence.shape(1)) +
      "]; encode text with cisreg.encode");
}

scan::Unknown UnknownNamed(const std::string& name) {
  if (name == "skip") return scan::Unknown::kSkip;
  if (name == "neutral") return scan::Unknown::kNeutral;
  Require(name == "worst", "unknown: expected 'skip', 'neutral' or 'worst', got '" + name + "'");
  return scan::Unknown::kWorst;
}

// The part of each row that is sequence, [2, N]: first base, and the one behind the last.
using RowRange = std::optional<Array<int64_t>>;

void CheckRowRange(const Array<int64_t>& range, const Array<uint8_t>& sequence) {
  Require(range.ndim() == 2 && range.shape(0) == 2 && range.shape(1) == sequence.shape(0),
          "row_range: expected [2, N]");
  for (ssize_t row = 0; row < sequence.shape(0); ++row) {
    const int64_t first = range.at(0, row), end = range.at(1, row);
    if (!(0 <= first && first <= end && end <= sequence.shape(1))) {
      Require(false, "row_range: expected 0 <= first <= end <= L, row " + std::to_string(row) +
                         " has " + std::to_string(first) + " and " + std::to_string(end));
    }
  }
}

scan::Problem MakeProblem(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                          const Array<int32_t>& column_range, const RowRange& row_range,
                          const std::string& unknown) {
  Require(sequence.ndim() == 2, "sequence: expected [N, L]");
  Require(log_kd.ndim() == 3 && log_kd.shape(0) > 0 && log_kd.shape(1) == kBases &&
              log_kd.shape(2) > 0 && log_kd.shape(2) <= std::numeric_limits<int32_t>::max() / 2,
          "motifs: expected log Kd [W, 4, M] with W and M of at least 1");
  Require(column_range.ndim() == 2 && column_range.shape(0) == 2 &&
              column_range.shape(1) == log_kd.shape(2),
          "motifs: expected a column range [2, M]");
  for (ssize_t motif = 0; motif < log_kd.shape(2); ++motif) {
    const int64_t first = column_range.at(0, motif), end = column_range.at(1, motif);
    Require(0 <= first && first < end && end <= log_kd.shape(0),
            "motifs: expected column ranges with 0 <= first < end <= W");
  }
  CheckCodes(sequence);
  if (row_range) CheckRowRange(*row_range, sequence);
  const int64_t* first_base = row_range ? row_range->data() : nullptr;
  const int64_t* end_base = row_range ? first_base + sequence.shape(0) : nullptr;
  return {sequence.data(),     sequence.shape(0), sequence.shape(1), log_kd.data(),
          column_range.data(), log_kd.shape(0),   log_kd.shape(2),   UnknownNamed(unknown),
          first_base,          end_base};
}

const scan::FilterKernels& Kernels(const std::string& instruction_set) {
  if (instruction_set.empty()) return scan::SelectFilter();
  const scan::FilterKernels* kernels = scan::FindFilter(instruction_set.c_str());
  Require(kernels != nullptr, "instruction_set: this processor or build has no '" +
                                  instruction_set + "' kernels for motif scanning");
  return *kernels;
}

// Ends a long scan on Ctrl-C, which Python only records until asked.
Interrupted CheckSignals() {
  using Clock = std::chrono::steady_clock;
  return [next = Clock::now()]() mutable {
    if (Clock::now() < next) return false;
    py::gil_scoped_acquire acquire;
    next = Clock::now() + std::chrono::milliseconds(200);
    return PyErr_CheckSignals() != 0;
  };
}

std::optional<py::tuple> ScanHits(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                                  const Array<int32_t>& column_range, const Array<float>& threshold,
                                  int64_t limit, const RowRange& row_range,
                                  const std::string& unknown, int threads,
                                  const std::string& instruction_set) {
  const scan::Problem problem = MakeProblem(sequence, log_kd, column_range, row_range, unknown);
  const scan::FilterKernels& kernels = Kernels(instruction_set);
  RequireThreads(threads);
  Require(threshold.ndim() == 1 && threshold.size() == problem.motif_count,
          "threshold: expected [M]");
  std::optional<scan::ChunkedHits> chunks;
  {
    py::gil_scoped_release release;
    chunks = scan::FindHits(problem, kernels, threshold.data(), limit, threads, CheckSignals());
  }
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (!chunks) return std::nullopt;
  ssize_t count = 0;
  for (const std::vector<scan::Hit>& chunk : *chunks) count += chunk.size();
  py::array_t<int64_t> sequences(count), positions(count);
  py::array_t<int8_t> strands(count);
  py::array_t<int32_t> motifs(count);
  py::array_t<float> values(count);
  const scan::HitArrays arrays = {sequences.mutable_data(), positions.mutable_data(),
                                  strands.mutable_data(), motifs.mutable_data(),
                                  values.mutable_data()};
  {
    py::gil_scoped_release release;
    scan::WriteHits(problem, *chunks, arrays, threads);
  }
  return py::make_tuple(sequences, positions, strands, motifs, values);
}

py::tuple BestSites(const Array<uint8_t>& sequence, const Array<float>& log_kd,
                    const Array<int32_t>& column_range, const RowRange& row_range,
                    const std::string& unknown, int threads, const std::string& instruction_set) {
  const scan::Problem problem = MakeProblem(sequence, log_kd, column_range, row_range, unknown);
  const scan::FilterKernels& kernels = Kernels(instruction_set);
  RequireThreads(threads);
  const std::vector<int64_t> shape = {problem.sequence_count, problem.motif_count};
  py::array_t<int64_t> positions(shape);
  py::array_t<int8_t> strands(shape);
  py::array_t<float> values(shape);
  const scan::BestSiteArrays arrays = {positions.mutable_data(), strands.mutable_data(),
                                       values.mutable_data()};
  bool done;
  {
    py::gil_scoped_release release;
    done = scan::FindBestSites(problem, kernels, arrays, threads, CheckSignals());
  }
  if (!done) throw py::error_already_set();
  return py::make_tuple(positions, strands, values);
}

std::vector<std::string> ScanInstructionSets() {
  std::vector<std::string> names;
  for (const char* name : {"portable", "avx2", "avx512"}) {
    if (scan::FindFilter(name) != nullptr) names.push_back(name);
  }
  return names;
}

}  // namespace

void BindScan(py::module_& module) {
  module.def("scan_hits", &ScanHits, py::arg("sequence"), py::arg("log_kd"),
             py::arg("column_range"), py::arg("threshold"), py::kw_only(), py::arg("limit"),
             py::arg("row_range") = py::none(), py::arg("unknown") = "skip", py::arg("threads") = 1,
             py::arg("instruction_set") = "",
             "(sequence, position, strand, motif, log_kd) of all sites with log Kd of at most "
             "threshold [M], sorted in that order; None where they are more than limit.");
  module.def("best_sites", &BestSites, py::arg("sequence"), py::arg("log_kd"),
             py::arg("column_range"), py::kw_only(), py::arg("row_range") = py::none(),
             py::arg("unknown") = "skip", py::arg("threads") = 1, py::arg("instruction_set") = "",
             "(position, strand, log_kd), each [N, M], of the strongest sites.");
  module.def("scan_instruction_sets", &ScanInstructionSets,
             "Names of the motif scanning kernels that this build and this processor have.");
}

}  // namespace cisreg
