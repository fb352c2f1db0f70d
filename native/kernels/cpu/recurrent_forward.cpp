#include "kernels/cpu/math_exponential.h"
#include "kernels/cpu/recurrent_kernels.h"
#include "kernels/cpu/recurrent_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

template <class T, class Part>
inline Vec<T> read_or_zero(const T* from, int64_t at, Part part) {
  return from ? part.read(from + at, T(0)) : Vec<T>{};
}

template <class T, Cell cell>
class Forward {
 public:
  explicit Forward(const RecurrentForward<T>& a)
      : a_(a),
        s_(a.shape),
        weight_(a.weight, s_.outputs, s_.hidden, gates, 1, s_.outputs),
        projection_(a.projection, a.projection ? s_.hidden : 0, a.projection ? s_.outputs : 0, 1, 1, s_.hidden) {}

  void run() {
    copy_first_states();
    const int64_t work = s_.batch * s_.hidden * s_.outputs * gates;
    const int parts = parts_of_step(work), phases = a_.projection ? 2 : 1;
    parallel_phases(s_.count * phases, parts, [&](int64_t phase, int part) {
      const int64_t step = phase / phases;
      if (phase % phases == 0)
        for_each_block(weight_.units(), s_.steps[step].count, part, parts,
                       [&](int64_t unit, int64_t row, int64_t end) { cells(step, unit, row, end); });
      else
        for_each_block(projection_.units(), s_.steps[step].count, part, parts,
                       [&](int64_t unit, int64_t row, int64_t end) { project(step, unit, row, end); });
    });
  }

 private:
  static constexpr int gates = gates_of(cell);

  /// The rows that begin with a step start from the first state; the others are written by the step before.
  void copy_first_states() {
    int64_t begun = 0;
    for (int64_t i = 0; i < s_.count; i++) {
      const auto [first, count] = s_.steps[i];
      if (count <= begun) continue;
      copy(a_.last_h, a_.h_before, begun, first, count, s_.outputs);
      if (cell == Cell::Lstm) copy(a_.last_c, a_.c_before, begun, first, count, s_.hidden);
      begun = count;
    }
  }
  static void copy(const T* from, T* to, int64_t row, int64_t first, int64_t end, int64_t width) {
    for (int64_t i = row * width; i < end * width; i++) to[first * width + i] = from[i];
  }

  /// Where a row's state after a step goes: to the step that continues it, or out.
  T* after(int64_t step, int64_t row, T* before, T* last, int64_t width) const {
    const bool continues = step + 1 < s_.count && row < s_.steps[step + 1].count;
    return continues ? before + (s_.steps[step + 1].first + row) * width : last + row * width;
  }

  template <class Part>
  void write_h(int64_t step, int64_t row, int64_t column, Vec<T> h, Part part) const {
    part.write(a_.output + (s_.steps[step].first + row) * s_.outputs + column, h);
    part.write(after(step, row, a_.h_before, a_.last_h, s_.outputs) + column, h);
  }

  void cells(int64_t step, int64_t unit, int64_t row, int64_t end) const {
    const Units<T>& units = weight_.units();
    const int64_t column = units.first_column(unit), width = units.width(unit), first = s_.steps[step].first;
    const int64_t rows = end - row, H = s_.hidden;
    alignas(64) T products[tile_rows * (gates > 1 ? gates : tile_vectors) * lanes<T>];
    for (int g = 0; g < gates; g++)
      prefetch_rows(a_.gates + (first + row) * gates * H + g * H + column, gates * H, rows, units.columns_of(unit));
    weight_.multiply(unit, rows, a_.h_before + (first + row) * s_.outputs, products, units.row(unit), false);
    for (int64_t r = 0; r < rows; r++) {
      for_each_vector<T>(units.columns_of(unit), [&](int64_t i, auto part) {
        const auto from_hidden = [&](int gate) {
          return load(products + r * units.row(unit) + gate * width + i) +
                 read_or_zero(a_.bias, gate * H + column + i, part);
        };
        apply(step, row + r, column + i, from_hidden, part);
      });
    }
  }

