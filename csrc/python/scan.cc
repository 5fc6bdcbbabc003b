// cisreg._native: plain motif scanning.

#include "scan/scan.h"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "python/arguments.h"

namespace py = pybind11;

namespace cisreg {
namespace {

void CheckCodes(const Array<uint8_t>& codes) {
  const uint8_t* begin = codes.data();
  const uint8_t* end = begin + codes.size();
  uint8_t largest = 0;
  for (const uint8_t* code = begin; code < end; ++code) largest = std::max(largest, *code);
  if (largest <= kUnknownBase) return;
  const int64_t first =
      std::find_if(begin, end, [](uint8_t code) { return code > kUnknownBase; }) - begin;
  throw std::invalid_argument("sequence: expected base codes 0 to 4, got " +
                              std::to_string(begin[first]) + " at [" + std::to_string(first) +
                              "]; encode text with cisreg.encode");
}

scan::Unknown UnknownNamed(const std::string& name) {
  if (name == "skip") return scan::Unknown::kSkip;
  if (name == "neutral") return scan::Unknown::kNeutral;
  Require(name == "worst", "unknown: expected 'skip', 'neutral' or 'worst', got '" + name + "'");
  return scan::Unknown::kWorst;
}

// The sequences of a text: `bounds`, [2, N], are the first base of each and the one behind its
// last.
scan::Text MakeText(const Array<uint8_t>& codes, const Array<int64_t>& bounds) {
  Require(codes.ndim() == 1, "sequence: expected base codes [T]");
  Require(bounds.ndim() == 2 && bounds.shape(0) == 2, "bounds: expected [2, N]");
  CheckCodes(codes);
  scan::Text text = {codes.data(), codes.size(), {}, {}};
  int64_t before = 0;
  for (ssize_t i = 0; i < bounds.shape(1); ++i) {
    const int64_t first = bounds.at(0, i), end = bounds.at(1, i);
    Require(before <= first && first <= end && end <= text.total,
            "bounds: expected 0 <= first <= end <= T, each behind the one before; sequence " +
                std::to_string(i) + " has " + std::to_string(first) + " and " +
                std::to_string(end));
    text.first.push_back(first);
    text.end.push_back(end);
    before = end;
  }
  return text;
}

scan::Problem MakeProblem(const Array<float>& log_kd, const Array<int32_t>& column_range,
                          const std::string& unknown) {
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
  return {log_kd.data(), column_range.data(), log_kd.shape(0), log_kd.shape(2),
          UnknownNamed(unknown)};
}

const scan::FilterKernels& Kernels(const std::string& instruction_set) {
  if (instruction_set.empty()) return scan::SelectFilter();
  const scan::FilterKernels* kernels = scan::FindFilter(instruction_set.c_str());
  Require(kernels != nullptr, "instruction_set: this processor or build has no '" +
                                  instruction_set + "' kernels for motif scanning");
  return *kernels;
}

// Ends a long scan on Ctrl-C, which Python only records until asked, or when `stop` returns true:
// threads other than the main one hear of no signal.
Interrupted CheckSignals(const py::object& stop) {
  using Clock = std::chrono::steady_clock;
  return [next = Clock::now(), &stop]() mutable {
    if (Clock::now() < next) return false;
    py::gil_scoped_acquire acquire;
    next = Clock::now() + std::chrono::milliseconds(200);
    if (PyErr_CheckSignals() != 0) return true;
    return !stop.is_none() && stop().cast<bool>();
  };
}

using SharedDistributions = std::shared_ptr<const scan::Distributions>;

SharedDistributions MakeDistributions(const Array<float>& log_kd,
                                      const Array<int32_t>& column_range,
                                      const Array<double>& background, double p_value,
                                      const std::optional<Array<float>>& limit, int threads) {
  const scan::Problem problem = MakeProblem(log_kd, column_range, "skip");
  Require(
      background.ndim() == 2 && background.shape(0) == kStrands && background.shape(1) == kBases,
      "background: expected [2, 4]");
  Require(!limit || (limit->ndim() == 2 && limit->shape(0) == kStrands &&
                     limit->shape(1) == problem.motif_count),
          "limit: expected [2, M]");
  Require(std::all_of(background.data(), background.data() + background.size(),
                      [](double each) { return each >= 0 && each <= 1; }),
          "background: expected probabilities");
  RequireThreads(threads);
  py::gil_scoped_release release;
  return std::make_shared<const scan::Distributions>(
      problem, background.data(),
      scan::Distributions::Wanted{p_value, limit ? limit->data() : nullptr}, threads);
}

py::array_t<double> DistributionThresholds(const scan::Distributions& distributions) {
  py::array_t<double> thresholds({int64_t{kStrands}, distributions.motif_count()});
  for (int strand = 0; strand < kStrands; ++strand) {
    for (int64_t motif = 0; motif < distributions.motif_count(); ++motif) {
      thresholds.mutable_at(strand, motif) = distributions.Threshold(motif, strand);
    }
  }
  return thresholds;
}

py::array_t<float> DistributionLimits(const scan::Distributions& distributions) {
  py::array_t<float> limits({int64_t{kStrands}, distributions.motif_count()});
  for (int strand = 0; strand < kStrands; ++strand) {
    for (int64_t motif = 0; motif < distributions.motif_count(); ++motif) {
      limits.mutable_at(strand, motif) = distributions.Limit(motif, strand);
    }
  }
  return limits;
}

// Motifs ready to be scanned with, and what they depend on.
class Scanner {
 public:
  Scanner(const Array<float>& log_kd, const Array<int32_t>& column_range,
          const Array<float>& limits, SharedDistributions distributions, const std::string& unknown,
          const std::string& instruction_set)
      : log_kd_(log_kd), column_range_(column_range), distributions_(std::move(distributions)) {
    const scan::Problem problem = MakeProblem(log_kd_, column_range_, unknown);
    Require(
        limits.ndim() == 2 && limits.shape(0) == kStrands && limits.shape(1) == problem.motif_count,
        "limits: expected [2, M]");
    Require(distributions_ == nullptr || distributions_->motif_count() == problem.motif_count,
            "distributions: expected those of the same motifs");
    scanner_ = std::make_unique<scan::HitScanner>(problem, Kernels(instruction_set), limits.data(),
                                                  distributions_.get());
  }

