#include "fibers.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define CISREG_SANITIZED 1
#else
#define CISREG_SANITIZED 0
#define ASAN_POISON_MEMORY_REGION(from, size) ((void)(from), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(from, size) ((void)(from), (void)(size))
#endif

#if !defined(__x86_64__)
#error "The context switch below is written for x86-64."
#endif

// Saves the registers that a call must keep, and the stack pointer; takes those of another fiber.
asm(R"(
.text
.p2align 4
.type cisreg_shim_switch, @function
cisreg_shim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cisreg_shim_switch, .-cisreg_shim_switch
)");
extern "C" void cisreg_shim_switch(void** from_stack, void* to_stack);

// Dynamic shared memory of the block that runs, under the names that kernels may declare it by.
#define CISREG_SHARED_CAPACITY 262144
asm(R"(
.bss
.p2align 8
.globl shared_memory
.globl _ZN6cisreg13shared_memoryE
.globl _ZN6cisreg3gpu13shared_memoryE
.type shared_memory, @object
.type _ZN6cisreg13shared_memoryE, @object
.type _ZN6cisreg3gpu13shared_memoryE, @object
.size shared_memory, 262144
.size _ZN6cisreg13shared_memoryE, 262144
.size _ZN6cisreg3gpu13shared_memoryE, 262144
shared_memory:
_ZN6cisreg13shared_memoryE:
_ZN6cisreg3gpu13shared_memoryE:
.zero 262144
.text
)");
extern "C" __attribute__((aligned(256))) char shared_memory[CISREG_SHARED_CAPACITY];

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace cisreg::shim {
namespace {

constexpr int kMostThreads = 1024;
constexpr size_t kStackBytes = CISREG_SANITIZED ? 256 << 10 : 64 << 10;
constexpr size_t kSharedByDefault = 48 << 10;
// NaN as a float, and no index that passes unnoticed.
constexpr int kNeverWritten = 0xff;

struct Fiber {
  void* stack_pointer;
  const void* stack_bottom;
  size_t stack_bytes;
  void* fake_stack;
  uint3 thread;
  // What it waits for; null while it can run.
  const char* kind;
  uint32_t mask;
  void* brought;
  void (*combine)(void* const* lanes, uint32_t mask);
  int given, any;
};

// Lanes of a warp as bits.
struct Warp {
  uint32_t exist, runnable, waiting, exited;
  uint32_t priority;
};

struct Block {
  const Launch* launch;
  int threads, warps;
  Fiber fiber[kMostThreads];
  Warp warp[kMostThreads / kLanes];
  int at_barrier, exited, any;
  const char* barrier;
  bool greedy;
  std::string failure;
};

Block block;
Fiber host;
Fiber* running = &host;
char* stacks = nullptr;
uint64_t seed = 0, random_state = 1;
std::string failure;
Recorder recorder = nullptr;
Device device = {CISREG_CUDA_ARCH / 10, 4, CISREG_CUDA_ARCH < 800 ? 64 << 10 : 227 << 10};

std::map<const void*, size_t>& SharedAllowed() {
  static auto* const allowed = new std::map<const void*, size_t>;
  return *allowed;
}

uint64_t Random() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

int NumberOf(const Fiber& fiber) { return static_cast<int>(&fiber - block.fiber); }

void SwitchTo(Fiber& to) {
  Fiber& from = *running;
  running = &to;
  threadIdx = to.thread;
#if CISREG_SANITIZED
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack_bottom, to.stack_bytes);
#endif
  cisreg_shim_switch(&from.stack_pointer, to.stack_pointer);
#if CISREG_SANITIZED
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

// One of the set bits.
int PickLane(uint32_t lanes) {
  if (seed == 0) return __builtin_ctz(lanes);
  const int shift = static_cast<int>(Random() >> 33) % kLanes;
  const uint32_t turned = shift == 0 ? lanes : lanes >> shift | lanes << (kLanes - shift);
  return (__builtin_ctz(turned) + shift) % kLanes;
}

// Warps in turn by a drawn priority, so that one runs far ahead of another, or all mixed.
void DrawOrder() {
  if (seed == 0) return;
  block.greedy = Random() >> 40 & 1;
  for (int i = 0; i < block.warps; ++i)
    block.warp[i].priority = static_cast<uint32_t>(Random() >> 32);
}

Fiber* NextFiber() {
  int best = -1;
  uint32_t best_priority = 0;
  for (int i = 0; i < block.warps; ++i) {
    if (block.warp[i].runnable == 0) continue;
    const uint32_t priority = seed == 0      ? 0
                              : block.greedy ? block.warp[i].priority
                                             : static_cast<uint32_t>(Random() >> 32);
    if (best < 0 || priority > best_priority) best = i, best_priority = priority;
  }
  if (best < 0) return &host;
  const int lane = PickLane(block.warp[best].runnable);
  block.warp[best].runnable &= ~(uint32_t{1} << lane);
  return &block.fiber[best * kLanes + lane];
}

void RunNext() {
  Fiber* const next = NextFiber();
  if (next != running) SwitchTo(*next);
}

std::string Triple(const uint3& at) {
  return "(" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) +
         ")";
}

const char* SymbolOf(const void* kernel) {
  Dl_info info = {};
  return dladdr(kernel, &info) != 0 && info.dli_sname != nullptr ? info.dli_sname : "?";
}

std::string Demangled(const char* symbol) {
  int status = 0;
  char* const text = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  const std::string name = status == 0 ? text : symbol;
  std::free(text);
  return name;
}

std::string WhereInBlock() {
  return Demangled(SymbolOf(block.launch->kernel)) + ", block " + Triple(blockIdx);
}

std::string Lanes(uint32_t lanes) {
  std::string text;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((lanes >> lane & 1) == 0) continue;
    int last = lane;
    while (last + 1 < kLanes && (lanes >> (last + 1) & 1)) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(lane);
    if (last > lane) text += "-" + std::to_string(last);
    lane = last;
  }
  return text;
}

