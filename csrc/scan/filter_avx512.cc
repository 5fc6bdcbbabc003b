// Compiled for AVX-512 with VBMI, which looks 64 bytes up in a table of 64 or 128: k-mers of 3.

#include <immintrin.h>

#include "scan/filter_loop.h"

namespace cisreg::scan {
namespace {

struct Avx512Bytes {
  static constexpr int kLanes = 64;
  static constexpr int kTableBytes = 128;

  __m512i value;

  static Avx512Bytes Zero() { return {_mm512_setzero_si512()}; }
  static Avx512Bytes Set(uint8_t value) { return {_mm512_set1_epi8(static_cast<char>(value))}; }
  static Avx512Bytes Load(const uint8_t* source) { return {_mm512_loadu_si512(source)}; }
  void Store(uint8_t* target) const { _mm512_storeu_si512(target, value); }

  template <bool kAnyUnknown>
  struct Table;
};

// Codes of known bases are below 64.
template <>
struct Avx512Bytes::Table<false> {
  explicit Table(const uint8_t* source) : known(_mm512_load_si512(source)) {}
  Avx512Bytes Lookup(Avx512Bytes codes) const {
    return {_mm512_permutexvar_epi8(codes.value, known)};
  }
  __m512i known;
};

template <>
struct Avx512Bytes::Table<true> {
  explicit Table(const uint8_t* source)
      : known(_mm512_load_si512(source)), unknown(_mm512_load_si512(source + 64)) {}
  Avx512Bytes Lookup(Avx512Bytes codes) const {
    return {_mm512_permutex2var_epi8(known, codes.value, unknown)};
  }
  __m512i known, unknown;
};

inline Avx512Bytes AddSaturated(Avx512Bytes a, Avx512Bytes b) {
  return {_mm512_adds_epu8(a.value, b.value)};
}
inline Avx512Bytes Min(Avx512Bytes a, Avx512Bytes b) { return {_mm512_min_epu8(a.value, b.value)}; }
inline uint64_t AtMost(Avx512Bytes a, Avx512Bytes b) {
  return _mm512_cmple_epu8_mask(a.value, b.value);
}

}  // namespace

const FilterKernels kAvx512Filter = {
    "avx512", 3, Avx512Bytes::kTableBytes, 1.2 / 64, Select<Avx512Bytes>, Lowest<Avx512Bytes>,
};

}  // namespace cisreg::scan
