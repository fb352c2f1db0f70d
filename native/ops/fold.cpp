// im2col and col2im: sliding blocks of images as columns, and columns added up to images; each the other's derivative.

#include <algorithm>

#include "autograd/node.h"
#include "base/parallel.h"
#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

/// Larger parameters would overflow the arithmetic on positions and the number of blocks of two axes.
constexpr int64_t kLargest = int64_t{1} << 29;

/// Along one axis of the image.
struct Axis {
  int64_t size, kernel, dilation, padding, stride;

  int64_t blocks() const {
    int64_t room = size + 2 * padding - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
  }
  /// The pixel under place k of the kernel in block b; may lie outside.
  int64_t pixel(int64_t k, int64_t b) const { return b * stride - padding + k * dilation; }
  /// The blocks whose place k is inside the image: [first, last).
  int64_t first_block(int64_t k) const {
    int64_t before = padding - k * dilation;
    return std::clamp<int64_t>(before <= 0 ? 0 : (before + stride - 1) / stride, 0, blocks());
  }
  int64_t last_block(int64_t k) const {
    int64_t room = size - 1 + padding - k * dilation;
    return std::clamp<int64_t>(room < 0 ? 0 : room / stride + 1, first_block(k), blocks());
  }
};

/// Images [.., height, width] and their columns, `planes` = batch x channels of them.
struct Geometry {
  int64_t batch, channels;
  Axis y, x;
  Dims kernel_size, dilation, padding, stride;

  int64_t planes() const { return batch * channels; }
  int64_t kernel_area() const { return y.kernel * x.kernel; }
  int64_t blocks() const { return y.blocks() * x.blocks(); }
  int64_t work() const { return planes() * kernel_area() * blocks(); }
};

std::string pair(int64_t a, int64_t b) { return text("(", a, ", ", b, ")"); }

void check_window(const Dims& kernel_size, const Dims& dilation, const Dims& padding, const Dims& stride) {
  auto check = [](const Dims& values, const char* name) {
    if (values.size() != 2) runtime_error("It is expected ", name, " equals to 2, but got size ", values.size());
    if (std::max(values[0], values[1]) > kLargest)
      runtime_error(name, "=", pair(values[0], values[1]), " is too large");
  };
  check(kernel_size, "kernel_size");
  check(dilation, "dilation");
  check(padding, "padding");
  check(stride, "stride");
  auto both = [](const char* what, const char* word, const char* name, const Dims& values) {
    runtime_error(what, " should be ", word, ", but got ", name, "_height: ", values[0], " ", name,
                  "_width: ", values[1]);
  };
  if (kernel_size[0] <= 0 || kernel_size[1] <= 0) both("kernel size", "greater than zero", "kernel", kernel_size);
  if (dilation[0] <= 0 || dilation[1] <= 0) both("dilation", "greater than zero", "dilation", dilation);
  if (padding[0] < 0 || padding[1] < 0) both("padding", "non-negative", "pad", padding);
  if (stride[0] <= 0 || stride[1] <= 0) both("stride", "greater than zero", "stride", stride);
}

Geometry make_geometry(int64_t batch, int64_t channels, int64_t height, int64_t width, const Dims& kernel_size,
                       const Dims& dilation, const Dims& padding, const Dims& stride) {
  return {batch,
          channels,
          {height, kernel_size[0], dilation[0], padding[0], stride[0]},
          {width, kernel_size[1], dilation[1], padding[1], stride[1]},
          kernel_size,
          dilation,
          padding,
          stride};
}

void check_dtype(const char* operation, Dtype dtype) {
  if (is_integral(dtype) && dtype != Dtype::Bool)
    not_implemented('"', operation, "_out_cpu\" not implemented for '", torch_name(dtype), "'");
}

