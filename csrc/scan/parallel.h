// Work items shared out among threads.

#ifndef CISREG_CSRC_SCAN_PARALLEL_H_
#define CISREG_CSRC_SCAN_PARALLEL_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <future>
#include <vector>

namespace cisreg::scan {

// Calls work(next) in up to `threads` threads, this one among them. `next()` hands out 0, 1, ...
// each once, and -1 when there is nothing left. What a thread throws is thrown here.
template <class Work>
void ShareOut(int64_t items, int threads, const Work& work) {
  std::atomic<int64_t> counter{0};
  const auto next = [&]() -> int64_t {
    const int64_t item = counter++;
    return item < items ? item : -1;
  };
  std::vector<std::future<void>> others;
  for (int64_t i = 1; i < std::min<int64_t>(threads, items); ++i) {
    others.push_back(std::async(std::launch::async, [&] { work(next); }));
  }
  work(next);
  for (std::future<void>& other : others) other.get();
}

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_PARALLEL_H_
