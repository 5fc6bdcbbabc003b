#include "xla/pool.h"

#include <algorithm>
#include <memory>
#include <thread>

#include "common/shared_items.h"

namespace cisreg {
namespace {

struct Helper {
  std::shared_ptr<SharedItems> items;
  int worker;
};

void RunHelper(void* data) {
  const std::unique_ptr<Helper> helper(static_cast<Helper*>(data));
  helper->items->Work(helper->worker);
}

// Asks the pool for a helper; false if it has none to give.
bool StartHelper(const XlaCall& call, const std::shared_ptr<SharedItems>& items, int worker) {
  auto helper = std::make_unique<Helper>(Helper{items, worker});
  XLA_FFI_ThreadPool_Schedule_Args schedule = {XLA_FFI_ThreadPool_Schedule_Args_STRUCT_SIZE,
                                               nullptr, call.context(), RunHelper, helper.get()};
  XLA_FFI_Error* const error = call.api().XLA_FFI_ThreadPool_Schedule(&schedule);
  if (error != nullptr) {
    call.TakeMessage(error);
    return false;
  }
  helper.release();
  return true;
}

int ThreadCount(const XlaCall& call) {
  int64_t count = std::thread::hardware_concurrency();
#if TF_MINOR_VERSION >= 19  // Earlier ones do not tell it.
  XLA_FFI_ThreadPool_NumThreads_Args ask = {XLA_FFI_ThreadPool_NumThreads_Args_STRUCT_SIZE, nullptr,
                                            call.context(), &count};
  XLA_FFI_Error* const error = call.api().XLA_FFI_ThreadPool_NumThreads(&ask);
  if (error != nullptr) {
    call.TakeMessage(error);
    return 1;
  }
#else
  static_cast<void>(call);
#endif
  return static_cast<int>(std::max<int64_t>(1, count));
}

}  // namespace

Executor XlaPoolExecutor(const XlaCall& call) {
  Executor executor;
  executor.worker_count = ThreadCount(call);
  executor.parallel_for = [&call, threads = executor.worker_count](int64_t count, int64_t cost,
                                                                   const SharedItems::Task& task) {
    ShareItems(count, cost, threads, task,
               [&call](const std::shared_ptr<SharedItems>& items, int worker) {
                 return StartHelper(call, items, worker);
               });
  };
  return executor;
}

}  // namespace cisreg