/// One row of the columns: place (ky, kx) of the kernel in every block.
template <class T>
void gather_row(const Geometry& g, int64_t ky, int64_t kx, const T* image, T* row) {
  int64_t width = g.x.blocks(), first = g.x.first_block(kx), last = g.x.last_block(kx);
  for (int64_t by = 0; by < g.y.blocks(); ++by, row += width) {
    int64_t y = g.y.pixel(ky, by);
    if (y < 0 || y >= g.y.size) {
      std::fill_n(row, width, T());
      continue;
    }
    std::fill_n(row, first, T());
    std::fill(row + last, row + width, T());
    if (first == last) continue;
    const T* from = image + y * g.x.size + g.x.pixel(kx, first);
    if (g.x.stride == 1) {
      std::copy_n(from, last - first, row + first);
    } else {
      for (int64_t bx = first; bx < last; ++bx) row[bx] = from[(bx - first) * g.x.stride];
    }
  }
}

template <class T>
void scatter_row(const Geometry& g, int64_t ky, int64_t kx, const T* row, T* image) {
  int64_t width = g.x.blocks(), first = g.x.first_block(kx), last = g.x.last_block(kx);
  if (first == last) return;
  for (int64_t by = g.y.first_block(ky); by < g.y.last_block(ky); ++by) {
    T* to = image + g.y.pixel(ky, by) * g.x.size + g.x.pixel(kx, first);
    for (int64_t bx = first; bx < last; ++bx) {
      T& pixel = to[(bx - first) * g.x.stride];
      if constexpr (std::is_same_v<T, bool>)
        pixel = pixel || row[by * width + bx];
      else
        pixel += row[by * width + bx];
    }
  }
}

int64_t planes_a_thread(const Geometry& g) { return grain_for(32768, g.kernel_area(), g.blocks()); }

Tensor gather_columns(const Tensor& images, const Geometry& g) {
  NoGrad silent;
  Tensor source = contiguous(detach(images));
  Tensor columns = empty({g.batch, g.channels * g.kernel_area(), g.blocks()}, images.dtype());
  launch({{&source}, {&columns}}, g.work(), [&] {
    visit_item_size(images.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* from = source.data<T>();
      T* to = columns.data<T>();
      parallel_for(g.planes(), planes_a_thread(g), [&](int64_t begin, int64_t end) {
        for (int64_t plane = begin; plane < end; ++plane)
          for (int64_t k = 0; k < g.kernel_area(); ++k)
            gather_row(g, k / g.x.kernel, k % g.x.kernel, from + plane * g.y.size * g.x.size,
                       to + (plane * g.kernel_area() + k) * g.blocks());
      });
    });
  });
  return columns;
}

Tensor add_up_columns(const Tensor& columns, const Geometry& g) {
  NoGrad silent;
  Dtype dtype = columns.dtype(), compute = dtype == Dtype::F16 || dtype == Dtype::BF16 ? Dtype::F32 : dtype;
  Tensor source = contiguous(to_dtype(detach(columns), compute));
  Tensor images = zeros({g.batch, g.channels, g.y.size, g.x.size}, compute);
  launch({{&source}, {&images}}, g.work(), [&] {
    visit_dtype(compute, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (!std::is_same_v<T, Half> && !std::is_same_v<T, BFloat16>) {
        const T* from = source.data<T>();
        T* to = images.data<T>();
        parallel_for(g.planes(), planes_a_thread(g), [&](int64_t begin, int64_t end) {
          for (int64_t plane = begin; plane < end; ++plane)
            for (int64_t k = 0; k < g.kernel_area(); ++k)
              scatter_row(g, k / g.x.kernel, k % g.x.kernel, from + (plane * g.kernel_area() + k) * g.blocks(),
                          to + plane * g.y.size * g.x.size);
        });
      }
    });
  });
  return to_dtype(images, dtype);
}

Tensor col2im(const Tensor& self, const Dims& output_size, const Dims& kernel_size, const Dims& dilation,
              const Dims& padding, const Dims& stride);