  // (sequence, position, strand, motif, log Kd, p-value or None, end of the windows scanned)
  py::tuple Hits(const Array<uint8_t>& codes, const Array<int64_t>& bounds, int64_t first,
                 std::optional<int64_t> end, int64_t enough, int threads,
                 const py::object& stop) const {
    const scan::Text text = MakeText(codes, bounds);
    const int64_t last = end.value_or(text.total);
    Require(0 <= first && first <= last && last <= text.total,
            "first, end: expected 0 <= first <= end <= T");
    RequireThreads(threads);
    std::optional<scan::ChunkedHits> hits;
    {
      py::gil_scoped_release release;
      hits = scanner_->Find(text, {first, last, enough}, threads, CheckSignals(stop));
    }
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    if (!hits) throw std::runtime_error("the scan was stopped");
    return ToArrays(text, *hits, threads);
  }

 private:
  py::tuple ToArrays(const scan::Text& text, const scan::ChunkedHits& hits, int threads) const {
    const int64_t count = hits.count();
    py::array_t<int64_t> sequences(count), positions(count);
    py::array_t<int8_t> strands(count);
    py::array_t<int32_t> motifs(count);
    py::array_t<float> values(count);
    py::array_t<double> p_values(distributions_ == nullptr ? 0 : count);
    const scan::HitArrays arrays = {
        sequences.mutable_data(), positions.mutable_data(),
        strands.mutable_data(),   motifs.mutable_data(),
        values.mutable_data(),    distributions_ == nullptr ? nullptr : p_values.mutable_data()};
    {
      py::gil_scoped_release release;
      scanner_->Write(text, hits, arrays, threads);
    }
    const py::object p_value = distributions_ == nullptr ? py::object(py::none()) : p_values;
    return py::make_tuple(sequences, positions, strands, motifs, values, p_value, hits.end_window);
  }

