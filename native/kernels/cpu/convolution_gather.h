#pragma once

#include "kernels/cpu/level.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Whether the points of a grid are the first elements of planes of a size, in their order: the grid may be shorter
/// along its first axis that is longer than 1.
inline bool is_beginning(const int64_t points[3], const int64_t size[3]) {
  int axis = 0;
  while (axis < 2 && points[axis] == 1 && size[axis] == 1) axis++;
  if (points[axis] > size[axis]) return false;
  while (++axis < 3)
    if (points[axis] != size[axis]) return false;
  return true;
}

/// A convolution seen as reading: for each point of a grid and each kernel tap, the source element at
/// point * step + tap offset on each axis, or zero outside. The forward convolution reads x at output points; the
/// gradient of the input reads gy at the input points of one residue class modulo the stride.
struct PatchGather {
  int64_t batch, channels;  // of the source tensor: channels counts all groups
  int64_t source[3], points[3], step[3];
  int64_t taps;
  const int64_t* offsets;  // [taps, 3]
  /// The panel's row of a channel of the group and a tap is channel * channel_step + tap * tap_step.
  int64_t channel_step = 0, tap_step = 0;

  int64_t source_size() const { return source[0] * source[1] * source[2]; }
  int64_t point_count() const { return points[0] * points[1] * points[2]; }
  /// Whether the panel of one image is the image itself, or the beginning of each of its planes: a 1x1 kernel with
  /// stride 1.
  bool reads_in_order() const {
    for (int axis = 0; axis < 3; axis++)
      if (step[axis] != 1 || offsets[axis] != 0) return false;
    return taps == 1 && is_beginning(points, source);
  }
};

/// Columns of a panel: 192 floats or 96 doubles. A panel of 512 rows then takes 400 KB of the second-level cache.
template <class T>
inline constexpr int64_t panel_columns = 768 / sizeof(T);
/// Room behind each row, because rows are written by whole vectors; it also keeps rows off one set of the cache.
template <class T>
inline constexpr int64_t panel_stride = panel_columns<T> + 64 / sizeof(T);

/// Consecutive points on one row of the grid of one image.
struct PointRun {
  int64_t image, point[3];
  int64_t column, length;
};

/// The points [begin, begin + count) of the flattened [batch, points...] grid, as runs.
struct PointRuns {
  int64_t count;
  PointRun run[768 / sizeof(float)];
};

inline void split_into_runs(const int64_t points[3], int64_t begin, int64_t count, PointRuns& runs) {
  runs.count = 0;
  for (int64_t column = 0; column < count;) {
    const int64_t flat = begin + column, width = flat % points[2], row = flat / points[2];
    const int64_t length = points[2] - width < count - column ? points[2] - width : count - column;
    runs.run[runs.count++] = {
        row / (points[1] * points[0]), {row / points[1] % points[0], row % points[1], width}, column, length};
    column += length;
  }
}

/// What one tap reads for one run: columns [column, first) and [last, end) are zeros, between them the elements from
/// `from` on.
struct PatchSegment {
  int64_t column, first, last, end, from;
};

inline PatchSegment resolve_segment(const PatchGather& gather, const PointRun& run, const int64_t* offset) {
  PatchSegment segment = {run.column, run.column, run.column, run.column + run.length, 0};
  int64_t position = run.image * gather.channels;
  for (int axis = 0; axis < 2; axis++) {
    const int64_t at = run.point[axis] * gather.step[axis] + offset[axis];
    if (at < 0 || at >= gather.source[axis]) return segment;
    position = axis == 0 ? position * gather.source_size() + at * gather.source[1] * gather.source[2]
                         : position + at * gather.source[2];
  }
  const int64_t step = gather.step[2], at = run.point[2] * step + offset[2], width = gather.source[2];
  const int64_t skipped = at < 0 ? (-at + step - 1) / step : 0;
  const int64_t stop = at < width ? (width - at + step - 1) / step : 0;
  const int64_t end = stop < run.length ? stop : run.length;
  if (skipped >= end) return segment;
  segment.first = run.column + skipped;
  segment.last = run.column + end;
  segment.from = position + at + skipped * step;
  return segment;
}

