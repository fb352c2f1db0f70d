#include "kernels/cpu/math_exponential.h"
#include "kernels/cpu/recurrent_kernels.h"
#include "kernels/cpu/recurrent_parts.h"

// Backward through time. The gradient of a state comes from the gates of the step that it went into, through the
// weight; a phase does that for a block of states and, as it then knows all that came to them, goes on through the cell
// of their own step. With a projection in between, the two are phases of their own.

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

inline int64_t padded_columns(int64_t columns, int64_t width) { return (columns + width - 1) / width * width; }

template <class T, Cell cell>
class Backward {
 public:
  explicit Backward(const RecurrentBackward<T>& a)
      : a_(a),
        s_(a.shape),
        weight_(a.weight, gates * s_.hidden, s_.outputs, 1, s_.outputs, 1),
        projection_(a.projection, a.projection ? s_.outputs : 0, a.projection ? s_.hidden : 0, 1, s_.hidden, 1),
        row_(padded_columns(s_.outputs, lanes<T>)),
        gh_(s_.batch * row_) {}

  void run() {
    for (int64_t row = 0; row < s_.batch; row++)
      for (int64_t i = 0; i < row_; i++)
        gh_.get()[row * row_ + i] = i < s_.outputs ? a_.gh[row * s_.outputs + i] : T(0);
    const int64_t work = s_.batch * s_.hidden * s_.outputs * gates;
    const int parts = parts_of_step(work), phases = a_.projection ? 2 : 1;
    parallel_phases(s_.count * phases + 1, parts, [&](int64_t phase, int part) {
      const int64_t step = s_.count - 1 - phase / phases;
      if (phase % phases == 0)
        for_each_block(weight_.units(), rows_around(step), part, parts,
                       [&](int64_t unit, int64_t row, int64_t end) { collect(step, unit, row, end); });
      else if constexpr (cell == Cell::Lstm)  // which alone has projections
        for_each_block(projection_.units(), s_.steps[step].count, part, parts,
                       [&](int64_t unit, int64_t row, int64_t end) { unproject(step, unit, row, end); });
    });
    for (int64_t row = 0; row < s_.batch; row++)
      for (int64_t i = 0; i < s_.outputs; i++) a_.gh[row * s_.outputs + i] = gh_.get()[row * row_ + i];
  }

 private:
  static constexpr int gates = gates_of(cell);

  /// The rows of a step; none before the first and after the last.
  int64_t rows_of(int64_t step) const { return step >= 0 && step < s_.count ? s_.steps[step].count : 0; }
  /// The rows of a step and of the one that continues it.
  int64_t rows_around(int64_t step) const {
    const int64_t here = rows_of(step), next = rows_of(step + 1);
    return here > next ? here : next;
  }

  /// Collects the gradients of a block of the states after `step` (-1: of the first states), and takes those of the
  /// rows that the step has through its cell.
  void collect(int64_t step, int64_t unit, int64_t row, int64_t end) const {
    const int64_t here = smaller(end, rows_of(step)), continued = smaller(end, rows_of(step + 1));
    if (row < here && !a_.projection) prefetch(s_.steps[step].first + row, here - row, weight_.units(), unit);
    if (row < continued) {
      const T* from = a_.ggates_hidden + (s_.steps[step + 1].first + row) * gates * s_.hidden;
      // What a GRU hands down directly is there already.
      weight_.multiply(unit, continued - row, from, state(row, unit), row_, cell == Cell::Gru);
    }
    for (int64_t r = row; r < here; r++) pass_on(step, unit, r);
  }

  static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

  T* state(int64_t row, int64_t unit) const { return gh_.get() + row * row_ + weight_.units().first_column(unit); }

  void pass_on(int64_t step, int64_t unit, int64_t row) const {
    const int64_t at = s_.steps[step].first + row, column = weight_.units().first_column(unit);
    for_each_vector<T>(weight_.units().columns_of(unit), [&](int64_t i, auto part) {
      T* from = state(row, unit) + i;
      Vec<T> gh = load(from);
      if (a_.goutput) gh += part.read(a_.goutput + at * s_.outputs + column + i, T(0));
      if (a_.projection)
        part.write(a_.gprojected + at * s_.outputs + column + i, gh);
      else
        apply(row, at, column + i, gh, from, part);
    });
  }

  void unproject(int64_t step, int64_t unit, int64_t row, int64_t end) const {
    const Units<T>& units = projection_.units();
    const int64_t rows = end - row, first = s_.steps[step].first + row;
    alignas(64) T gradients[tile_rows * tile_vectors * lanes<T>];
    prefetch(first, rows, units, unit);
    projection_.multiply(unit, rows, a_.gprojected + first * s_.outputs, gradients, units.row(unit), false);
    for (int64_t r = 0; r < rows; r++) {
      for_each_vector<T>(units.columns_of(unit), [&](int64_t i, auto part) {
        const Vec<T> gh = load(gradients + r * units.row(unit) + i);
        apply(row + r, first + r, units.first_column(unit) + i, gh, nullptr, part);
      });
    }
  }

