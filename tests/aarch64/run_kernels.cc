// Runs kernels on problems from standard input and writes their results to standard output, all as
// plain numbers one after the other: for processors that have no Python here, see test_aarch64.py.
//
//   run_kernels NAME < problems > results

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "occupancy/launch.h"
#include "scan/scan.h"

namespace {

template <class T>
std::vector<T> Read(int64_t count) {
  std::vector<T> numbers(count);
  if (std::fread(numbers.data(), sizeof(T), count, stdin) != static_cast<size_t>(count)) {
    std::fprintf(stderr, "expected %lld more numbers\n", static_cast<long long>(count));
    std::exit(2);
  }
  return numbers;
}

template <class T>
void Write(const std::vector<T>& numbers) {
  std::fwrite(numbers.data(), sizeof(T), numbers.size(), stdout);
}

// Numbers that may not be there: `count` is 0 then, and the pointer null.
template <class T>
const T* PointerOf(const std::vector<T>& numbers) {
  return numbers.empty() ? nullptr : numbers.data();
}

struct Workspace {
  explicit Workspace(size_t bytes)
      : memory(static_cast<char*>(::operator new(bytes, std::align_val_t(64)))) {}
  ~Workspace() { ::operator delete(memory, std::align_val_t(64)); }
  char* const memory;
};

void RunOccupancy(const cisreg::OccupancyKernels& kernels) {
  const std::vector<int64_t> sizes = Read<int64_t>(12);
  const int64_t count = sizes[0], length = sizes[1], width = sizes[2], motifs = sizes[3];
  const int64_t sets = sizes[6], conditions = sizes[10];
  const cisreg::OccupancyShape shape =
      cisreg::MakeOccupancyShape(count, length, width, motifs, sizes[4] != 0);
  const auto reduction =
      sizes[5] == 0 ? cisreg::Reduction::kExpected : cisreg::Reduction::kLogUnbound;
  const int64_t sums = count * (sizes[11] > 0 ? 1 : conditions) * 2 * motifs;
  const int64_t weights = sets * 2 * shape.window_count * motifs;
  const auto sequence = Read<uint8_t>(count * length);
  const auto log_kd = Read<float>(width * 4 * motifs);
  const auto log_concentration = Read<float>(conditions * motifs);
  const auto position_weight = Read<float>(weights);
  const auto column_range = Read<int32_t>(sizes[7]);
  const auto span = Read<int32_t>(sizes[8]);
  const auto lengths = Read<int32_t>(sizes[9]);
  const auto condition = Read<int32_t>(sizes[11]);
  const auto bound_gradient = Read<float>(sums);
  const auto weighted_gradient = Read<float>(sets * sums);

  cisreg::OccupancyInputs inputs = {};
  inputs.compute_type = cisreg::ComputeType::kFloat32;
  inputs.weight_sets = sets;
  inputs.condition_count = conditions;
  inputs.sequence = sequence.data();
  inputs.log_kd = log_kd.data();
  inputs.log_concentration = log_concentration.data();
  inputs.position_weight = PointerOf(position_weight);
  inputs.column_range = PointerOf(column_range);
  inputs.span = PointerOf(span);
  inputs.span_stride = sizes[8] > 2 ? 2 : 0;
  inputs.length = PointerOf(lengths);
  inputs.condition = PointerOf(condition);

  cisreg::Executor executor;
  executor.worker_count = 1;
  executor.parallel_for = [](int64_t items, int64_t,
                             const std::function<void(int64_t, int)>& task) {
    for (int64_t i = 0; i < items; ++i) task(i, 0);
  };
  std::vector<float> bound(sums), weighted_sums(sets * sums);
  std::vector<float> kd_gradient(log_kd.size()), concentration_gradient(log_concentration.size()),
      weight_gradient(weights);
  {
    cisreg::OccupancyLaunch launch(kernels, shape, reduction, inputs, false);
    const Workspace workspace(launch.Workspace(executor).total());
    launch.Forward(executor, workspace.memory, {bound.data(), weighted_sums.data()});
  }
  {
    cisreg::OccupancyLaunch launch(kernels, shape, reduction, inputs, true);
    const Workspace workspace(launch.Workspace(executor).total());
    launch.Backward(executor, workspace.memory, {bound_gradient.data(), weighted_gradient.data()},
                    {kd_gradient.data(), concentration_gradient.data(), weight_gradient.data()});
  }
  for (const auto* each :
       {&bound, &weighted_sums, &kd_gradient, &concentration_gradient, &weight_gradient}) {
    Write(*each);
  }
}

void RunScan(const cisreg::scan::FilterKernels& kernels) {
  const std::vector<int64_t> sizes = Read<int64_t>(5);
  const int64_t count = sizes[0], motifs = sizes[3], pairs = count * motifs;
  const auto sequence = Read<uint8_t>(count * sizes[1]);
  const auto log_kd = Read<float>(sizes[2] * 4 * motifs);
  const auto column_range = Read<int32_t>(2 * motifs);
  const auto threshold = Read<float>(motifs);
  cisreg::scan::Text text = {sequence.data(), count * sizes[1], {}, {}};
  for (int64_t i = 0; i < count; ++i) {
    text.first.push_back(i * sizes[1]);
    text.end.push_back((i + 1) * sizes[1]);
  }
  cisreg::scan::Problem problem = {};
  problem.log_kd = log_kd.data();
  problem.column_range = column_range.data();
  problem.width = sizes[2];
  problem.motif_count = motifs;
  problem.unknown = static_cast<cisreg::scan::Unknown>(sizes[4]);
  const auto never = [] { return false; };

  std::vector<int64_t> position(pairs);
  std::vector<int8_t> strand(pairs);
  std::vector<float> best(pairs);
  cisreg::scan::FindBestSites(problem, text, kernels, {position.data(), strand.data(), best.data()},
                              1, never);
  Write(position);
  Write(strand);
  Write(best);

  std::vector<float> limits = threshold;
  limits.insert(limits.end(), threshold.begin(), threshold.end());
  const double background[] = {0.3, 0.2, 0.2, 0.3, 0.3, 0.2, 0.2, 0.3};
  const cisreg::scan::Distributions distributions(problem, background, {1.0, limits.data()}, 1);
  const cisreg::scan::HitScanner scanner(problem, kernels, limits.data(), &distributions);
  const auto hits = scanner.Find(text, {0, text.total, 1 << 20}, 1, never);
  const int64_t found = hits->count();
  std::vector<int64_t> hit_sequence(found), hit_position(found);
  std::vector<int8_t> hit_strand(found);
  std::vector<int32_t> hit_motif(found);
  std::vector<float> hit_log_kd(found);
  std::vector<double> hit_p_value(found);
  scanner.Write(text, *hits,
                {hit_sequence.data(), hit_position.data(), hit_strand.data(), hit_motif.data(),
                 hit_log_kd.data(), hit_p_value.data()},
                1);
  Write(std::vector<int64_t>{found});
  Write(hit_sequence);
  Write(hit_position);
  Write(hit_strand);
  Write(hit_motif);
  Write(hit_log_kd);
  Write(hit_p_value);
}

}  // namespace

int main(int count, char** words) {
  const char* name = count == 2 ? words[1] : "";
  const cisreg::OccupancyKernels* kernels = cisreg::FindKernels(name);
  const cisreg::scan::FilterKernels* filter = cisreg::scan::FindFilter(name);
  if (kernels == nullptr || filter == nullptr) {
    std::fprintf(stderr, "there are no kernels '%s'\n", name);
    return 2;
  }
  int64_t is_scan;
  while (std::fread(&is_scan, sizeof(is_scan), 1, stdin) == 1) {
    if (is_scan != 0) {
      RunScan(*filter);
    } else {
      RunOccupancy(*kernels);
    }
  }
  return 0;
}
