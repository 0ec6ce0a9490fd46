#pragma once

#include <cstdint>

namespace arrowquant {

/// IEEE 754 binary16 → binary32, exact; infinities carry over, a NaN keeps its payload and becomes quiet.
[[nodiscard]] float half_to_float(uint16_t half) noexcept;
/// binary32 → binary16, half to even; overflow becomes infinity, subnormals are kept, a NaN keeps its sign only.
/// The same bits as ggml_fp32_to_fp16.
[[nodiscard]] uint16_t float_to_half(float value) noexcept;
/// bfloat16 → binary32, exact: the upper half of the same bits.
[[nodiscard]] float bfloat16_to_float(uint16_t value) noexcept;
/// binary32 → bfloat16, half to even; a NaN keeps its upper payload and becomes quiet.
/// The same bits as ggml_fp32_to_bf16.
[[nodiscard]] uint16_t float_to_bfloat16(float value) noexcept;

}  // namespace arrowquant
