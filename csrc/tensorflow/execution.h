// Threads and memory of TensorFlow's CPU device for the kernels.

#ifndef CISREG_CSRC_TENSORFLOW_EXECUTION_H_
#define CISREG_CSRC_TENSORFLOW_EXECUTION_H_

#include <algorithm>
#include <memory>

#include "common/cache_line.h"
#include "common/shared_items.h"
#include "occupancy/launch.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/lib/core/threadpool.h"

namespace cisreg {

inline Executor ThreadPoolExecutor(tensorflow::OpKernelContext* context) {
  tsl::thread::ThreadPool* pool = context->device()->tensorflow_cpu_worker_threads()->workers;
  Executor executor;
  // The calling thread is one of the workers.
  executor.worker_count = std::max(1, pool->NumThreads());
  executor.parallel_for = [pool, workers = executor.worker_count](int64_t count, int64_t cost,
                                                                  const SharedItems::Task& task) {
    ShareItems(count, cost, workers, task,
               [pool](const std::shared_ptr<SharedItems>& items, int worker) {
                 pool->Schedule([items, worker] { items->Work(worker); });
                 return true;
               });
  };
  return executor;
}

// Workspace aligned to a cache line, as the kernels require.
inline absl::Status AllocateWorkspace(tensorflow::OpKernelContext* context, size_t bytes,
                                      tensorflow::Tensor* tensor, char** memory) {
  TF_RETURN_IF_ERROR(context->allocate_temp(
      tensorflow::DT_INT8, tensorflow::TensorShape({static_cast<int64_t>(bytes + kCacheLine)}),
      tensor));
  char* const start = reinterpret_cast<char*>(tensor->flat<int8_t>().data());
  *memory = start + (kCacheLine - reinterpret_cast<uintptr_t>(start) % kCacheLine) % kCacheLine;
  return absl::OkStatus();
}

// Makes a launch of a problem (its shape, its inputs) on the threads of the device, with its
// workspace, and calls run(launch, executor, workspace).
template <class Launch, class Problem, class Run>
void StartLaunch(tensorflow::OpKernelContext* context, const Problem& problem, bool backward,
                 const Run& run) {
  Launch launch(SelectKernels(), problem.shape, problem.inputs, backward);
  const Executor executor = ThreadPoolExecutor(context);
  tensorflow::Tensor workspace;
  char* memory = nullptr;
  OP_REQUIRES_OK(context,
                 AllocateWorkspace(context, launch.Workspace(executor), &workspace, &memory));
  run(&launch, executor, memory);
}

}  // namespace cisreg

#endif  // CISREG_CSRC_TENSORFLOW_EXECUTION_H_
