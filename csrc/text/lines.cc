#include "text/lines.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace cisreg {
namespace {

// Most bytes of a number: -9223372036854775808, -1.1754944e-38, -2.2250738585072014e-308.
constexpr int64_t kLongestInteger = 20, kLongestFloat = 16, kLongestDouble = 24;

template <class Number>
char* WriteNumber(Number value, int64_t longest, char* to) {
  return std::to_chars(to, to + longest, value).ptr;
}

struct Longest {
  int64_t operator()(const TextColumn& column) const {
    size_t longest = 0;
    for (const std::string_view& each : column.texts) longest = std::max(longest, each.size());
    return static_cast<int64_t>(longest);
  }
  int64_t operator()(const IntegerColumn&) const { return kLongestInteger; }
  int64_t operator()(const FloatColumn&) const { return kLongestFloat; }
  int64_t operator()(const DoubleColumn&) const { return kLongestDouble; }
};

struct WriteField {
  int64_t row;
  char* to;

  char* operator()(const TextColumn& column) const {
    const std::string_view& text = column.texts[column.index[row]];
    std::memcpy(to, text.data(), text.size());
    return to + text.size();
  }
  char* operator()(const IntegerColumn& column) const {
    return WriteNumber(column.value[row], kLongestInteger, to);
  }
  char* operator()(const FloatColumn& column) const {
    return WriteNumber(column.value[row], kLongestFloat, to);
  }
  char* operator()(const DoubleColumn& column) const {
    using Float = std::numeric_limits<float>;
    const double value = column.value[row], size = std::abs(value);
    // Zero, infinity and what is no number are the same in both.
    const bool fits = !(size > 0 && size < Float::min()) && !(size > Float::max());
    return fits || std::isinf(value) ? WriteNumber(static_cast<float>(value), kLongestFloat, to)
                                     : WriteNumber(value, kLongestDouble, to);
  }
};

}  // namespace

Lines FormatLines(const std::vector<LineField>& fields, int64_t count) {
  int64_t longest = 0;
  for (const LineField& each : fields) {
    longest += std::visit(Longest(), each.column) + static_cast<int64_t>(each.after.size());
  }
  Lines lines = {std::unique_ptr<char[]>(new char[count * longest + 1]), 0};
  char* to = lines.text.get();
  for (int64_t row = 0; row < count; ++row) {
    for (const LineField& each : fields) {
      to = std::visit(WriteField{row, to}, each.column);
      std::memcpy(to, each.after.data(), each.after.size());
      to += each.after.size();
    }
  }
  lines.size = to - lines.text.get();
  return lines;
}

}  // namespace cisreg
