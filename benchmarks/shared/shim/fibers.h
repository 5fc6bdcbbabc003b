// One fiber for each CUDA thread of a block; lanes and blocks meet where their kernels say so.
//
// Blocks run one after the other. A fiber runs until it must wait for others; which of those that
// can run comes next is drawn from a seed, so that whatever depends on it shows.

#ifndef CISREG_TESTS_CUDA_SHIM_FIBERS_H_
#define CISREG_TESTS_CUDA_SHIM_FIBERS_H_

#include <cstdint>
#include <string>

namespace cisreg::shim {

inline constexpr int kLanes = 32;

// The lanes of `mask` wait for each other. The last one to come calls `combine` once with what each
// of them brought (null for the others). All must bring the same `mask` and `combine`.
void Meet(const char* kind, uint32_t mask, void* brought,
          void (*combine)(void* const* lanes, uint32_t mask));

// All threads of the block wait for each other; returns whether any of them gave a number but 0.
int MeetBlock(const char* kind, int given);

// Ends the launch with an error that names the kernel, the block and the thread.
[[noreturn]] void Fail(const std::string& what);

// Text of the first failed launch since the last call of this function; empty if there is none.
std::string TakeFailure();

// What the order of blocks and threads is drawn from; 0 is the plain order.
void SetSeed(uint64_t seed);

// What cudaDeviceGetAttribute says.
struct Device {
  int compute_capability;
  int multiprocessor_count;
  int shared_memory_per_block;
};
void SetDevice(const Device& device);

// Receives launches in place of running them; null to run them again.
struct Record {
  const char* symbol;  // mangled name of the kernel
  unsigned grid[3], block[3];
  uint64_t shared_bytes;
  const void* params;
  uint64_t params_bytes;
};
using Recorder = void (*)(const Record* record);
void SetRecorder(Recorder recorder);

}  // namespace cisreg::shim

#endif  // CISREG_TESTS_CUDA_SHIM_FIBERS_H_
