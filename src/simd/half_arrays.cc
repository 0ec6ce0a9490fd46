#include "simd/half_arrays.h"

#include <array>
#include <cstddef>
#include <cstring>

#include "simd/half_lanes.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

template <typename L, size_t kBytes>
typename L::I32 load_numbers(const uint8_t* from) noexcept {
  if constexpr (kBytes == 1) {
    return L::load_u8(from);
  } else {
    return L::load_u16(from);
  }
}

/// From numbers of kBytes bytes.
template <typename L, size_t kBytes = 2, typename Convert>
void widen(const uint8_t* from, std::span<float> to, Convert convert) noexcept {
  const auto load = load_numbers<L, kBytes>;
  const size_t whole = to.size() - to.size() % L::kWidth;
  for (size_t i = 0; i < whole; i += L::kWidth) L::store(to.data() + i, convert(load(from + kBytes * i)));
  const size_t rest = to.size() - whole;
  if (rest == 0) return;
  std::array<uint8_t, kBytes * L::kWidth> padded_from{};
  std::array<float, L::kWidth> padded_to;
  std::memcpy(padded_from.data(), from + kBytes * whole, kBytes * rest);
  L::store(padded_to.data(), convert(load(padded_from.data())));
  std::memcpy(to.data() + whole, padded_to.data(), rest * sizeof(float));
}

/// Looks for infinities and NaN once for several vectors.
template <typename L>
void widen_halves(const uint8_t* from, std::span<float> to) noexcept {
  constexpr size_t kVectors = 4;
  constexpr size_t kStep = kVectors * L::kWidth;
  const size_t whole = to.size() - to.size() % kStep;
  for (size_t at = 0; at < whole; at += kStep) {
    std::array<typename L::I32, kVectors> halves;
    for (size_t i = 0; i < kVectors; ++i) halves[i] = L::load_u16(from + 2 * (at + i * L::kWidth));
    auto largest = L::splat(0);
    for (const auto& half : halves) largest = L::max(largest, L::bit_and(half, L::splat(0x7FFF)));
    float* const out = to.data() + at;
    if (L::all(L::lt(largest, L::splat(0x7C00)))) {
      for (size_t i = 0; i < kVectors; ++i) L::store(out + i * L::kWidth, finite_half_to_float<L>(halves[i]));
    } else {
      for (size_t i = 0; i < kVectors; ++i) L::store(out + i * L::kWidth, half_to_float<L>(halves[i]));
    }
  }
  widen<L>(from + 2 * whole, to.subspan(whole), half_to_float<L>);
}

template <typename L, typename Convert>
void narrow(std::span<const float> from, uint8_t* to, Convert convert) noexcept {
  const size_t whole = from.size() - from.size() % L::kWidth;
  for (size_t i = 0; i < whole; i += L::kWidth) L::store_u16(to + 2 * i, convert(L::load(from.data() + i)));
  const size_t rest = from.size() - whole;
  if (rest == 0) return;
  std::array<float, L::kWidth> padded_from{};
  std::array<uint8_t, 2 * L::kWidth> padded_to;
  std::memcpy(padded_from.data(), from.data() + whole, rest * sizeof(float));
  L::store_u16(padded_to.data(), convert(L::load(padded_from.data())));
  std::memcpy(to + 2 * whole, padded_to.data(), 2 * rest);
}

}  // namespace

void half_to_float(const uint8_t* from, std::span<float> to) noexcept { widen_halves<WasmLanes>(from, to); }
void half_to_float_reference(const uint8_t* from, std::span<float> to) noexcept { widen_halves<ScalarLanes>(from, to); }
void bfloat16_to_float(const uint8_t* from, std::span<float> to) noexcept {
  widen<WasmLanes>(from, to, bfloat16_to_float<WasmLanes>);
}
void bfloat16_to_float_reference(const uint8_t* from, std::span<float> to) noexcept {
  widen<ScalarLanes>(from, to, bfloat16_to_float<ScalarLanes>);
}
void e4m3_to_float(const uint8_t* from, std::span<float> to) noexcept {
  widen<WasmLanes, 1>(from, to, e4m3_to_float<WasmLanes>);
}
void e4m3_to_float_reference(const uint8_t* from, std::span<float> to) noexcept {
  widen<ScalarLanes, 1>(from, to, e4m3_to_float<ScalarLanes>);
}
void e5m2_to_float(const uint8_t* from, std::span<float> to) noexcept {
  widen<WasmLanes, 1>(from, to, e5m2_to_float<WasmLanes>);
}
void e5m2_to_float_reference(const uint8_t* from, std::span<float> to) noexcept {
  widen<ScalarLanes, 1>(from, to, e5m2_to_float<ScalarLanes>);
}
void float_to_half(std::span<const float> from, uint8_t* to) noexcept {
  narrow<WasmLanes>(from, to, float_to_half<WasmLanes>);
}
void float_to_half_reference(std::span<const float> from, uint8_t* to) noexcept {
  narrow<ScalarLanes>(from, to, float_to_half<ScalarLanes>);
}
void float_to_bfloat16(std::span<const float> from, uint8_t* to) noexcept {
  narrow<WasmLanes>(from, to, float_to_bfloat16<WasmLanes>);
}
void float_to_bfloat16_reference(std::span<const float> from, uint8_t* to) noexcept {
  narrow<ScalarLanes>(from, to, float_to_bfloat16<ScalarLanes>);
}

}  // namespace arrowquant
