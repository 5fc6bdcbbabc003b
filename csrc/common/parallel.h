// Distributes work items among threads.

#ifndef CISREG_CSRC_COMMON_PARALLEL_H_
#define CISREG_CSRC_COMMON_PARALLEL_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <system_error>
#include <vector>

namespace cisreg {

// Called from time to time, on the calling thread only. Returning true ends the work early.
using Interrupted = std::function<bool()>;

// Returns 0, 1, ..., each number once across all threads, then -1.
using NextItem = std::function<int64_t()>;

// Calls work(next) in up to `threads` threads, including the calling one. Returns false if
// interrupted. An exception of any thread is thrown again here.
template <class Work>
bool ShareOut(int64_t items, int threads, const Interrupted& interrupted, const Work& work) {
  std::atomic<int64_t> counter{0};
  std::atomic<bool> stopped{false};
  const NextItem next = [&]() -> int64_t {
    const int64_t item = stopped ? items : counter++;
    return item < items ? item : -1;
  };
  std::vector<std::future<void>> others;
  for (int64_t i = 1; i < std::min<int64_t>(threads, items); ++i) {
    try {
      others.push_back(std::async(std::launch::async, [&] { work(next); }));
    } catch (const std::system_error&) {
      break;  // No further thread can be had; those that there are do all of the work.
    }
  }
  work(NextItem([&] {
    if (interrupted()) stopped = true;
    return next();
  }));
  for (std::future<void>& other : others) other.get();
  return !stopped;
}

}  // namespace cisreg

#endif  // CISREG_CSRC_COMMON_PARALLEL_H_
