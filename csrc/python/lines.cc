// cisreg._native: lines of text from the columns of a table.

#include "text/lines.h"

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "python/arguments.h"

namespace py = pybind11;

namespace cisreg {
namespace {

// What the fields point to.
struct Held {
  std::vector<py::object> objects;
};

std::string_view View(const py::handle& text, Held& held) {
  char* data = nullptr;
  ssize_t size = 0;
  if (PyBytes_AsStringAndSize(text.ptr(), &data, &size) != 0) throw py::error_already_set();
  held.objects.push_back(py::reinterpret_borrow<py::object>(text));
  return {data, static_cast<size_t>(size)};
}

template <class T>
const T* Values(const py::handle& array, int64_t count, const std::string& name, Held& held) {
  const auto values = py::cast<Array<T>>(array);
  Require(values.ndim() == 1 && values.size() == count,
          name + ": expected shape [" + std::to_string(count) + "]");
  held.objects.push_back(values);
  return values.data();
}

TextColumn Texts(const py::tuple& column, int64_t count, const std::string& name, Held& held) {
  Require(column.size() == 2, name + ": expected indices and their texts");
  TextColumn texts = {Values<int32_t>(column[0], count, name, held), {}};
  for (const py::handle& each : py::cast<py::list>(column[1])) {
    texts.texts.push_back(View(each, held));
  }
  const int64_t most = static_cast<int64_t>(texts.texts.size());
  for (int64_t i = 0; i < count; ++i) {
    if (texts.index[i] < 0 || texts.index[i] >= most) {
      Require(false, name + ": expected indices below " + std::to_string(most) + ", got " +
                         std::to_string(texts.index[i]));
    }
  }
  return texts;
}

// By what the array holds, in whatever byte order.
decltype(LineField::column) Column(const py::object& column, int64_t count, const std::string& name,
                                   Held& held) {
  if (py::isinstance<py::tuple>(column)) {
    return Texts(py::cast<py::tuple>(column), count, name, held);
  }
  const bool is_array = py::isinstance<py::array>(column);
  const py::dtype type = is_array ? py::cast<py::array>(column).dtype() : py::dtype::of<bool>();
  if (type.kind() == 'f' && type.itemsize() == 8) {
    return DoubleColumn{Values<double>(column, count, name, held)};
  }
  if (type.kind() == 'f' && type.itemsize() == 4) {
    return FloatColumn{Values<float>(column, count, name, held)};
  }
  Require(type.kind() == 'i' && type.itemsize() == 8,
          name + ": expected indices with texts, or an array of int64, float32 or float64");
  return IntegerColumn{Values<int64_t>(column, count, name, held)};
}

py::bytes Format(const py::list& columns, const py::list& after, int64_t count) {
  Require(count >= 0, "count: expected 0 or more, got " + std::to_string(count));
  Require(columns.size() == after.size(), "after: expected a text for each column");
  Held held;
  std::vector<LineField> fields;
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string name = "columns[" + std::to_string(i) + "]";
    LineField field = {Column(columns[i], count, name, held), View(after[i], held)};
    fields.push_back(std::move(field));
  }
  Lines lines;
  {
    py::gil_scoped_release release;
    lines = FormatLines(fields, count);
  }
  return py::bytes(lines.text.get(), lines.size);
}

}  // namespace

void BindLines(py::module_& module) {
  module.def("format_lines", &Format, py::arg("columns"), py::arg("after"), py::arg("count"),
             "Lines of `count` rows. A column is an array of int64, float32 or float64, or a pair "
             "of indices (int32) and their texts; what follows it is in `after`. Doubles are "
             "written as of the nearest float where there is one.");
}

}  // namespace cisreg
