// Items by their hashes.

#ifndef CISREG_CSRC_READS_HASH_INDEX_H_
#define CISREG_CSRC_READS_HASH_INDEX_H_

#include <cstdint>
#include <vector>

namespace cisreg::reads {

// Takes 8 bytes for each item and 4 for each of its buckets, which are at most twice as many.
class HashIndex {
 public:
  struct Entry {
    uint32_t hash;
    uint32_t item;
  };
  struct Bucket {
    const Entry* begin;
    const Entry* end;
  };

  // Item i has hash i. Items of a bucket stay in their order, whatever the number of threads.
  void Build(const std::vector<uint32_t>& hashes, int threads);

  void PrefetchBounds(uint32_t hash) const { __builtin_prefetch(&first_[BucketOf(hash)]); }
  void PrefetchEntries(uint32_t hash) const {
    __builtin_prefetch(entries_.data() + first_[BucketOf(hash)]);
  }
  // The items of the bucket of this hash. Some of them may have other hashes.
  Bucket Find(uint32_t hash) const {
    const uint32_t bucket = BucketOf(hash);
    return {entries_.data() + first_[bucket], entries_.data() + first_[bucket + 1]};
  }

 private:
  uint32_t BucketOf(uint32_t hash) const { return hash >> shift_; }

  int shift_ = 31;
  std::vector<uint32_t> first_;  // first entry of each bucket, and one more
  std::vector<Entry> entries_;
};

}  // namespace cisreg::reads

#endif  // CISREG_CSRC_READS_HASH_INDEX_H_
