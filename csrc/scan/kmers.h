// Codes of k-mers, the indices into the filter's tables.

#ifndef CISREG_CSRC_SCAN_KMERS_H_
#define CISREG_CSRC_SCAN_KMERS_H_

#include <cstdint>
#include <vector>

#include "scan/problem.h"

namespace cisreg::scan {

// K-mers of known bases are numbered from 0, first base highest; those with an unknown base follow.
class KmerNumbering {
 public:
  // `length` is 2 or 3, so that all k-mers have room in a byte.
  explicit KmerNumbering(int length);

  int length() const { return length_; }
  // Number of k-mers, unknown bases included.
  int count() const { return static_cast<int>(code_.size()); }
  // Code of the k-mer whose bases, read as digits of base 5, are `digits`.
  uint8_t code(int digits) const { return code_[digits]; }

  // Writes the code of the k-mer at each of the first `count` bases, of which `length() - 1` more
  // are read, and returns whether any base read is unknown.
  bool Encode(const uint8_t* bases, int64_t count, uint8_t* codes) const;

 private:
  int length_;
  std::vector<uint8_t> code_;
};

// The k-mers of a part of the sequences, which are taken as one text from the first to the last.
struct Chunk {
  int64_t begin;  // first base
  int64_t count;  // windows that begin here: one for each base
  bool any_unknown;
  std::vector<uint8_t> bases;
  std::vector<uint8_t> codes;

  // The most windows of a chunk: as many as keep its codes in the first-level cache.
  static constexpr int64_t kWindows = 16384;

  // Loads `windows` windows from base `first` on, or as many as the text has. Motifs have up to
  // `width` columns.
  void Load(const Text& text, const KmerNumbering& kmers, int64_t width, int64_t first,
            int64_t windows);
};

}  // namespace cisreg::scan

#endif  // CISREG_CSRC_SCAN_KMERS_H_