// Who waits for what, a line for each group of lanes.
std::string Waiting() {
  std::string text;
  for (int i = 0; i < block.warps; ++i) {
    std::map<std::string, uint32_t> groups;
    for (int lane = 0; lane < kLanes; ++lane) {
      const Fiber& fiber = block.fiber[i * kLanes + lane];
      if ((block.warp[i].exist >> lane & 1) == 0) continue;
      const uint32_t bit = uint32_t{1} << lane;
      if (block.warp[i].exited & bit) {
        groups["have left the kernel"] |= bit;
      } else {
        groups[fiber.kind == nullptr ? "can run" : std::string("wait at ") + fiber.kind] |= bit;
      }
    }
    for (const auto& [what, lanes] : groups) {
      text += "\n  warp " + std::to_string(i) + ", lanes " + Lanes(lanes) + " " + what;
    }
  }
  return text;
}

void CheckAgreement(const Fiber& own, Warp& warp, int warp_number) {
  for (uint32_t others = warp.waiting & own.mask; others != 0; others &= others - 1) {
    const Fiber& other = block.fiber[warp_number * kLanes + __builtin_ctz(others)];
    if (other.combine != own.combine || other.mask != own.mask) {
      Fail(std::string("lanes of one warp meet at different places: this one at ") + own.kind +
           ", thread " + Triple(other.thread) + " at " + other.kind + Waiting());
    }
  }
  if (warp.exited & own.mask) {
    Fail(std::string(own.kind) + ": lanes " + Lanes(warp.exited & own.mask) +
         " have left the kernel" + Waiting());
  }
}

void ReleaseLanes(Warp& warp, int warp_number, uint32_t mask) {
  void* brought[kLanes] = {};
  Fiber* const fibers = &block.fiber[warp_number * kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    if (mask >> lane & 1) brought[lane] = fibers[lane].brought;
  }
  fibers[__builtin_ctz(mask)].combine(brought, mask);
  for (int lane = 0; lane < kLanes; ++lane) {
    if (mask >> lane & 1) fibers[lane].kind = nullptr;
  }
  warp.waiting &= ~mask;
  warp.runnable |= mask;
}

void ReleaseBarrier() {
  for (int i = 0; i < block.threads; ++i) {
    block.fiber[i].kind = nullptr;
    block.fiber[i].any = block.any;
  }
  for (int i = 0; i < block.warps; ++i) block.warp[i].runnable = block.warp[i].exist;
  block.at_barrier = 0;
  block.any = 0;
  DrawOrder();
}

void ThreadLeaves() {
  const int number = NumberOf(*running);
  Warp& warp = block.warp[number / kLanes];
  warp.exited |= uint32_t{1} << (number % kLanes);
  ++block.exited;
  for (uint32_t others = warp.waiting; others != 0; others &= others - 1) {
    const Fiber& other = block.fiber[number / kLanes * kLanes + __builtin_ctz(others)];
    if (other.mask >> (number % kLanes) & 1) {
      Fail("leaves the kernel while lanes of its warp wait for it" + Waiting());
    }
  }
  if (block.at_barrier > 0) {
    Fail(std::string("leaves the kernel while others wait for it at ") + block.barrier + Waiting());
  }
}

// Where a fiber starts; it never returns from here.
void RunThread() {
#if CISREG_SANITIZED
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (host.stack_bottom == nullptr) host.stack_bottom = bottom, host.stack_bytes = bytes;
#endif
  block.launch->run(block.launch->kernel, block.launch->params);
  ThreadLeaves();
  RunNext();
  std::abort();
}

