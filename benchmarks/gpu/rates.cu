// How fast tensor cores are through mma.sync, dense and sparse, and beside other instructions.
//
//     nvcc -std=c++17 -O3 -arch=native -I cuda -I csrc benchmarks/gpu/rates.cu -o rates && ./rates
//
// Prints a line of JSON for each kernel: what a warp does in a round, how many rounds, and how long
// it took by the device's own clock (cycles of a multiprocessor) and by events (milliseconds).

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "ptx.cuh"

namespace cisreg {
namespace {

// Of a round: products that do not wait for each other, and beside them what the forward kernel
// does in about the same proportion.
constexpr int kProducts = 8;
constexpr int kSums = 48;
constexpr int kExponentials = 5;
constexpr int kThreads = 128;
constexpr int kTimes = 5;

enum class Product { kNone, kDenseHalf, kSparseHalf, kDenseBfloat };

struct RateParams {
  int rounds;
  float* sink;      // [threads of the grid]
  int64_t* cycles;  // [blocks]
};

template <Product product>
__device__ __forceinline__ void Multiply(float (&d)[4], uint32_t a, uint32_t b) {
  if constexpr (product == Product::kDenseHalf) ptx::MmaHalf(d, a, a, a, a, b, b);
#if CISREG_CUDA_ARCH >= 800
  // Metadata 1110: the last two of each four, as of a base that is G or T.
  if constexpr (product == Product::kSparseHalf) {
    ptx::MmaSparseHalf<0>(d, a, a, a, a, make_uint4(b, b, b, b), 0xeeeeeeee);
  }
  if constexpr (product == Product::kDenseBfloat) ptx::MmaBfloat(d, a, a, a, a, b, b);
#endif
}

template <Product product, bool Others>
__global__ void __launch_bounds__(kThreads) RateKernel(const __grid_constant__ RateParams params) {
  const uint32_t one = threadIdx.x % 4 == 0 ? 0x3c00 : 0, number = 0x1c001c00 + threadIdx.x;
  float products[kProducts][4] = {};
  float sums[kProducts] = {};
  // Below 1, so that sums stay finite.
  const float power = -0.5f - 0.001f * static_cast<float>(threadIdx.x);
  const int64_t begin = clock64();
#pragma unroll 1
  for (int round = 0; round < params.rounds; ++round) {
#pragma unroll
    for (int i = 0; i < kProducts; ++i) {
      Multiply<product>(products[i], one, number);
      if constexpr (Others) {
#pragma unroll
        for (int j = 0; j < kSums / kProducts; ++j) sums[i] = fmaf(sums[i], power, power);
        if (i < kExponentials) sums[i] = ptx::Exp2(sums[i]);
      }
    }
  }
  const int64_t end = clock64();
  float all = 0;
  for (int i = 0; i < kProducts; ++i) {
    all += sums[i] + products[i][0] + products[i][1] + products[i][2] + products[i][3];
  }
  params.sink[blockIdx.x * blockDim.x + threadIdx.x] = all;
  if (threadIdx.x == 0) params.cycles[blockIdx.x] = end - begin;
}

void Check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(status));
  std::exit(1);
}

struct Device {
  int multiprocessors;
  float* sink;
  int64_t* cycles;
};

// Milliseconds of a launch, and the longest block's cycles.
void Launch(void (*kernel)(RateParams), const Device& device, int blocks, int rounds,
            float* milliseconds, int64_t* cycles) {
  cudaEvent_t begin, end;
  Check(cudaEventCreate(&begin), "create an event");
  Check(cudaEventCreate(&end), "create an event");
  Check(cudaEventRecord(begin), "record an event");
  kernel<<<blocks, kThreads>>>({rounds, device.sink, device.cycles});
  Check(cudaGetLastError(), "launch");
  Check(cudaEventRecord(end), "record an event");
  Check(cudaEventSynchronize(end), "wait");
  Check(cudaEventElapsedTime(milliseconds, begin, end), "read a time");
  std::vector<int64_t> found(blocks);
  Check(cudaMemcpy(found.data(), device.cycles, blocks * sizeof(int64_t), cudaMemcpyDeviceToHost),
        "copy from the device");
  *cycles = *std::max_element(found.begin(), found.end());
}

// `warps` of each multiprocessor work at a time.
void Measure(const char* name, void (*kernel)(RateParams), const Device& device, int warps) {
  const int blocks = device.multiprocessors * warps * 32 / kThreads;
  constexpr int kFewRounds = 2000;
  constexpr float kMilliseconds = 20.0f;
  float milliseconds = 0;
  int64_t cycles = 0;
  Launch(kernel, device, blocks, kFewRounds, &milliseconds, &cycles);
  Launch(kernel, device, blocks, kFewRounds, &milliseconds, &cycles);
  const int rounds =
      static_cast<int>(kFewRounds * std::max(1.0f, kMilliseconds / std::max(milliseconds, 0.01f)));
  std::vector<std::pair<float, int64_t>> times(kTimes);
  for (auto& [time, of_blocks] : times) {
    Launch(kernel, device, blocks, rounds, &time, &of_blocks);
  }
  std::sort(times.begin(), times.end());
  const auto [time, of_blocks] = times[kTimes / 2];
  std::printf(
      "{\"kernel\": \"%s\", \"warps\": %d, \"rounds\": %d, \"products\": %d, "
      "\"sums\": %d, \"exponentials\": %d, \"milliseconds\": %.6g, \"cycles\": %lld, "
      "\"multiprocessors\": %d}\n",
      name, warps, rounds, kProducts, kSums, kExponentials, time, static_cast<long long>(of_blocks),
      device.multiprocessors);
}

int Main() {
  constexpr int kMostWarps = 16;
  Device device = {};
  int major = 0;
  Check(cudaDeviceGetAttribute(&device.multiprocessors, cudaDevAttrMultiProcessorCount, 0),
        "find the device");
  Check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "find the device");
  const int threads = device.multiprocessors * kMostWarps * 32;
  Check(cudaMalloc(&device.sink, threads * sizeof(float)), "allocate device memory");
  Check(cudaMalloc(&device.cycles, threads * sizeof(int64_t)), "allocate device memory");
  for (const int warps : {8, 12, 16}) {
    Measure("dense half", RateKernel<Product::kDenseHalf, false>, device, warps);
    Measure("other instructions", RateKernel<Product::kNone, true>, device, warps);
    Measure("dense half and others", RateKernel<Product::kDenseHalf, true>, device, warps);
    if (major < 8) continue;
    Measure("sparse half", RateKernel<Product::kSparseHalf, false>, device, warps);
    Measure("sparse half and others", RateKernel<Product::kSparseHalf, true>, device, warps);
    Measure("dense bfloat", RateKernel<Product::kDenseBfloat, false>, device, warps);
  }
  return 0;
}

}  // namespace
}  // namespace cisreg

int main() { return cisreg::Main(); }