  const Array<float> log_kd_;
  const Array<int32_t> column_range_;
  const SharedDistributions distributions_;
  std::unique_ptr<scan::HitScanner> scanner_;
};

py::tuple BestSites(const Array<uint8_t>& codes, const Array<int64_t>& bounds,
                    const Array<float>& log_kd, const Array<int32_t>& column_range,
                    const std::string& unknown, int threads, const std::string& instruction_set) {
  const scan::Problem problem = MakeProblem(log_kd, column_range, unknown);
  const scan::Text text = MakeText(codes, bounds);
  const scan::FilterKernels& kernels = Kernels(instruction_set);
  RequireThreads(threads);
  const std::vector<int64_t> shape = {text.sequence_count(), problem.motif_count};
  py::array_t<int64_t> positions(shape);
  py::array_t<int8_t> strands(shape);
  py::array_t<float> values(shape);
  const scan::BestSiteArrays arrays = {positions.mutable_data(), strands.mutable_data(),
                                       values.mutable_data()};
  const py::none never;
  bool done;
  {
    py::gil_scoped_release release;
    done = scan::FindBestSites(problem, text, kernels, arrays, threads, CheckSignals(never));
  }
  if (!done) throw py::error_already_set();
  return py::make_tuple(positions, strands, values);
}

std::vector<std::string> ScanInstructionSets() {
  std::vector<std::string> names;
  for (const char* name : {"portable", "avx2", "avx512", "neon"}) {
    if (scan::FindFilter(name) != nullptr) names.push_back(name);
  }
  return names;
}

}  // namespace

void BindScan(py::module_& module) {
  py::class_<scan::Distributions, std::shared_ptr<scan::Distributions>>(
      module, "ScoreDistributions",
      "Distributions of the scores of motifs, for p-values up to p_value or of sites with log Kd "
      "of "
      "at most limit [2, M].")
      .def(py::init([](const Array<float>& log_kd, const Array<int32_t>& column_range,
                       const Array<double>& background, double p_value,
                       const std::optional<Array<float>>& limit, int threads) {
             return std::const_pointer_cast<scan::Distributions>(
                 MakeDistributions(log_kd, column_range, background, p_value, limit, threads));
           }),
           py::arg("log_kd"), py::arg("column_range"), py::arg("background"), py::kw_only(),
           py::arg("p_value") = 1.0, py::arg("limit") = py::none(), py::arg("threads") = 1)
      .def("thresholds", &DistributionThresholds,
           "The largest log Kd at which no hit has a larger p-value, float64 [2, M].")
      .def("limits", &DistributionLimits,
           "A log Kd that no site with such a p-value exceeds, float32 [2, M].");
  py::class_<Scanner>(module, "SiteScanner", "Motifs and limits, ready to scan texts.")
      .def(py::init([](const Array<float>& log_kd, const Array<int32_t>& column_range,
                       const Array<float>& limits,
                       const std::shared_ptr<scan::Distributions>& distributions,
                       const std::string& unknown, const std::string& instruction_set) {
             return std::make_unique<Scanner>(log_kd, column_range, limits, distributions, unknown,
                                              instruction_set);
           }),
           py::arg("log_kd"), py::arg("column_range"), py::arg("limits"), py::kw_only(),
           py::arg("distributions") = py::none(), py::arg("unknown") = "skip",
           py::arg("instruction_set") = "")
      .def("hits", &Scanner::Hits, py::arg("codes"), py::arg("bounds"), py::kw_only(),
           py::arg("first") = 0, py::arg("end") = py::none(), py::arg("enough"),
           py::arg("threads") = 1, py::arg("stop") = py::none(),
           "(sequence, position, strand, motif, log_kd, p_value, end) of the sites that begin at "
           "codes [first, end), sorted in that order; the end returned is lower where there are "
           "more than enough hits.");
  module.def("best_sites", &BestSites, py::arg("codes"), py::arg("bounds"), py::arg("log_kd"),
             py::arg("column_range"), py::kw_only(), py::arg("unknown") = "skip",
             py::arg("threads") = 1, py::arg("instruction_set") = "",
             "(position, strand, log_kd), each [N, M], of the strongest sites.");
  module.def("scan_instruction_sets", &ScanInstructionSets,
             "Names of the motif scanning kernels that this build and this processor have.");
}

}  // namespace cisreg
