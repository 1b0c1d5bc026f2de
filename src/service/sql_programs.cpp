#include "service/sql_programs.h"

#include <utility>

namespace merlin::service {

namespace {

std::shared_ptr<const SqlPrograms::Compiled> compile(std::string_view text) {
  auto out = std::make_shared<SqlPrograms::Compiled>();
  out->bytes = sizeof(SqlPrograms::Compiled) + 2 * text.size();
  auto program = filter::Program::compile(text);
  if (program.ok()) {
    out->bytes += (*program)->bytes();
    out->filter = std::make_shared<SqlFilter>(std::move(*program));
  } else {
    out->refusal = "Invalid MessageSelector. " + program.error().message;
  }
  return out;
}

}  // namespace

std::shared_ptr<const SqlPrograms::Compiled> SqlPrograms::get(std::string_view text) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = newer_.find(text); it != newer_.end()) return it->second;
    if (const auto it = older_.find(text); it != older_.end()) {
      auto compiled = it->second;
      keep(text, compiled);
      return compiled;
    }
  }
  auto compiled = compile(text);
  const std::lock_guard lock(mutex_);
  keep(text, compiled);
  return compiled;
}

// REQUIRES: mutex_ held.
void SqlPrograms::keep(std::string_view text, std::shared_ptr<const Compiled> compiled) {
  if (newer_bytes_ + compiled->bytes > generation_bytes_max) {
    older_ = std::exchange(newer_, {});
    newer_bytes_ = 0;
  }
  const size_t bytes = compiled->bytes;
  if (newer_.emplace(std::string(text), std::move(compiled)).second) newer_bytes_ += bytes;
}

}  // namespace merlin::service
