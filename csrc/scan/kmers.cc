#include "scan/kmers.h"

#include <algorithm>

#include "scan/filter.h"

namespace cisreg::scan {
namespace {

template <int kLength>
uint8_t EncodeKnown(const uint8_t* bases, int64_t count, uint8_t* codes) {
  uint8_t seen = 0;
  for (int64_t i = 0; i < count; ++i) {
    uint8_t code = 0;
    for (int k = 0; k < kLength; ++k) {
      code = static_cast<uint8_t>(code * kBases + bases[i + k]);
      seen |= bases[i + k];
    }
    codes[i] = code;
  }
  return seen;
}

}  // namespace

KmerNumbering::KmerNumbering(int length) : length_(length) {
  int total = 1, next_unknown = 1;
  for (int k = 0; k < length; ++k) {
    total *= kBaseCodes;
    next_unknown *= kBases;
  }
  for (int digits = 0; digits < total; ++digits) {
    bool known = true;
    int code = 0;
    for (int k = 0, weight = 1, rest = digits; k < length; ++k, weight *= kBases) {
      known = known && rest % kBaseCodes != kUnknownBase;
      code += rest % kBaseCodes * weight;
      rest /= kBaseCodes;
    }
    code_.push_back(static_cast<uint8_t>(known ? code : next_unknown++));
  }
}

bool KmerNumbering::Encode(const uint8_t* bases, int64_t count, uint8_t* codes) const {
  const uint8_t seen =
      length_ == 2 ? EncodeKnown<2>(bases, count, codes) : EncodeKnown<3>(bases, count, codes);
  if (seen < kUnknownBase) return false;
  for (int64_t i = 0; i < count; ++i) {
    int digits = 0;
    for (int k = 0; k < length_; ++k) digits = digits * kBaseCodes + bases[i + k];
    codes[i] = code_[digits];
  }
  return true;
}

void Chunk::Load(const Text& text, const KmerNumbering& kmers, int64_t width, int64_t first,
                 int64_t windows) {
  begin = first;
  count = std::min(windows, text.total - begin);
  // Bases behind the text are never part of a site.
  const int64_t code_count = count + kReadAhead + width;
  bases.assign(code_count + kmers.length() - 1, 0);
  codes.resize(code_count);
  const int64_t there = std::min<int64_t>(bases.size(), text.total - begin);
  // The codes were checked, but a handler of a signal may change the array while it is scanned.
  std::transform(text.codes + begin, text.codes + begin + there, bases.begin(),
                 [](uint8_t base) { return std::min(base, uint8_t{kUnknownBase}); });
  any_unknown = kmers.Encode(bases.data(), code_count, codes.data());
}

}  // namespace cisreg::scan
