// Runs the C functions of exclusive_kernels.cc and pair_kernels.cc on problems from standard input
// and writes the arrays that they fill to standard output: see problem_of in kernel_arrays.py.
//
//   run_arrays NAME < problems > results

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "occupancy/kernels.h"

extern "C" void RunExclusive(const char* name, const int64_t* sizes, void** pointers);
extern "C" void RunPairs(const char* name, const int64_t* sizes, void** pointers);

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

// `given` and `filled`: how many arrays the function reads and writes.
void Run(bool is_pairs, const char* name, int64_t sizes, int64_t given, int64_t filled) {
  const std::vector<int64_t> numbers = Read<int64_t>(sizes);
  const std::vector<int64_t> bytes = Read<int64_t>(given + filled);
  std::vector<std::vector<char>> arrays;
  std::vector<void*> pointers;
  for (int64_t i = 0; i < given + filled; ++i) {
    arrays.push_back(i < given ? Read<char>(bytes[i]) : std::vector<char>(bytes[i]));
    pointers.push_back(bytes[i] > 0 ? arrays.back().data() : nullptr);
  }
  (is_pairs ? RunPairs : RunExclusive)(name, numbers.data(), pointers.data());
  for (int64_t i = given; i < given + filled; ++i) {
    std::fwrite(arrays[i].data(), 1, arrays[i].size(), stdout);
  }
}

}  // namespace

int main(int count, char** words) {
  const char* name = count == 2 ? words[1] : "";
  if (cisreg::FindKernels(name) == nullptr) {
    std::fprintf(stderr, "there are no kernels '%s'\n", name);
    return 2;
  }
  int64_t head[4];
  while (std::fread(head, sizeof(head), 1, stdin) == 1) {
    Run(head[0] != 0, name, head[1], head[2], head[3]);
  }
  return 0;
}
