#pragma once

#include <atomic>
#include <cstdint>

namespace arrowquant {

/// Puts the calling pool thread to sleep while `word` holds `expected`. May return early; the caller looks again.
/// Never inlined: V8's baseline compiler, seen in Node 20, may lose the caller's locals across a
/// memory.atomic.wait32, its stack pointer among them. Here none is alive after it.
[[gnu::noinline]] inline void park(std::atomic<uint32_t>& word, uint32_t expected) noexcept {
#if defined(__wasm_atomics__)
  // libc++ has no futex behind std::atomic::wait for this target: it would poll.
  __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int*>(&word), static_cast<int>(expected), -1);
#elif defined(__wasm__)
  static_cast<void>(word);
  static_cast<void>(expected);
#else
  word.wait(expected);
#endif
}

inline void unpark_one(std::atomic<uint32_t>& word) noexcept {
#if defined(__wasm_atomics__)
  __builtin_wasm_memory_atomic_notify(reinterpret_cast<int*>(&word), 1);
#elif defined(__wasm__)
  static_cast<void>(word);
#else
  word.notify_one();
#endif
}

inline void unpark_all(std::atomic<uint32_t>& word) noexcept {
#if defined(__wasm_atomics__)
  __builtin_wasm_memory_atomic_notify(reinterpret_cast<int*>(&word), UINT32_MAX);
#elif defined(__wasm__)
  static_cast<void>(word);
#else
  word.notify_all();
#endif
}

}  // namespace arrowquant