void MakeStacks() {
  if (stacks != nullptr) return;
  void* const from = mmap(nullptr, kMostThreads * kStackBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (from == MAP_FAILED) std::abort();
  stacks = static_cast<char*>(from);
  // The lowest page of each stack: one that grows too deep must not reach its neighbour.
  for (int i = 0; i < kMostThreads; ++i) mprotect(stacks + i * kStackBytes, 4096, PROT_NONE);
}

void MakeFiber(int number) {
  Fiber& fiber = block.fiber[number];
  fiber = {};
  char* const bottom = stacks + number * kStackBytes + 4096;
  fiber.stack_bottom = bottom;
  fiber.stack_bytes = kStackBytes - 4096;
  const dim3& size = block.launch->block;
  const unsigned n = static_cast<unsigned>(number);
  fiber.thread = {n % size.x, n / size.x % size.y, n / size.x / size.y};
  // The frame that a fiber before never returned to.
  ASAN_UNPOISON_MEMORY_REGION(bottom + fiber.stack_bytes - 4096, 4096);
  // Six registers, the address to start at, and nothing to return to.
  void** const top = reinterpret_cast<void**>(bottom + fiber.stack_bytes) - 8;
  std::fill(top, top + 8, nullptr);
  top[6] = reinterpret_cast<void*>(&RunThread);
  fiber.stack_pointer = top;
}

void StartBlock(const Launch& launch) {
  block.launch = &launch;
  block.threads = static_cast<int>(launch.block.x * launch.block.y * launch.block.z);
  block.warps = (block.threads + kLanes - 1) / kLanes;
  block.at_barrier = block.exited = block.any = 0;
  block.barrier = nullptr;
  block.greedy = false;
  for (int i = 0; i < block.threads; ++i) MakeFiber(i);
  for (int i = 0; i < block.warps; ++i) {
    const int lanes = std::min(block.threads - i * kLanes, kLanes);
    const uint32_t exist = lanes == kLanes ? ~uint32_t{0} : (uint32_t{1} << lanes) - 1;
    block.warp[i] = {exist, exist, 0, 0, 0};
  }
  DrawOrder();
  ASAN_UNPOISON_MEMORY_REGION(shared_memory, CISREG_SHARED_CAPACITY);
  std::memset(shared_memory, kNeverWritten, launch.shared_bytes);
  ASAN_POISON_MEMORY_REGION(shared_memory + launch.shared_bytes,
                            CISREG_SHARED_CAPACITY - launch.shared_bytes);
}

void FinishBlock() {
  if (block.failure.empty() && block.exited < block.threads) {
    block.failure = WhereInBlock() + ": nobody can run" + Waiting();
  }
  ASAN_UNPOISON_MEMORY_REGION(shared_memory, CISREG_SHARED_CAPACITY);
  // Fibers that were given up leave their marks.
  if (!block.failure.empty()) ASAN_UNPOISON_MEMORY_REGION(stacks, kMostThreads * kStackBytes);
}

std::vector<uint64_t> OrderOfBlocks(uint64_t count) {
  std::vector<uint64_t> order(count);
  for (uint64_t i = 0; i < count; ++i) order[i] = i;
  if (seed == 0) return order;
  for (uint64_t i = count; i > 1; --i) std::swap(order[i - 1], order[(Random() >> 11) % i]);
  return order;
}

cudaError_t Refuse(const Launch& launch, const std::string& what) {
  if (failure.empty()) failure = Demangled(SymbolOf(launch.kernel)) + ": " + what;
  return cudaErrorInvalidValue;
}

cudaError_t CheckLaunch(const Launch& launch) {
  const dim3 &grid = launch.grid, &block = launch.block;
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > 0x7fffffffu || grid.y > 65535 ||
      grid.z > 65535) {
    return Refuse(launch, "no such grid: " + Triple({grid.x, grid.y, grid.z}));
  }
  if (threads < 1 || threads > kMostThreads) {
    return Refuse(launch, std::to_string(threads) + " threads in a block");
  }
  const auto found = SharedAllowed().find(launch.kernel);
  const size_t allowed = found == SharedAllowed().end() ? kSharedByDefault : found->second;
  if (launch.shared_bytes > allowed) {
    return Refuse(launch, std::to_string(launch.shared_bytes) + " bytes of shared memory, " +
                              std::to_string(allowed) + " allowed");
  }
  return cudaSuccess;
}

void RecordLaunch(const Launch& launch) {
  const Record record = {SymbolOf(launch.kernel),
                         {launch.grid.x, launch.grid.y, launch.grid.z},
                         {launch.block.x, launch.block.y, launch.block.z},
                         launch.shared_bytes,
                         launch.params,
                         launch.params_bytes};
  recorder(&record);
}