  void project(int64_t step, int64_t unit, int64_t row, int64_t end) const {
    const Units<T>& units = projection_.units();
    const int64_t first = s_.steps[step].first;
    const int64_t rows = end - row;
    alignas(64) T products[tile_rows * tile_vectors * lanes<T>];
    projection_.multiply(unit, rows, a_.unprojected + (first + row) * s_.hidden, products, units.row(unit), false);
    for (int64_t r = 0; r < rows; r++) {
      for_each_vector<T>(units.columns_of(unit), [&](int64_t i, auto part) {
        write_h(step, row + r, units.first_column(unit) + i, load(products + r * units.row(unit) + i), part);
      });
    }
  }

  /// The cell for a vector of states; from_hidden(gate) is what the state before gives, with its bias.
  template <class FromHidden, class Part>
  void apply(int64_t step, int64_t row, int64_t i, const FromHidden& from_hidden, Part part) const {
    const int64_t H = s_.hidden, at = s_.steps[step].first + row;
    T* from_input = a_.gates + at * gates * H + i;
    const auto read = [&](int gate) { return part.read(from_input + gate * H, T(0)); };
    if constexpr (cell == Cell::Lstm) {
      const Vec<T> in = sigmoid(read(0) + from_hidden(0)), forget = sigmoid(read(1) + from_hidden(1));
      const Vec<T> candidate = tanh(read(2) + from_hidden(2)), out = sigmoid(read(3) + from_hidden(3));
      const Vec<T> c = forget * part.read(a_.c_before + at * H + i, T(0)) + in * candidate;
      part.write(a_.c + at * H + i, c);
      part.write(after(step, row, a_.c_before, a_.last_c, H) + i, c);
      part.write(from_input, in);
      part.write(from_input + H, forget);
      part.write(from_input + 2 * H, candidate);
      part.write(from_input + 3 * H, out);
      const Vec<T> h = out * tanh(c);
      if (a_.unprojected)
        part.write(a_.unprojected + at * H + i, h);
      else
        write_h(step, row, i, h, part);
    } else if constexpr (cell == Cell::Gru) {
      const Vec<T> reset = sigmoid(read(0) + from_hidden(0)), update = sigmoid(read(1) + from_hidden(1));
      const Vec<T> hidden = from_hidden(2), candidate = tanh(read(2) + reset * hidden);
      const Vec<T> before = part.read(a_.h_before + at * H + i, T(0));
      write_h(step, row, i, candidate + update * (before - candidate), part);
      T* kept = a_.kept + at * 4 * H + i;
      part.write(kept, reset);
      part.write(kept + H, update);
      part.write(kept + 2 * H, candidate);
      part.write(kept + 3 * H, hidden);
    } else {
      const Vec<T> value = read(0) + from_hidden(0);
      // Not "x > 0 ? x : 0", which would make a zero of a NaN.
      write_h(step, row, i, cell == Cell::Relu ? (value < 0 ? Vec<T>{} : value) : tanh(value), part);
    }
  }

  const RecurrentForward<T>& a_;
  const RecurrentShape& s_;
  UnitWeight<T> weight_, projection_;
};

}  // namespace

template <class T>
void recurrent_forward(const RecurrentForward<T>& a) {
  switch (a.shape.cell) {
    case Cell::Lstm:
      return Forward<T, Cell::Lstm>(a).run();
    case Cell::Gru:
      return Forward<T, Cell::Gru>(a).run();
    case Cell::Tanh:
      return Forward<T, Cell::Tanh>(a).run();
    case Cell::Relu:
      return Forward<T, Cell::Relu>(a).run();
  }
}
template void recurrent_forward(const RecurrentForward<float>&);
template void recurrent_forward(const RecurrentForward<double>&);

}  // namespace ondol::kernel::ONDOL_LEVEL