template <class T>
inline void fill_zeros(T* row, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += lanes<T>) store(row + i, Vec<T>{});
}

/// Copies a run by whole vectors, which may write up to a vector past its end; `limit` is the number of elements that
/// may be read from `from`.
template <class T>
inline void copy_run(T* to, const T* from, int64_t n, int64_t limit) {
  int64_t i = 0;
  if (((n + lanes<T> - 1) / lanes<T>)*lanes<T> <= limit) {
    for (; i < n; i += lanes<T>) store(to + i, load(from + i));
  } else {
    for (; i + lanes<T> <= n; i += lanes<T>) store(to + i, load(from + i));
    for (; i < n; i++) to[i] = from[i];
  }
}

template <class T>
inline void copy_strided(T* __restrict to, const T* __restrict from, int64_t n, int64_t step) {
  if (step == 1) {
    for (int64_t i = 0; i < n; i++) to[i] = from[i];
  } else if (step == 2) {
    for (int64_t i = 0; i < n; i++) to[i] = from[2 * i];
  } else {
    for (int64_t i = 0; i < n; i++) to[i] = from[i * step];
  }
}

/// What one tap without padding reads of a plane, for all points of the grid.
template <class T>
inline void copy_points(const PatchGather& gather, const T* plane, T* to) {
  const int64_t *points = gather.points, *step = gather.step, *source = gather.source;
  for (int64_t z = 0; z < points[0]; z++)
    for (int64_t y = 0; y < points[1]; y++, to += points[2])
      copy_strided(to, plane + (z * step[0] * source[1] + y * step[1]) * source[2], points[2], step[2]);
}

/// Rows [begin, end) of a panel, as far as channels [first, last) of the group have them, whose channels begin with
/// `group`.
struct PanelPart {
  int64_t group, first, last, begin, end;
};

/// A part of the panel of some runs: row (channel, tap) holds what that tap reads of that channel. Row part.begin is at
/// `panel`, rows are `stride` apart. Columns from `columns` up to a whole vector are zeros.
template <class T>
void pack_panel(const PatchGather& gather, const PointRuns& runs, int64_t columns, const PanelPart& part,
                const T* source, T* panel, int64_t stride) {
  const int64_t plane = gather.source_size(), total = gather.batch * gather.channels * plane, taps = gather.taps;
  PatchSegment segments[768 / sizeof(float)];
  for (int64_t tap = 0; tap < taps; tap++) {
    const int64_t row_of_tap = tap * gather.tap_step;
    const auto channel_from = [&](int64_t row) {  // the first one whose row of this tap is not before `row`
      const int64_t past = row - row_of_tap;
      const int64_t channel = past > 0 ? (past + gather.channel_step - 1) / gather.channel_step : 0;
      return channel < part.first ? part.first : channel < part.last ? channel : part.last;
    };
    const int64_t first = channel_from(part.begin), last = channel_from(part.end);
    if (first >= last) continue;
    for (int64_t i = 0; i < runs.count; i++)
      segments[i] = resolve_segment(gather, runs.run[i], gather.offsets + 3 * tap);
    for (int64_t channel = first; channel < last; channel++) {
      T* row = panel + (channel * gather.channel_step + row_of_tap - part.begin) * stride;
      for (int64_t i = 0; i < runs.count; i++) {
        // PointRuns are written from left to right, so what one writes past its end is overwritten by the next.
        const PatchSegment& segment = segments[i];
        const int64_t from = segment.from + (part.group + channel) * plane, n = segment.last - segment.first;
        fill_zeros(row, segment.column, segment.first);
        if (gather.step[2] == 1) {
          copy_run(row + segment.first, source + from, n, n > 0 ? total - from : 0);
        } else {
          copy_strided(row + segment.first, source + from, n, gather.step[2]);
        }
        fill_zeros(row, segment.last, segment.end);
      }
      fill_zeros(row, columns, (columns + lanes<T> - 1) / lanes<T> * lanes<T>);
    }
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