void RunBlock(const Launch& launch, uint64_t number) {
  blockIdx = {static_cast<unsigned>(number % launch.grid.x),
              static_cast<unsigned>(number / launch.grid.x % launch.grid.y),
              static_cast<unsigned>(number / launch.grid.x / launch.grid.y)};
  StartBlock(launch);
  RunNext();
  FinishBlock();
}

}  // namespace

void Meet(const char* kind, uint32_t mask, void* brought,
          void (*combine)(void* const* lanes, uint32_t mask)) {
  Fiber& own = *running;
  const int number = NumberOf(own), lane = number % kLanes;
  Warp& warp = block.warp[number / kLanes];
  own.kind = kind;
  own.mask = mask & warp.exist;
  own.brought = brought;
  own.combine = combine;
  if ((mask >> lane & 1) == 0) Fail(std::string(kind) + ": the mask leaves out its own lane");
  CheckAgreement(own, warp, number / kLanes);
  warp.waiting |= uint32_t{1} << lane;
  if ((warp.waiting & own.mask) == own.mask) ReleaseLanes(warp, number / kLanes, own.mask);
  RunNext();
}

int MeetBlock(const char* kind, int given) {
  Fiber& own = *running;
  own.kind = kind;
  if (block.at_barrier > 0 && std::string(kind) != block.barrier) {
    Fail(std::string("threads meet at ") + block.barrier + " and at " + kind + Waiting());
  }
  if (block.exited > 0) Fail(std::string(kind) + ": threads have left the kernel" + Waiting());
  block.barrier = kind;
  block.any |= given != 0;
  if (++block.at_barrier == block.threads) ReleaseBarrier();
  RunNext();
  return own.any;
}

void Fail(const std::string& what) {
  if (block.failure.empty()) {
    block.failure = WhereInBlock() + ", thread " + Triple(running->thread) + ": " + what;
  }
  SwitchTo(host);
  std::abort();
}

cudaError_t RunLaunch(const Launch& launch) {
  const cudaError_t status = CheckLaunch(launch);
  if (status != cudaSuccess) return status;
  if (recorder != nullptr) return RecordLaunch(launch), cudaSuccess;
  MakeStacks();
  gridDim = launch.grid;
  blockDim = launch.block;
  block.failure.clear();
  const uint64_t count = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  for (const uint64_t number : OrderOfBlocks(count)) {
    RunBlock(launch, number);
    if (block.failure.empty()) continue;
    if (failure.empty()) failure = block.failure;
    return cudaErrorLaunchFailure;
  }
  return cudaSuccess;
}

std::string TakeFailure() {
  std::string taken;
  taken.swap(failure);
  return taken;
}

void SetSeed(uint64_t number) {
  seed = number;
  random_state = number * 0x9e3779b97f4a7c15u + 0x1234567;
}

void SetDevice(const Device& properties) { device = properties; }
void SetRecorder(Recorder function) { recorder = function; }

}  // namespace cisreg::shim

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    default:
      return "error";
  }
}

const char* cudaGetErrorName(cudaError_t error) { return cudaGetErrorString(error); }
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaPeekAtLastError() { return cudaSuccess; }

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  const cisreg::shim::Device& device = cisreg::shim::device;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = device.multiprocessor_count;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = device.compute_capability / 10;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = device.compute_capability % 10;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = device.shared_memory_per_block;
      return cudaSuccess;
  }
  return cudaErrorInvalidValue;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || value > cisreg::shim::device.shared_memory_per_block) {
    return cudaErrorInvalidValue;
  }
  cisreg::shim::SharedAllowed()[kernel] = static_cast<size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads,
                                                          size_t shared_bytes) {
  constexpr int kRegisters = 65536, kRegistersOfThread = 168;
  // A multiprocessor has as much as one block may have, and keeps 1 KiB for each block.
  constexpr size_t kKept = 1024;
  const size_t shared = static_cast<size_t>(cisreg::shim::device.shared_memory_per_block) + kKept;
  // Launch bounds leave registers for one block at least.
  *blocks = std::min(std::max(1, kRegisters / (kRegistersOfThread * threads)),
                     static_cast<int>(shared / (shared_bytes + kKept)));
  return cudaSuccess;
}

// What Python calls of every library of the shim.
extern "C" {

void cisreg_shim_seed(uint64_t seed) { cisreg::shim::SetSeed(seed); }

void cisreg_shim_record(cisreg::shim::Recorder recorder) { cisreg::shim::SetRecorder(recorder); }

// Filled with bytes that nobody can mistake for results, and ending where the sanitizer looks.
void* cisreg_shim_allocate(int64_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, static_cast<size_t>(bytes < 1 ? 1 : bytes)) != 0) return nullptr;
  std::memset(memory, 0xff, static_cast<size_t>(bytes));
  return memory;
}

void cisreg_shim_free(void* memory) { std::free(memory); }

}  // extern "C"
