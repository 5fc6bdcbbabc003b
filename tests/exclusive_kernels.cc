// The portable kernels of sites that exclude each other as one C function, for
// test_exclusive_faults.py.

#include <cstdint>
#include <new>

#include "exclusive/launch.h"

namespace {

struct Workspace {
  explicit Workspace(size_t bytes)
      : memory(static_cast<char*>(::operator new(bytes, std::align_val_t(64)))) {}
  ~Workspace() { ::operator delete(memory, std::align_val_t(64)); }
  char* const memory;
};

// Takes the pointers one after the other; null for an array that is not there.
struct Arrays {
  void** next;
  template <class T>
  void To(T** pointer) {
    *pointer = static_cast<T*>(*next++);
  }
};

}  // namespace

// `sizes`: N, L, W, M, whether windows reach over the ends, Q. `pointers`: the arrays in the order
// of ARRAYS in test_exclusive_faults.py.
extern "C" void RunExclusive(const int64_t* sizes, void** pointers) {
  const cisreg::OccupancyShape shape =
      cisreg::MakeOccupancyShape(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4] != 0);
  cisreg::exclusive::Inputs inputs = {};
  inputs.scan.compute_type = cisreg::ComputeType::kFloat32;
  inputs.scan.condition_count = 1;
  inputs.scan.span_stride = 2;
  inputs.competitor_count = sizes[5];
  cisreg::exclusive::Upstream upstream = {};
  cisreg::exclusive::Outputs outputs = {};
  cisreg::exclusive::Gradients gradients = {};
  Arrays arrays = {pointers};
  arrays.To(&inputs.scan.sequence);
  arrays.To(&inputs.scan.log_kd);
  arrays.To(&inputs.scan.log_concentration);
  arrays.To(&inputs.position_weight);
  arrays.To(&inputs.scan.column_range);
  arrays.To(&inputs.scan.span);
  arrays.To(&inputs.scan.length);
  arrays.To(&inputs.footprint);
  arrays.To(&inputs.competitor_width);
  arrays.To(&inputs.competitor_log_odds);
  arrays.To(&upstream.bound);
  arrays.To(&upstream.weighted);
  arrays.To(&upstream.log_partition);
  arrays.To(&upstream.competitors);
  arrays.To(&outputs.bound);
  arrays.To(&outputs.weighted);
  arrays.To(&outputs.log_partition);
  arrays.To(&outputs.competitors);
  arrays.To(&gradients.log_kd);
  arrays.To(&gradients.log_concentration);
  arrays.To(&gradients.position_weight);
  arrays.To(&gradients.competitors);

  cisreg::Executor executor;
  executor.worker_count = 1;
  executor.parallel_for = [](int64_t items, int64_t,
                             const std::function<void(int64_t, int)>& task) {
    for (int64_t i = 0; i < items; ++i) task(i, 0);
  };
  const cisreg::OccupancyKernels& kernels = *cisreg::FindKernels("portable");
  {
    cisreg::exclusive::Launch launch(kernels, shape, inputs, false);
    const Workspace workspace(launch.Workspace(executor));
    launch.Forward(executor, workspace.memory, outputs);
  }
  cisreg::exclusive::Launch launch(kernels, shape, inputs, true);
  const Workspace workspace(launch.Workspace(executor));
  launch.Backward(executor, workspace.memory, upstream, gradients);
}
