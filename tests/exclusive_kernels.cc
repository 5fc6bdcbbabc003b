// The kernels of sites that exclude each other as one C function, see kernel_arrays.py.

#include <cstdint>

#include "exclusive/launch.h"
#include "tests/kernel_arrays.h"

// `sizes`: N, L, W, M, Q. `pointers`: the arrays of EXCLUSIVE in kernel_arrays.py, in that order.
extern "C" void RunExclusive(const char* name, const int64_t* sizes, void** pointers) {
  const cisreg::OccupancyShape shape =
      cisreg::MakeOccupancyShape(sizes[0], sizes[1], sizes[2], sizes[3], true);
  cisreg::exclusive::Inputs inputs = {};
  inputs.scan.compute_type = cisreg::ComputeType::kFloat32;
  inputs.scan.condition_count = 1;
  inputs.scan.span_stride = 2;
  inputs.competitor_count = sizes[4];
  cisreg::exclusive::Upstream upstream = {};
  cisreg::exclusive::Outputs outputs = {};
  cisreg::exclusive::Gradients gradients = {};
  cisreg::Arrays arrays = {pointers};
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

  const cisreg::Executor executor = cisreg::OneThread();
  const cisreg::OccupancyKernels& kernels = *cisreg::FindKernels(name);
  {
    cisreg::exclusive::Launch launch(kernels, shape, inputs, false);
    const cisreg::Workspace workspace(launch.Workspace(executor));
    launch.Forward(executor, workspace.memory, outputs);
  }
  cisreg::exclusive::Launch launch(kernels, shape, inputs, true);
  const cisreg::Workspace workspace(launch.Workspace(executor));
  launch.Backward(executor, workspace.memory, upstream, gradients);
}
