#pragma once

#include "kernels/cpu/convolution_gather.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// The layout of one plane with its padding: rows of [residue of the column modulo the step, column / step], so that
/// what a tap reads for consecutive points of a row is consecutive as well, whatever the step.
struct PlaneFrame {
  PatchGather gather;
  int64_t low[3], extent[3];  // the least tap offset; the positions from there to the last one that any point reads
  int64_t residue_size, row_size;

  PlaneFrame(const PatchGather& g, int lane_count) : gather(g) {
    for (int axis = 0; axis < 3; axis++) {
      int64_t least = g.taps ? g.offsets[axis] : 0, most = least;
      for (int64_t tap = 1; tap < g.taps; tap++) {
        const int64_t offset = g.offsets[3 * tap + axis];
        least = offset < least ? offset : least;
        most = offset > most ? offset : most;
      }
      low[axis] = least;
      extent[axis] = (g.points[axis] - 1) * g.step[axis] + most - least + 1;
    }
    // A vector that starts at the last point of a row stays in its own row, among zeros.
    residue_size = (extent[2] + g.step[2] - 1) / g.step[2] + lane_count;
    row_size = residue_size * g.step[2];
  }

  int64_t size() const { return extent[0] * extent[1] * row_size; }
  int64_t row(int64_t d, int64_t h) const { return (d * extent[1] + h) * row_size; }
  int64_t point_row(int64_t d, int64_t h) const { return row(d * gather.step[0], h * gather.step[1]); }
  /// Where a tap's element for point 0 is; that of point p of the row is p further.
  int64_t tap(int64_t k) const {
    const int64_t* offset = gather.offsets + 3 * k;
    const int64_t w = offset[2] - low[2], step = gather.step[2];
    return row(offset[0] - low[0], offset[1] - low[1]) + w % step * residue_size + w / step;
  }

  /// Calls f(from plane position, to frame position, n) for the runs of elements that lie in both: from + i * step, to
  /// + i.
  template <class F>
  void for_each_run(F&& f) const {
    const int64_t step = gather.step[2], width = gather.source[2];
    const int64_t first = low[2] < 0 ? -low[2] : 0;
    const int64_t last = extent[2] < width - low[2] ? extent[2] : width - low[2];
    for (int64_t d = 0; d < extent[0]; d++) {
      const int64_t plane_d = d + low[0];
      if (plane_d < 0 || plane_d >= gather.source[0]) continue;
      for (int64_t h = 0; h < extent[1]; h++) {
        const int64_t plane_h = h + low[1];
        if (plane_h < 0 || plane_h >= gather.source[1]) continue;
        const int64_t from = (plane_d * gather.source[1] + plane_h) * width + low[2], to = row(d, h);
        for (int64_t residue = 0; residue < step; residue++) {
          const int64_t skip = first > residue ? (first - residue + step - 1) / step : 0;
          const int64_t stop = last > residue ? (last - residue + step - 1) / step : 0;
          if (stop > skip) f(from + residue + skip * step, to + residue * residue_size + skip, stop - skip);
        }
      }
    }
  }

  template <class T>
  void copy_in(T padding, const T* plane, T* frame) const {
    fill(padding, frame);
    replace(plane, frame);
  }
  template <class T>
  void fill(T padding, T* frame) const {
    for (int64_t i = 0; i < size(); i++) frame[i] = padding;
  }
  /// Copies another plane into a frame, whose padding stays.
  template <class T>
  void replace(const T* plane, T* frame) const {
    for_each_run(
        [&](int64_t from, int64_t to, int64_t n) { copy_strided(frame + to, plane + from, n, gather.step[2]); });
  }

  template <class T>
  void copy_out(const T* frame, T* plane) const {
    const int64_t step = gather.step[2];
    for_each_run([&](int64_t at, int64_t from, int64_t n) {
      if (step == 1) {
        for (int64_t i = 0; i < n; i++) plane[at + i] = frame[from + i];
      } else {
        for (int64_t i = 0; i < n; i++) plane[at + i * step] = frame[from + i];
      }
    });
  }
};

}  // namespace ondol::kernel::ONDOL_LEVEL
