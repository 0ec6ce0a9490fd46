/// Operations on heap memory, for callers that read files straight into it.

#include <emscripten/bind.h>
#include <emscripten/heap.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "bindings/job_records.h"
#include "bindings/library.h"
#include "bindings/runtime.h"
#include "engine/job.h"

namespace arrowquant {
namespace {

using emscripten::val;

constexpr size_t kAlignment = 64;

/// Whether there are `count` records of `words` words at `address`.
bool are_in_heap(double address, double count, size_t words) {
  if (!(count >= 0 && count <= UINT32_MAX) || !is_in_heap(address, 0)) return false;
  return static_cast<uintptr_t>(address) % sizeof(double) == 0 &&
         is_in_heap(address, static_cast<uint64_t>(count) * words * sizeof(double));
}

/// Writes the outcomes where the caller wants them, and resolves to the index of the first work that has failed, or −1.
class RecordClient final : public JobClient {
 public:
  RecordClient(val request, double* outcomes) : request_(std::move(request)), outcomes_(outcomes) {}

  void finished(std::span<const Outcome> outcomes) override {
    double* to = outcomes_;
    for (const Outcome& outcome : outcomes) {
      write_outcome(outcome, std::span<double, kOutcomeWords>(to, kOutcomeWords));
      to += kOutcomeWords;
    }
    const auto failed = std::ranges::find_if(outcomes, [](const Outcome& outcome) { return !outcome.status.ok(); });
    const auto index = failed == outcomes.end() ? -1.0 : static_cast<double>(failed - outcomes.begin());
    aq_resolve(request_.as_handle(), val(index).as_handle());
  }

 private:
  val request_;
  double* outcomes_;
};

/// Reads all of the records; fewer where one of them cannot be done.
std::vector<Work> read_records(const double* words, size_t count) {
  std::vector<Work> works;
  works.reserve(count);
  for (; works.size() < count; words += kJobWords) {
    const auto work = read_record(std::span<const double, kJobWords>(words, kJobWords));
    if (!work) break;
    works.push_back(*work);
  }
  return works;
}

val submit(double records, double count, double outcomes) {
  const val request = val::take_ownership(aq_open_job());
  const val promise = request["promise"];
  if (!aq_is_open(request.as_handle())) return promise;
  const auto refuse = [&](const char* detail) { aq_reject(request.as_handle(), "invalid_option", detail); };
  if (!are_in_heap(records, count, kJobWords) || !are_in_heap(outcomes, count, kOutcomeWords)) {
    refuse("the records or outcomes of a job are not all in the heap");
    return promise;
  }
  const auto address = [](double at) { return reinterpret_cast<double*>(static_cast<uintptr_t>(at)); };
  const auto all = static_cast<size_t>(count);
  if (!has_room(request, uint64_t{all} * sizeof(Work))) return promise;
  const std::vector<Work> works = read_records(address(records), all);
  if (works.size() < all) {
    refuse("a work that cannot be done, or whose memory is not all in the heap");
    return promise;
  }
  const uint32_t threads = scheduler().pool().threads();
  if (!has_room(request, Job::bytes_of(works, threads))) return promise;
  auto client = std::make_unique<RecordClient>(request, address(outcomes));
  scheduler().add(std::make_unique<Job>(works, threads, std::move(client)));
  return promise;
}

double allocate(double bytes) {
  if (!(bytes >= 0 && bytes <= static_cast<double>(emscripten_get_heap_size()))) return 0;
  const size_t size = (static_cast<size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
  return static_cast<double>(reinterpret_cast<uintptr_t>(std::aligned_alloc(kAlignment, size)));
}

void release(double address) { std::free(reinterpret_cast<void*>(static_cast<uintptr_t>(address))); }

}  // namespace

EMSCRIPTEN_BINDINGS(arrowquant_jobs) {
  emscripten::function("submit", &submit);
  emscripten::function("allocate", &allocate);
  emscripten::function("release", &release);
}

}  // namespace arrowquant
