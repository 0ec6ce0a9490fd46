#pragma once

#include <emscripten/val.h>

#include <cstdint>

/// The functions of library/*.js. Requests are passed as embind handles.
extern "C" {
[[nodiscard]] emscripten::EM_VAL aq_open_batch(emscripten::EM_VAL weights, emscripten::EM_VAL bits,
                                               emscripten::EM_VAL callback, emscripten::EM_VAL options);
[[nodiscard]] emscripten::EM_VAL aq_open_dequantize(emscripten::EM_VAL layer, emscripten::EM_VAL cancellation);
[[nodiscard]] emscripten::EM_VAL aq_open_blocks(emscripten::EM_VAL array, emscripten::EM_VAL type,
                                                emscripten::EM_VAL cancellation, bool encodes);
/// A request without input.
[[nodiscard]] emscripten::EM_VAL aq_open_job();
[[nodiscard]] bool aq_is_open(emscripten::EM_VAL request);
[[nodiscard]] bool aq_is_cancelled(emscripten::EM_VAL request);
[[nodiscard]] int aq_copy_in(emscripten::EM_VAL request, uint32_t layer, uint32_t plane, double offset, void* to,
                             uint32_t bytes);
[[nodiscard]] int aq_copy_out(emscripten::EM_VAL request, uint32_t layer, uint32_t plane, double total_bytes,
                              double offset, const void* from, uint32_t bytes);
void aq_layer_done(emscripten::EM_VAL request, uint32_t layer, int status, double position);
void aq_finish(emscripten::EM_VAL request, int status, double position, uint32_t layer);
void aq_resolve(emscripten::EM_VAL request, emscripten::EM_VAL value);
void aq_reject(emscripten::EM_VAL request, const char* code, const char* detail);
/// Whether the caller has given an array for a layer's plane.
[[nodiscard]] bool aq_has_result(emscripten::EM_VAL request, uint32_t layer, uint32_t plane);
/// Runs on pool threads: allocates an array for a result, touches its pages, and sends it to the calling thread.
void aq_prepare_result(uint32_t request, uint32_t layer, uint32_t plane, double bytes);
/// Has the calling thread's event loop call aq_pump. Runs on pool threads; slower than Emscripten's proxying, but takes
/// no memory of the heap.
void aq_wake();
/// Takes in what aq_prepare_result and aq_wake send.
void aq_listen();
/// From now on the addresses from `base` on are `count` parcels' memory, `slot_bytes` each, with a label of
/// `label_bytes` behind it. Labels of parcels that come back are put to `label`.
void aq_use_parcels(uint32_t base, uint32_t slot_bytes, uint32_t label_bytes, void* label);
/// Puts the label on a parcel, and the parcel to those that aq_flush_parcels hands to the workers.
void aq_send_parcel(uint32_t index, const void* label);
void aq_flush_parcels(bool quick);
/// The bytes of a parcel (an ArrayBuffer) that has come to this worker.
void aq_read_parcel(emscripten::EM_VAL parcel, uint32_t offset, void* to, uint32_t bytes);
void aq_write_parcel(emscripten::EM_VAL parcel, uint32_t offset, const void* from, uint32_t bytes);
/// What a status code is called; nullptr where there are no more. The library asks for it.
[[nodiscard]] const char* aq_status_name(uint32_t code);
void aq_schedule();
void aq_dispose();
}
