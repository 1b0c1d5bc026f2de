#include "merlin/base/log.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace merlin {

namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// Threads log while another one calls log_init(), so a logger that was in use lives on; there are a handful of calls.
std::atomic<spdlog::logger*> current{nullptr};

void replace(std::shared_ptr<spdlog::logger> logger) {
  static std::mutex mutex;
  static std::vector<std::shared_ptr<spdlog::logger>> all;
  const std::lock_guard lock(mutex);
  current.store(logger.get(), std::memory_order_release);
  all.push_back(std::move(logger));
}

spdlog::logger& logger() {
  spdlog::logger* ours = current.load(std::memory_order_acquire);
  return ours != nullptr ? *ours : *spdlog::default_logger_raw();
}

}  // namespace

void log_init(const std::string& file, LogLevel level) {
  spdlog::sink_ptr sink;
  if (file.empty()) {
    sink = std::make_shared<spdlog::sinks::stdout_sink_mt>();
  } else {
    sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
  }
  auto logger = std::make_shared<spdlog::logger>("merlin", std::move(sink));
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
  logger->set_level(to_spdlog(level));
  logger->flush_on(spdlog::level::info);
  replace(std::move(logger));
}

bool log_level_from(std::string_view name, LogLevel& out) {
  if (name == "debug")
    out = LogLevel::debug;
  else if (name == "info")
    out = LogLevel::info;
  else if (name == "warn")
    out = LogLevel::warn;
  else if (name == "error")
    out = LogLevel::error;
  else
    return false;
  return true;
}

bool log_enabled(LogLevel level) {
  return logger().should_log(to_spdlog(level));
}

void log_write(LogLevel level, std::string_view feature, std::string_view text) {
  logger().log(to_spdlog(level), "[{}] {}", feature, text);
}

void log_flush() {
  logger().flush();
}

}  // namespace merlin
