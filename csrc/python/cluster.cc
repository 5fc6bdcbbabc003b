// cisreg._native: finds, for each sequence, the more abundant one that it is a copy of with errors.

#include "reads/cluster.h"

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>

#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "python/arguments.h"
#include "reads/edit_distance.h"
#include "reads/segments.h"

namespace py = pybind11;

namespace cisreg {
namespace {

using Progress = std::optional<py::function>;

// While the search runs, `progress` and other threads of Python may change the arrays, or resize
// them. So it works on copies; only of the letters, if they cannot be written, it makes none.
template <class T>
std::vector<T> Copied(const Array<T>& array) {
  return {array.data(), array.data() + array.size()};
}

void CheckText(const Array<uint8_t>& data, const std::vector<int64_t>& offsets) {
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const int64_t begin = offsets[i], end = offsets[i + 1];
    Require(0 <= begin && begin <= end && end <= data.size(),
            "offsets: expected to rise within data, entry " + std::to_string(i) + " does not");
    Require(end - begin <= reads::kLongest,
            "sequences: expected at most " + std::to_string(reads::kLongest) +
                " letters in each, got " + std::to_string(end - begin) + " in row " +
                std::to_string(i));
  }
}

void CheckCandidates(const std::vector<uint32_t>& candidates) {
  for (size_t i = 0; i < candidates.size(); ++i) {
    Require(candidates[i] <= i && (i == 0 || candidates[i] >= candidates[i - 1]),
            "candidates: expected at most i and rising, entry " + std::to_string(i) + " is not");
  }
}

// Ends the work on Ctrl-C, which Python only records until asked, and on errors of `progress`.
reads::Interrupted CheckSignals(const Progress& progress) {
  using Clock = std::chrono::steady_clock;
  return [&progress, next = Clock::now()](double share) mutable {
    if (Clock::now() < next) return false;
    py::gil_scoped_acquire acquire;
    next = Clock::now() + std::chrono::milliseconds(200);
    try {
      if (progress) (*progress)(share);
    } catch (py::error_already_set& error) {
      error.restore();
      return true;
    }
    return PyErr_CheckSignals() != 0;
  };
}

py::tuple ClusterParents(const Array<uint8_t>& data, const Array<int64_t>& offsets,
                         const Array<uint32_t>& candidates, int differences, int threads,
                         const Progress& progress) {
  Require(offsets.ndim() == 1 && offsets.size() >= 1,
          "offsets: expected one more entry than there are sequences");
  const int64_t count = offsets.size() - 1;
  Require(count < std::numeric_limits<uint32_t>::max(),
          "sequences: expected fewer than 2^32 - 1, got " + std::to_string(count));
  Require(candidates.ndim() == 1 && candidates.size() == count,
          "candidates: expected one number for each sequence");
  const std::vector<int64_t> own_offsets = Copied(offsets);
  const std::vector<uint32_t> own_candidates = Copied(candidates);
  const std::vector<uint8_t> own_data = data.writeable() ? Copied(data) : std::vector<uint8_t>();
  const uint8_t* const letters = data.writeable() ? own_data.data() : data.data();
  CheckText(data, own_offsets);
  CheckCandidates(own_candidates);
  Require(1 <= differences && differences <= reads::kMostDifferences,
          "differences: expected 1 to " + std::to_string(reads::kMostDifferences) + ", got " +
              std::to_string(differences));
  RequireThreads(threads);
  const reads::ClusterProblem problem = {
      {letters, own_offsets.data(), count}, own_candidates.data(), differences};
  py::array_t<int64_t> parents(count);
  int64_t* const written = parents.mutable_data();
  const reads::Interrupted interrupted = CheckSignals(progress);
  reads::ClusterOutcome outcome;
  {
    py::gil_scoped_release release;
    outcome = reads::FindParents(problem, threads, interrupted, written);
  }
  if (!outcome.finished) throw py::error_already_set();
  return py::make_tuple(parents, outcome.duplicate, outcome.original);
}

int EditDistance(const std::string& from, const std::string& to, int limit) {
  Require(0 <= limit && limit <= reads::kMostDifferences,
          "limit: expected 0 to " + std::to_string(reads::kMostDifferences) + ", got " +
              std::to_string(limit));
  const auto text = [](const std::string& letters) {
    Require(letters.size() <= static_cast<size_t>(reads::kLongest),
            "text: expected at most " + std::to_string(reads::kLongest) + " letters, got " +
                std::to_string(letters.size()));
    return reads::Text{reinterpret_cast<const uint8_t*>(letters.data()),
                       static_cast<int32_t>(letters.size())};
  };
  return reads::BoundedEditDistance(text(from), text(to), limit);
}

}  // namespace

void BindCluster(py::module_& module) {
  module.def("cluster_parents", &ClusterParents, py::arg("data"), py::arg("offsets"),
             py::arg("candidates"), py::kw_only(), py::arg("differences"), py::arg("threads") = 1,
             py::arg("progress") = py::none(),
             "(parents [N], duplicate, original): the nearest of each sequence's first "
             "candidates[i], itself where none is within `differences`; and the first sequence "
             "that stood before, with its place, or -1 and -1. progress(share) is called now and "
             "then.");
  module.def("edit_distance", &EditDistance, py::arg("a"), py::arg("b"), py::arg("limit"),
             "Substitutions, insertions and deletions between two texts; limit + 1 where they are "
             "more than limit.");
}

}  // namespace cisreg
