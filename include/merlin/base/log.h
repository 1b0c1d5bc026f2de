// Logging: one line per event, with a level, to stdout unless told otherwise. A thin face over spdlog.
//
//   log_info("store", "recovered {} bytes in {} ms", n, ms);   // first argument: the room or feature that speaks
#pragma once

#include <string>
#include <string_view>

#include <spdlog/fmt/fmt.h>

namespace merlin {

enum class LogLevel { debug, info, warn, error };

// `file` empty: stdout. level: debug, info, warn or error; returns false when the name is unknown.
void log_init(const std::string& file, LogLevel level);
bool log_level_from(std::string_view name, LogLevel& out);
bool log_enabled(LogLevel level);
void log_write(LogLevel level, std::string_view feature, std::string_view text);
void log_flush();

template <class... Args>
void log_debug(std::string_view feature, fmt::format_string<Args...> f, Args&&... args) {
  if (log_enabled(LogLevel::debug)) log_write(LogLevel::debug, feature, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(std::string_view feature, fmt::format_string<Args...> f, Args&&... args) {
  if (log_enabled(LogLevel::info)) log_write(LogLevel::info, feature, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void log_warn(std::string_view feature, fmt::format_string<Args...> f, Args&&... args) {
  if (log_enabled(LogLevel::warn)) log_write(LogLevel::warn, feature, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(std::string_view feature, fmt::format_string<Args...> f, Args&&... args) {
  if (log_enabled(LogLevel::error)) log_write(LogLevel::error, feature, fmt::format(f, std::forward<Args>(args)...));
}

}  // namespace merlin
