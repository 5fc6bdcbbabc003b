// The order that motifs are sorted into, for ctypes.

#include "fibers.h"
#include "prepare.cuh"

namespace {
std::string last_error;
}

extern "C" const char* cisreg_shim_sort(const float* log_kd, const float* log_concentration,
                                        uint64_t* keys, char* columns, int32_t* motif_at,
                                        int64_t width, int64_t motif_count) {
  using namespace cisreg::gpu;
  PrepareParams params = {};
  params.motifs.motif_count = static_cast<int32_t>(motif_count);
  params.motifs.tile_count =
      static_cast<int32_t>(2 * ((motif_count + kTileMotifs - 1) / kTileMotifs));
  params.motifs.motif = reinterpret_cast<MotifColumns*>(columns);
  params.motifs.motif_at = motif_at;
  params.shape.width = static_cast<int32_t>(width);
  params.sort_keys = keys;
  params.log_kd = log_kd;
  params.log_concentration = log_concentration;
  const cudaError_t status = SortMotifs(params, nullptr);
  last_error = cisreg::shim::TakeFailure();
  if (status != cudaSuccess && last_error.empty()) last_error = cudaGetErrorString(status);
  return last_error.c_str();
}
