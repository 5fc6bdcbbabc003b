// Threads, memory and kernels for launches that Python asks for.

#ifndef CISREG_CSRC_PYTHON_EXECUTION_H_
#define CISREG_CSRC_PYTHON_EXECUTION_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <string>

#include "common/parallel.h"
#include "occupancy/launch.h"
#include "python/arguments.h"

namespace cisreg {

inline Executor ThreadExecutor(int threads) {
  RequireThreads(threads);
  Executor executor;
  executor.worker_count = threads;
  executor.parallel_for = [threads](int64_t count, int64_t,
                                    const std::function<void(int64_t, int)>& task) {
    std::atomic<int> workers{0};
    const auto never = [] { return false; };
    ShareOut(count, threads, never, [&](const NextItem& next) {
      const int worker = workers++;
      for (int64_t i = next(); i >= 0; i = next()) task(i, worker);
    });
  };
  return executor;
}

struct LineAligned {
  void operator()(char* memory) const { ::operator delete[](memory, std::align_val_t(64)); }
};
using Workspace = std::unique_ptr<char[], LineAligned>;

inline Workspace Allocate(size_t bytes) {
  return Workspace(static_cast<char*>(::operator new[](bytes, std::align_val_t(64))));
}

inline const OccupancyKernels& KernelsNamed(const std::string& name) {
  if (name.empty()) return SelectKernels();
  const OccupancyKernels* const kernels = FindKernels(name.c_str());
  Require(kernels != nullptr,
          "instruction_set: this processor or build has no '" + name + "' kernels");
  return *kernels;
}

}  // namespace cisreg

#endif  // CISREG_CSRC_PYTHON_EXECUTION_H_
