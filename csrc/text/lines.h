// Lines of a table from its columns: texts of a dictionary, whole numbers and decimals.

#ifndef CISREG_CSRC_TEXT_LINES_H_
#define CISREG_CSRC_TEXT_LINES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cisreg {

// Texts by their index: each must be one of `texts`.
struct TextColumn {
  const int32_t* index;
  std::vector<std::string_view> texts;
};
struct IntegerColumn {
  const int64_t* value;
};
// The shortest decimals that give the same float.
struct FloatColumn {
  const float* value;
};
// Decimals as of the nearest float, or all of a double that is too small or too large for one.
struct DoubleColumn {
  const double* value;
};

struct LineField {
  std::variant<TextColumn, IntegerColumn, FloatColumn, DoubleColumn> column;
  std::string_view after;  // what follows the field: a tab, a line end, other text
};

// Text in memory that nobody has filled with zeros before.
struct Lines {
  std::unique_ptr<char[]> text;
  int64_t size;
};

// Lines of `count` rows, each with all fields in their order.
Lines FormatLines(const std::vector<LineField>& fields, int64_t count);

}  // namespace cisreg

#endif  // CISREG_CSRC_TEXT_LINES_H_
