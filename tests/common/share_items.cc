// Many small calls of SharedItems and OnceEach at the same time, as the CPU kernels make them, on
// pools of few threads that start some helpers late and others at once, in the caller. Built with
// ThreadSanitizer, which ends the program at the first race; ends by itself otherwise.

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>

#include "common/shared_items.h"

namespace {

using cisreg::OnceEach;
using cisreg::SharedItems;

// Like the pool of TensorFlow, it runs a task at once in the thread that brings it where too many
// wait already.
class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
  }
  ~Pool() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  void Schedule(std::function<void()> task) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (waiting_.size() < kMostWaiting) {
        waiting_.push_back(std::move(task));
        task = nullptr;
      }
    }
    task == nullptr ? changed_.notify_one() : task();
  }

 private:
  static constexpr size_t kMostWaiting = 8;

  void Run() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        task = std::move(waiting_.front());
        waiting_.pop_front();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool ends_ = false;
  std::vector<std::thread> threads_;
};

void Require(bool holds, const char* what) {
  if (holds) return;
  std::puts(what);
  std::exit(1);
}

struct Size {
  int workers;
  int64_t items, together, groups;
};

// What OccupancyLaunch::Backward does: items need tables and tiles, each is worked out once, and
// the last item of a group adds up what the others have left.
void Launch(Pool* pool, const Size& size) {
  OnceEach tables(size.groups), tiles(size.groups);
  std::vector<int64_t> table(size.groups), tile(size.groups), partial(size.items);
  std::vector<int64_t> sum(size.groups), items_of(size.groups), scratch(size.workers);
  std::vector<std::atomic<int64_t>> done(size.groups);
  for (int64_t item = 0; item < size.items; ++item) ++items_of[item % size.groups];
  const SharedItems::Task task = [&](int64_t item, int worker) {
    ++scratch[worker];
    const int64_t group = item % size.groups, end = std::min(group + 3, size.groups);
    tables.Do(group, end, [&](int64_t i) {
      if (i % 2 == 0) std::this_thread::yield();
      table[i] += i + 1;
    });
    tiles.Do(group / 2, group / 2 + 1, [&](int64_t i) { tile[i] += i + 1; });
    partial[item] = table[group] + tile[group / 2];
    if (done[group].fetch_add(1) + 1 != items_of[group]) return;
    for (int64_t i = group; i < size.items; i += size.groups) sum[group] += partial[i];
  };
  const auto items = std::make_shared<SharedItems>(size.items, size.together, task);
  for (int worker = 1; worker < size.workers; ++worker) {
    pool->Schedule([items, worker] { items->Work(worker); });
  }
  items->Work(0);
  items->Finish();
  int64_t all = 0;
  for (const int64_t each : scratch) all += each;
  Require(all == size.items, "not every item was done once");
  for (int64_t group = 0; group < size.groups; ++group) {
    const int64_t each = (group + 1) + (group / 2 + 1);
    Require(sum[group] == items_of[group] * each, "a sum is wrong");
  }
}

void LaunchMany(Pool* pool, int count, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](int end) { return static_cast<int>(random() % end); };
  for (int i = 0; i < count; ++i) {
    Launch(pool, {1 + below(6), below(40), 1 + below(4), 1 + below(9)});
  }
}

}  // namespace

int main() {
  constexpr int kCallers = 3, kLaunches = 400;
  for (const int threads : {1, 2, 5}) {
    Pool pool(threads);
    std::vector<std::thread> callers;
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&pool, i] { LaunchMany(&pool, kLaunches, i); });
      // The pool's own threads call, too, so that none may be left for helpers.
      pool.Schedule([&pool, i] { LaunchMany(&pool, kLaunches / 4, kCallers + i); });
    }
    for (std::thread& caller : callers) caller.join();
  }
  std::puts("done");
}
