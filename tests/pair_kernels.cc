// The kernels of pairs of factors as one C function, see kernel_arrays.py.

#include <cstdint>

#include "pairs/launch.h"
#include "tests/kernel_arrays.h"

// `sizes`: N, L, W, M, pairs, knots, distance. `pointers`: the arrays of PAIRS in kernel_arrays.py,
// in that order.
extern "C" void RunPairs(const char* name, const int64_t* sizes, void** pointers) {
  const cisreg::OccupancyShape shape =
      cisreg::MakeOccupancyShape(sizes[0], sizes[1], sizes[2], sizes[3], true);
  cisreg::pairs::Inputs inputs = {};
  inputs.scan.compute_type = cisreg::ComputeType::kFloat32;
  inputs.scan.condition_count = 1;
  inputs.scan.span_stride = 2;
  inputs.pair_count = sizes[4];
  inputs.knot_count = sizes[5];
  inputs.distance = sizes[6];
  const float* upstream = nullptr;
  float* score = nullptr;
  cisreg::pairs::Gradients gradients = {};
  cisreg::Arrays arrays = {pointers};
  arrays.To(&inputs.scan.sequence);
  arrays.To(&inputs.scan.log_kd);
  arrays.To(&inputs.scan.log_concentration);
  arrays.To(&inputs.scan.column_range);
  arrays.To(&inputs.scan.span);
  arrays.To(&inputs.pair);
  arrays.To(&inputs.effect);
  arrays.To(&upstream);
  arrays.To(&score);
  arrays.To(&gradients.log_kd);
  arrays.To(&gradients.log_concentration);
  arrays.To(&gradients.effect);

  const cisreg::Executor executor = cisreg::OneThread();
  const cisreg::OccupancyKernels& kernels = *cisreg::FindKernels(name);
  {
    cisreg::pairs::Launch launch(kernels, shape, inputs, false);
    const cisreg::Workspace workspace(launch.Workspace(executor));
    launch.Forward(executor, workspace.memory, score);
  }
  cisreg::pairs::Launch launch(kernels, shape, inputs, true);
  const cisreg::Workspace workspace(launch.Workspace(executor));
  launch.Backward(executor, workspace.memory, upstream, gradients);
}
