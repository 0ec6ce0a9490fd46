#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "engine/work.h"

namespace arrowquant {

#define ARROWQUANT_JOB_WORD(constant, name) constant,
#define ARROWQUANT_OPERAND_WORD(constant, name)
#define ARROWQUANT_OUTCOME_WORD(constant, name)
enum JobWord : size_t {
#include "bindings/job_words.def"
  kOwnWords,
};
#undef ARROWQUANT_JOB_WORD
#undef ARROWQUANT_OPERAND_WORD
#undef ARROWQUANT_OUTCOME_WORD

#define ARROWQUANT_JOB_WORD(constant, name)
#define ARROWQUANT_OPERAND_WORD(constant, name) constant,
#define ARROWQUANT_OUTCOME_WORD(constant, name)
enum OperandWord : size_t {
#include "bindings/job_words.def"
  kOperandWords = kPlanes + kMostPlanes,
};
#undef ARROWQUANT_JOB_WORD
#undef ARROWQUANT_OPERAND_WORD
#undef ARROWQUANT_OUTCOME_WORD

#define ARROWQUANT_JOB_WORD(constant, name)
#define ARROWQUANT_OPERAND_WORD(constant, name)
#define ARROWQUANT_OUTCOME_WORD(constant, name) constant,
enum OutcomeWord : size_t {
#include "bindings/job_words.def"
  kOutcomeWords,
};
#undef ARROWQUANT_JOB_WORD
#undef ARROWQUANT_OPERAND_WORD
#undef ARROWQUANT_OUTCOME_WORD

inline constexpr size_t kSourceWords = kOwnWords;
inline constexpr size_t kTargetWords = kSourceWords + kOperandWords;
inline constexpr size_t kJobWords = kTargetWords + kOperandWords;

/// Whether the heap has `bytes` at `address` that are no variables of this program, as at the address 0.
[[nodiscard]] bool is_in_heap(double address, uint64_t bytes);

/// The work that a record asks for; nothing where it cannot be done: numbers that cannot be, rows and weights that are
/// no whole blocks, memory that is not all in the heap or not aligned to its elements.
[[nodiscard]] std::optional<Work> read_record(std::span<const double, kJobWords> record);

void write_outcome(const Outcome& outcome, std::span<double, kOutcomeWords> words);

}  // namespace arrowquant
