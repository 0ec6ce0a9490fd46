#include "bindings/result_preparer.h"

#include <algorithm>
#include <utility>

#include "bindings/library.h"

namespace arrowquant {
namespace {

/// Smaller arrays come from memory that is in use already.
constexpr uint64_t kSmallestBytes = uint64_t{1} << 20;
/// A larger one would not be there before its first chunk is.
constexpr uint64_t kLargestBytes = uint64_t{32} << 20;
/// The calling thread gets through this much before it can take in what was prepared.
constexpr uint64_t kHeadStartBytes = uint64_t{16} << 20;
/// Results of 16 GB or more. Many names for one array must not fill the heap with orders.
constexpr size_t kMostOrders = 16384;

}  // namespace

ResultPreparer::ResultPreparer(emscripten::val request, const std::vector<LayerSpec>& layers)
    : request_(std::move(request)) {
  const auto id = request_["id"].as<uint32_t>();
  uint64_t begin = 0;
  for (size_t i = 0; i < layers.size() && orders_.size() < kMostOrders; ++i) {
    const LayerSpec& spec = layers[i];
    // The first plane is the large one.
    const uint64_t bytes = plane_bytes(spec.target, 0, spec.weights);
    const bool worthwhile = begin >= kHeadStartBytes && bytes >= kSmallestBytes && bytes <= kLargestBytes;
    if (worthwhile && !aq_has_result(request_.as_handle(), i, 0)) {
      orders_.push_back({id, static_cast<uint32_t>(i), 0, bytes});
    }
    begin += std::max(bytes, plane_bytes(spec.source, 0, spec.weights));
  }
  task_.owner = this;
  task_.work.verb = Verb::kCall;
  task_.work.call = [](const void* context, Scratch& /*scratch*/) noexcept {
    const Order& order = *static_cast<const Order*>(context);
    aq_prepare_result(order.request, order.layer, order.plane, static_cast<double>(order.bytes));
  };
}

bool ResultPreparer::submit_one(ThreadPool& pool) {
  // One at a time: there is encoding to be done as well.
  if (in_flight_ || !pool.has_room()) return false;
  if (!aq_is_open(request_.as_handle())) next_ = orders_.size();
  for (; next_ < orders_.size(); ++next_) {
    const Order& order = orders_[next_];
    if (aq_has_result(request_.as_handle(), order.layer, order.plane)) continue;
    in_flight_ = true;
    task_.work.context = &orders_[next_++];
    pool.submit(task_);
    return true;
  }
  return false;
}

}  // namespace arrowquant
