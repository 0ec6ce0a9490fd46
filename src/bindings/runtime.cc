#include "bindings/runtime.h"

#include <emscripten/bind.h>
#include <emscripten/emscripten.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "bindings/library.h"
#include "bindings/parcels.h"

#ifdef __EMSCRIPTEN_PTHREADS__
#include <emscripten/proxying.h>
#include <emscripten/threading.h>
#endif

/// Moves all activities forward. The library calls it from the event loop.
extern "C" EMSCRIPTEN_KEEPALIVE void aq_pump();

namespace arrowquant {
namespace {

using emscripten::val;

/// Slots a thread needs so as not to run dry while the calling thread is being woken (about 100 µs).
constexpr uint32_t kSlotsPerThread = 6;
constexpr uint32_t kSpareSlots = 4;
/// The heap is fixed: a third of it for slots.
constexpr uint32_t kMostSlots = 48;

/// For what is allocated in passing, by all the requests that are open.
constexpr uint64_t kSpareBytes = uint64_t{4} << 20;

bool disposed = false;

class EventLoopHost final : public Host {
 public:
  void schedule() override { aq_schedule(); }

  void wake() noexcept override {
#ifdef __EMSCRIPTEN_PTHREADS__
    // It takes memory for its queue. A wake-up that is lost would leave a batch waiting for ever.
    const auto turn = [](void*) { aq_pump(); };
    if (emscripten_proxy_async(queue_, emscripten_main_runtime_thread_id(), turn, nullptr) == 0) aq_wake();
#endif
  }

 private:
#ifdef __EMSCRIPTEN_PTHREADS__
  em_proxying_queue* const queue_ = em_proxying_queue_create();
#endif
};

/// Pool threads; in the build without them, the workers that each have an instance of their own.
uint32_t wanted_threads() {
#ifdef __EMSCRIPTEN_PTHREADS__
  const auto threads = val::module_property("threads").as<uint32_t>();
  constexpr uint32_t kMostThreads = 64;
  return std::clamp(threads, 1U, kMostThreads);
#else
  const val workers = val::module_property("workers");
  return workers.isUndefined() ? 0 : workers["count"].as<uint32_t>();
#endif
}

/// Never destroyed: its threads end with the module.
Scheduler* instance = nullptr;
val* ready_request = nullptr;

void tell_ready() {
  if (ready_request == nullptr || !scheduler().pool().ready()) return;
  aq_resolve(ready_request->as_handle(), val::undefined().as_handle());
  delete ready_request;
  ready_request = nullptr;
}

void pump() {
  if (disposed) return;
  scheduler().pump();
  tell_ready();
}

/// Not at once: callers may be in the middle of anything, and callbacks run from the event loop only.
void wake() {
  if (!disposed) scheduler().check_all();
}

val start() {
  const val request = val::take_ownership(aq_open_job());
  const val promise = request["promise"];
  ready_request = new val(request);
  if (!disposed) tell_ready();
  return promise;
}

void dispose() {
  if (disposed) return;
  disposed = true;
  aq_dispose();
}

uint32_t thread_count() { return wanted_threads(); }

}  // namespace

Scheduler& scheduler() {
  if (instance == nullptr) {
    const uint32_t threads = wanted_threads();
    const uint32_t slots = kSpareSlots + kSlotsPerThread * threads;
    auto* const host = new EventLoopHost;
#ifndef __EMSCRIPTEN_PTHREADS__
    if (threads > 0) instance = scheduler_of_workers(slots, *host).release();
#endif
    if (instance == nullptr) instance = new Scheduler(threads, std::min(slots, kMostSlots), *host);
    aq_listen();
  }
  return *instance;
}

bool has_room(const val& request, uint64_t bytes) {
  static_cast<void>(scheduler());  // the slots come first
  if (const uint64_t all = bytes + kSpareBytes; all <= PTRDIFF_MAX) {
    // Volatile: compilers take out an allocation that nobody looks at.
    void* volatile const trial = std::malloc(static_cast<size_t>(all));
    std::free(trial);
    if (trial != nullptr) return true;
  }
  aq_reject(request.as_handle(), "out_of_memory",
            "the module's heap is full; put fewer layers in a batch, or wait until other calls have ended");
  return false;
}

EMSCRIPTEN_BINDINGS(arrowquant_runtime) {
  emscripten::function("start", &start);
  emscripten::function("wake", &wake);
  emscripten::function("dispose", &dispose);
  emscripten::function("threadCount", &thread_count);
}

}  // namespace arrowquant

void aq_pump() { arrowquant::pump(); }
