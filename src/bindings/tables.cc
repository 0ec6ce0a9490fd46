/// What the build hands on to TypeScript: tables that both languages need.

#include <emscripten/bind.h>
#include <emscripten/emscripten.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "bindings/job_records.h"
#include "bindings/library.h"
#include "codecs/codec.h"

namespace arrowquant {
namespace {

using emscripten::val;

constexpr std::array<std::string_view, 6> kElementNames = {"U8", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"};

template <typename T>
val array_of(std::span<const T> values) {
  val array = val::array();
  for (const T& value : values) array.call<void>("push", val(value));
  return array;
}

val text(std::string_view value) { return val(std::string(value)); }

val plane_object(const Plane& plane) {
  val object = val::object();
  object.set("name", text(plane.name));
  object.set("element", text(kElementNames[static_cast<size_t>(plane.element)]));
  if (plane.unit_weights == kWholeTensor) {
    object.set("unitWeights", text("all"));
  } else {
    object.set("unitWeights", plane.unit_weights);
  }
  object.set("unitBits", plane.unit_bits);
  return object;
}

val planes_of(const Codec& codec) {
  val planes = val::array();
  for (const Plane& plane : std::span(codec.planes).first(codec.plane_count)) {
    planes.call<void>("push", plane_object(plane));
  }
  return planes;
}

val file_types_of(const Codec& codec) {
  val types = val::array();
  for (const FileType& type : codec.file_types) {
    if (type.name.empty()) continue;
    val object = val::object();
    object.set("name", text(type.name));
    object.set("id", type.id);
    types.call<void>("push", object);
  }
  return types;
}

val codec_object(const Codec& codec) {
  val object = val::object();
  object.set("name", text(codec.name));
  object.set("blockWeights", codec.block_weights);
  object.set("planes", planes_of(codec));
  object.set("bits", array_of(codec.bits));
  object.set("groupSizes", array_of(codec.group_sizes));
  object.set("symmetric", codec.symmetric);
  object.set("encodes", codec.encode != nullptr);
  object.set("searches", codec.searches);
  object.set("needsRows", codec.needs_rows);
  object.set("acrossRows", codec.across_rows);
  object.set("needsRange", codec.needs_range);
  object.set("usesImportance", codec.uses_importance);
  object.set("weighsFrom", static_cast<uint32_t>(codec.weighs_from));
  object.set("needsImportance", codec.needs_importance);
  object.set("needsRowsToWeigh", codec.needs_rows_to_weigh);
  object.set("foreign", codec.foreign);
  object.set("mostEffort", static_cast<uint32_t>(codec.most_effort));
  object.set("ggmlType", codec.ggml_type < 0 ? val::null() : val(codec.ggml_type));
  object.set("fileTypes", file_types_of(codec));
  return object;
}

val codec_list() {
  val list = val::array();
  for (const Codec* codec : codecs()) list.call<void>("push", codec_object(*codec));
  return list;
}

val status_list() {
  val list = val::array();
  for (const std::string_view name : kStatusNames) list.call<void>("push", text(name));
  return list;
}

/// The places of a record's words, by name.
val job_words() {
  val own = val::object();
  val operand = val::object();
  val outcome = val::object();
#define ARROWQUANT_JOB_WORD(constant, name) own.set(#name, static_cast<uint32_t>(constant));
#define ARROWQUANT_OPERAND_WORD(constant, name) operand.set(#name, static_cast<uint32_t>(constant));
#define ARROWQUANT_OUTCOME_WORD(constant, name) outcome.set(#name, static_cast<uint32_t>(constant));
#include "bindings/job_words.def"
#undef ARROWQUANT_JOB_WORD
#undef ARROWQUANT_OPERAND_WORD
#undef ARROWQUANT_OUTCOME_WORD
  own.set("source", static_cast<uint32_t>(kSourceWords));
  own.set("target", static_cast<uint32_t>(kTargetWords));
  own.set("count", static_cast<uint32_t>(kJobWords));
  operand.set("count", static_cast<uint32_t>(kOperandWords));
  outcome.set("count", static_cast<uint32_t>(kOutcomeWords));
  val verbs = val::object();
  verbs.set("transcode", static_cast<uint32_t>(Verb::kTranscode));
  verbs.set("scan", static_cast<uint32_t>(Verb::kScan));
  verbs.set("compare", static_cast<uint32_t>(Verb::kCompare));
  val words = val::object();
  words.set("verbs", verbs);
  words.set("job", own);
  words.set("operand", operand);
  words.set("outcome", outcome);
  return words;
}

}  // namespace

EMSCRIPTEN_BINDINGS(arrowquant_tables) {
  emscripten::function("codecs", &codec_list);
  emscripten::function("statuses", &status_list);
  emscripten::function("jobWords", &job_words);
}

}  // namespace arrowquant

// The names are literals, so that they end in zeros.
EMSCRIPTEN_KEEPALIVE const char* aq_status_name(uint32_t code) {
  return code < arrowquant::kStatusNames.size() ? arrowquant::kStatusNames[code].data() : nullptr;
}
