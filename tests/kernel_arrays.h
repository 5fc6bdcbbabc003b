// What the C functions of exclusive_kernels.cc and pair_kernels.cc share.

#ifndef CISREG_TESTS_KERNEL_ARRAYS_H_
#define CISREG_TESTS_KERNEL_ARRAYS_H_

#include <cstdint>
#include <functional>
#include <new>

#include "occupancy/launch.h"

namespace cisreg {

struct Workspace {
  explicit Workspace(size_t bytes)
      : memory(static_cast<char*>(::operator new(bytes, std::align_val_t(64)))) {}
  ~Workspace() { ::operator delete(memory, std::align_val_t(64)); }
  char* const memory;
};

// Takes pointers one after the other; null for an array that is not there.
struct Arrays {
  void** next;
  template <class T>
  void To(T** pointer) {
    *pointer = static_cast<T*>(*next++);
  }
};

// Everything on the caller's thread.
inline Executor OneThread() {
  Executor executor;
  executor.worker_count = 1;
  executor.parallel_for = [](int64_t items, int64_t,
                             const std::function<void(int64_t, int)>& task) {
    for (int64_t i = 0; i < items; ++i) task(i, 0);
  };
  return executor;
}

}  // namespace cisreg

#endif  // CISREG_TESTS_KERNEL_ARRAYS_H_