Tensor im2col(const Tensor& self, const Dims& kernel_size, const Dims& dilation, const Dims& padding,
              const Dims& stride) {
  check_window(kernel_size, dilation, padding, stride);
  const Dims& sizes = self.sizes();
  bool batched = sizes.size() == 4;
  bool valid = batched || sizes.size() == 3;
  for (size_t i = batched ? 1 : 0; valid && i < sizes.size(); ++i) valid = sizes[i] != 0;
  if (!valid)
    runtime_error(
        "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but "
        "got: ",
        sizes);
  check_dtype("im2col", self.dtype());
  if (std::max(self.size(-2), self.size(-1)) > kLargest)
    runtime_error("im2col: input of size ", sizes, " is too large");
  Geometry g = make_geometry(batched ? sizes[0] : 1, self.size(-3), self.size(-2), self.size(-1), kernel_size, dilation,
                             padding, stride);
  if (g.y.blocks() < 1 || g.x.blocks() < 1)
    runtime_error("Given input with spatial size ", pair(g.y.size, g.x.size),
                  ", kernel_size=", pair(g.y.kernel, g.x.kernel), ", dilation=", pair(g.y.dilation, g.x.dilation),
                  ", padding=", pair(g.y.padding, g.x.padding), ", calculated shape of the array of sliding blocks as ",
                  pair(g.y.blocks(), g.x.blocks()), ", but its components must be at least one.");
  Tensor columns = gather_columns(self, g);
  if (!batched) columns = squeeze(columns, 0);
  if (needs_gradient(self))
    record("Im2ColBackward0", columns, {self}, [=](const Tensor& gradient, Gradients& in) {
      in[0] = col2im(gradient, {g.y.size, g.x.size}, g.kernel_size, g.dilation, g.padding, g.stride);
    });
  return columns;
}

Tensor col2im(const Tensor& self, const Dims& output_size, const Dims& kernel_size, const Dims& dilation,
              const Dims& padding, const Dims& stride) {
  if (output_size.size() != 2)
    runtime_error("It is expected output_size equals to 2, but got size ", output_size.size());
  if (std::max(output_size[0], output_size[1]) > kLargest)
    runtime_error("output_size=", pair(output_size[0], output_size[1]), " is too large");
  check_window(kernel_size, dilation, padding, stride);
  const Dims& sizes = self.sizes();
  bool batched = sizes.size() == 3;
  bool valid = batched || sizes.size() == 2;
  for (size_t i = batched ? 1 : 0; valid && i < sizes.size(); ++i) valid = sizes[i] != 0;
  if (!valid)
    runtime_error(
        "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, "
        "but got: ",
        sizes);
  check_dtype("col2im", self.dtype());
  int64_t rows = self.size(-2), area = kernel_size[0] * kernel_size[1], axis = batched ? 1 : 0;
  if (rows % area != 0)
    runtime_error("Expected size of input's dimension ", axis,
                  " to be divisible by the product of kernel_size, but got input.size(", axis, ")=", rows,
                  " and kernel_size=", pair(kernel_size[0], kernel_size[1]), ".");
  Geometry g = make_geometry(batched ? sizes[0] : 1, rows / area, output_size[0], output_size[1], kernel_size, dilation,
                             padding, stride);
  if (g.blocks() != self.size(-1) || g.blocks() < 1)
    runtime_error("Given output_size=", pair(g.y.size, g.x.size), ", kernel_size=", pair(g.y.kernel, g.x.kernel),
                  ", dilation=", pair(g.y.dilation, g.x.dilation), ", padding=", pair(g.y.padding, g.x.padding),
                  ", stride=", pair(g.y.stride, g.x.stride), ", expected size of input's dimension ", axis + 1,
                  " to match the calculated number of sliding blocks ", g.y.blocks(), " * ", g.x.blocks(), " = ",
                  g.blocks(), ", but got input.size(", axis + 1, ")=", self.size(-1), ".");
  if (g.y.size < 1 || g.x.size < 1)
    runtime_error("Expected output spatial size to be positive, but got: output_size=", pair(g.y.size, g.x.size), ".");
  Tensor images = add_up_columns(self, g);
  if (!batched) images = squeeze(images, 0);
  if (needs_gradient(self))
    record("Col2ImBackward0", images, {self}, [=](const Tensor& gradient, Gradients& in) {
      in[0] = im2col(gradient, g.kernel_size, g.dilation, g.padding, g.stride);
    });
  return images;
}

}  // namespace

void register_fold(Registry& r) {
  r.add("nn.im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor", im2col,
        kFunction);
  r.add(
      "nn.col2im(Tensor self, int[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) "
      "-> Tensor",
      col2im, kFunction);
}

}  // namespace ondol
