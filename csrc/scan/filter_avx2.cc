// Compiled for AVX2, which looks 32 bytes up in a table of 16: k-mers of 2.

#include <immintrin.h>

#include "scan/filter_loop.h"

namespace cisreg::scan {
namespace {

struct Avx2Bytes {
  static constexpr int kLanes = 32;
  static constexpr int kTableBytes = 32;

  __m256i value;

  static Avx2Bytes Zero() { return {_mm256_setzero_si256()}; }
  static Avx2Bytes Set(uint8_t value) { return {_mm256_set1_epi8(static_cast<char>(value))}; }
  static Avx2Bytes Load(const uint8_t* source) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source))};
  }
  void Store(uint8_t* target) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), value);
  }

  template <bool kAnyUnknown>
  struct Table;
};

// Both halves of a register look up in the same 16 bytes.
inline __m256i LoadTwice(const uint8_t* source) {
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(source)));
}

// Codes of known bases are below 16.
template <>
struct Avx2Bytes::Table<false> {
  explicit Table(const uint8_t* source) : known(LoadTwice(source)) {}
  Avx2Bytes Lookup(Avx2Bytes codes) const { return {_mm256_shuffle_epi8(known, codes.value)}; }
  __m256i known;
};

template <>
struct Avx2Bytes::Table<true> {
  explicit Table(const uint8_t* source)
      : known(LoadTwice(source)), unknown(LoadTwice(source + 16)) {}
  Avx2Bytes Lookup(Avx2Bytes codes) const {
    // Bit 4 of a code tells the tables apart; the blend looks at bit 7.
    const __m256i is_unknown = _mm256_slli_epi16(codes.value, 3);
    return {_mm256_blendv_epi8(_mm256_shuffle_epi8(known, codes.value),
                               _mm256_shuffle_epi8(unknown, codes.value), is_unknown)};
  }
  __m256i known, unknown;
};

inline Avx2Bytes AddSaturated(Avx2Bytes a, Avx2Bytes b) {
  return {_mm256_adds_epu8(a.value, b.value)};
}
inline Avx2Bytes Min(Avx2Bytes a, Avx2Bytes b) { return {_mm256_min_epu8(a.value, b.value)}; }
inline uint64_t AtMost(Avx2Bytes a, Avx2Bytes b) {
  const __m256i passed = _mm256_cmpeq_epi8(_mm256_min_epu8(a.value, b.value), a.value);
  return static_cast<uint32_t>(_mm256_movemask_epi8(passed));
}

}  // namespace

const FilterKernels kAvx2Filter = {
    "avx2", 2, Avx2Bytes::kTableBytes, 0.6 / 32, Select<Avx2Bytes>, Lowest<Avx2Bytes>,
};

}  // namespace cisreg::scan