  /// What the cell needs for these rows.
  void prefetch(int64_t first, int64_t rows, const Units<T>& units, int64_t unit) const {
    const int64_t H = s_.hidden, column = units.first_column(unit), columns = units.columns_of(unit);
    const auto ask = [&](const T* from, int64_t width, int64_t at) {
      if (from) prefetch_rows(from + first * width + at, width, rows, columns);
    };
    constexpr int kept = cell == Cell::Lstm || cell == Cell::Gru ? 4 : 0;
    for (int g = 0; g < kept; g++) ask(a_.gates, 4 * H, g * H + column);
    for (int g = 0; g < gates; g++) ask(a_.ggates_input, gates * H, g * H + column);
    if (cell == Cell::Gru)
      for (int g = 0; g < gates; g++) ask(a_.ggates_hidden, gates * H, g * H + column);
    if (cell == Cell::Lstm) ask(a_.c, H, column), ask(a_.c_before, H, column);
    if (cell == Cell::Gru) ask(a_.h_before, H, column);
    if (!a_.projection) ask(a_.goutput, H, column);
  }

  /// The cell for a vector of states with the gradient gh, in row `row` of the batch and `at` of all steps. A GRU
  /// leaves what the state before gets directly in `direct`.
  template <class Part>
  void apply(int64_t row, int64_t at, int64_t i, Vec<T> gh, T* direct, Part part) const {
    const int64_t H = s_.hidden;
    T *to_input = a_.ggates_input + at * gates * H + i, *to_hidden = a_.ggates_hidden + at * gates * H + i;
    if constexpr (cell == Cell::Lstm) {
      const T* from = a_.gates + at * 4 * H + i;
      const Vec<T> in = part.read(from, T(0)), forget = part.read(from + H, T(0));
      const Vec<T> candidate = part.read(from + 2 * H, T(0)), out = part.read(from + 3 * H, T(0));
      const Vec<T> squashed = tanh(part.read(a_.c + at * H + i, T(0)));
      T* gc_state = a_.gc + row * H + i;
      const Vec<T> gc = part.read(gc_state, T(0)) + gh * out * (1 - squashed * squashed);
      part.write(to_input, gc * candidate * in * (1 - in));
      part.write(to_input + H, gc * part.read(a_.c_before + at * H + i, T(0)) * forget * (1 - forget));
      part.write(to_input + 2 * H, gc * in * (1 - candidate * candidate));
      part.write(to_input + 3 * H, gh * squashed * out * (1 - out));
      part.write(gc_state, gc * forget);
    } else if constexpr (cell == Cell::Gru) {
      const T* from = a_.gates + at * 4 * H + i;
      const Vec<T> reset = part.read(from, T(0)), update = part.read(from + H, T(0));
      const Vec<T> candidate = part.read(from + 2 * H, T(0)), hidden = part.read(from + 3 * H, T(0));
      const Vec<T> before = part.read(a_.h_before + at * H + i, T(0));
      const Vec<T> g_candidate = gh * (1 - update) * (1 - candidate * candidate);
      const Vec<T> g_update = gh * (before - candidate) * update * (1 - update);
      const Vec<T> g_reset = g_candidate * hidden * reset * (1 - reset);
      part.write(to_input, g_reset);
      part.write(to_hidden, g_reset);
      part.write(to_input + H, g_update);
      part.write(to_hidden + H, g_update);
      part.write(to_input + 2 * H, g_candidate);
      part.write(to_hidden + 2 * H, g_candidate * reset);
      part.write(direct, gh * update);
    } else {
      const Vec<T> h = part.read(a_.output + at * H + i, T(0));
      part.write(to_input, cell == Cell::Relu ? (h > 0 ? gh : Vec<T>{}) : gh * (1 - h * h));
    }
  }

  const RecurrentBackward<T>& a_;
  const RecurrentShape& s_;
  UnitWeight<T> weight_, projection_;
  int64_t row_;    // elements from row to row of
  Scratch<T> gh_;  // the gradient of the states, in whole vectors
};

}  // namespace

template <class T>
void recurrent_backward(const RecurrentBackward<T>& a) {
  switch (a.shape.cell) {
    case Cell::Lstm:
      return Backward<T, Cell::Lstm>(a).run();
    case Cell::Gru:
      return Backward<T, Cell::Gru>(a).run();
    case Cell::Tanh:
      return Backward<T, Cell::Tanh>(a).run();
    case Cell::Relu:
      return Backward<T, Cell::Relu>(a).run();
  }
}
template void recurrent_backward(const RecurrentBackward<float>&);
template void recurrent_backward(const RecurrentBackward<double>&);

}  // namespace ondol::kernel::ONDOL_LEVEL
