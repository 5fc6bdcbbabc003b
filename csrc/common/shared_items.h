// Items that several threads take one after the other, and what several items need.

#ifndef CISREG_CSRC_COMMON_SHARED_ITEMS_H_
#define CISREG_CSRC_COMMON_SHARED_ITEMS_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace cisreg {

// Tells the processor that this thread waits for another one.
inline void PauseThread() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

// Items that several threads take, so many at a time. It outlives the call that began it, since a
// pool may start a helper when everything is done: hold it by a shared pointer.
class SharedItems {
 public:
  using Task = std::function<void(int64_t index, int worker)>;

  // `task` is used until Finish returns.
  SharedItems(int64_t count, int64_t together, const Task& task)
      : count_(count), together_(together), task_(task) {}
  SharedItems(const SharedItems&) = delete;
  SharedItems& operator=(const SharedItems&) = delete;

  // Takes items until none is left.
  void Work(int worker) {
    for (;;) {
      const int64_t begin = next_.fetch_add(together_);
      if (begin >= count_) return;
      const int64_t end = std::min(begin + together_, count_);
      for (int64_t i = begin; i < end; ++i) task_(i, worker);
      if (done_.fetch_add(end - begin) + (end - begin) == count_) {
        // With the lock: a thread between its test and its wait would miss the notice.
        const std::lock_guard<std::mutex> lock(mutex_);
        all_done_.notify_all();
      }
    }
  }

  // Waits for the items that other threads have taken: first awake, since falling asleep and waking
  // up take longer than most items do.
  void Finish() {
    for (int i = 0; i < kPauses; ++i) {
      if (done_ == count_) return;
      PauseThread();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [this] { return done_ == count_; });
  }

 private:
  // About 50 microseconds.
  static constexpr int kPauses = 2000;

  const int64_t count_;
  const int64_t together_;
  const Task& task_;
  std::atomic<int64_t> next_{0};
  std::atomic<int64_t> done_{0};
  std::mutex mutex_;
  std::condition_variable all_done_;
};

// Does task(0) to task(count - 1), each of about `cost` processor cycles, on the calling thread and
// on up to `threads` - 1 others. start(items, worker) asks for a thread that will call
// items->Work(worker), and returns false where there is none to be had. A thread that comes late
// finds no item left, and nobody waits for it.
template <class Start>
void ShareItems(int64_t count, int64_t cost, int64_t threads, const SharedItems::Task& task,
                const Start& start) {
  // Work below the first number stays on one thread; items below the second are taken together.
  constexpr int64_t kWorthSharing = 500000, kWorthStarting = 20000;
  const int64_t together = std::max<int64_t>(1, kWorthStarting / std::max<int64_t>(1, cost));
  const int64_t parts = count * cost < kWorthSharing ? 1 : (count + together - 1) / together;
  const auto items = std::make_shared<SharedItems>(count, together, task);
  for (int worker = 1; worker < std::min(threads, parts); ++worker) {
    if (!start(items, worker)) break;
  }
  items->Work(0);
  items->Finish();
}

// Work that several items need, done once by whoever needs it first.
class OnceEach {
 public:
  explicit OnceEach(int64_t count) : state_(count) {}

  // Does work(i) for every i in [first, end) that no thread has begun, and waits for the others.
  // `work` must not wait itself.
  template <class Work>
  void Do(int64_t first, int64_t end, const Work& work) {
    for (int64_t i = first; i < end; ++i) {
      uint8_t open = kOpen;
      if (!state_[i].compare_exchange_strong(open, kBegun)) continue;
      work(i);
      state_[i].store(kDone, std::memory_order_release);
    }
    for (int64_t i = first; i < end; ++i) {
      for (int pauses = 0; state_[i].load(std::memory_order_acquire) != kDone; ++pauses) {
        // Not forever: the other thread may need this processor.
        pauses < kPauses ? PauseThread() : std::this_thread::yield();
      }
    }
  }

 private:
  enum State : uint8_t { kOpen, kBegun, kDone };
  static constexpr int kPauses = 1000;

  std::vector<std::atomic<uint8_t>> state_;
};

}  // namespace cisreg

#endif  // CISREG_CSRC_COMMON_SHARED_ITEMS_H_
