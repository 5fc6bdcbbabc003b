#include "reads/hash_index.h"

#include "common/parallel.h"

namespace cisreg::reads {

void HashIndex::Build(const std::vector<uint32_t>& hashes, int threads) {
  shift_ = 31;
  while (shift_ > 1 && uint64_t{1} << (32 - shift_) < hashes.size()) --shift_;
  const int64_t buckets = int64_t{1} << (32 - shift_);
  // Entry b + 1 is where the next item of bucket b goes: in the end, where bucket b + 1 begins.
  first_.assign(buckets + 2, 0);
  entries_.resize(hashes.size());
  // Each thread fills its own buckets and reads all hashes, so that items of a bucket stay in
  // order.
  const auto each_own = [&](const auto& place) {
    ShareOut(
        threads, threads, [] { return false; },
        [&](const NextItem& next) {
          for (int64_t part = next(); part >= 0; part = next()) {
            const uint32_t begin = static_cast<uint32_t>(buckets * part / threads);
            const uint32_t end = static_cast<uint32_t>(buckets * (part + 1) / threads);
            for (size_t item = 0; item < hashes.size(); ++item) {
              const uint32_t bucket = BucketOf(hashes[item]);
              if (begin <= bucket && bucket < end) place(bucket, static_cast<uint32_t>(item));
            }
          }
        });
  };
  each_own([&](uint32_t bucket, uint32_t) { ++first_[bucket + 2]; });
  for (int64_t bucket = 2; bucket <= buckets + 1; ++bucket) first_[bucket] += first_[bucket - 1];
  each_own([&](uint32_t bucket, uint32_t item) {
    entries_[first_[bucket + 1]++] = {hashes[item], item};
  });
}

}  // namespace cisreg::reads
