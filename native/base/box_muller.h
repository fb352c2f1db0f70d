#pragma once

#include <cstdint>

namespace ondol::random {

/// Turns uniform numbers from [0, 1) into normal ones with the given mean and deviation, in blocks of 16: the first
/// eight give radii, the other eight angles (Box & Muller 1958, "A note on the generation of random normal deviates").
/// Bit for bit PyTorch's numbers.
void box_muller(float* data, int64_t blocks, float mean, float std);
void box_muller(double* data, int64_t blocks, double mean, double std);

}  // namespace ondol::random
