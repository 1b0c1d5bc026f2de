#include "namesrv/kv_table.h"

#include <filesystem>

#include "merlin/base/log.h"
#include "namesrv/registration_body.h"
#include "namesrv/route_json.h"

namespace merlin::namesrv {

// What an entry or a namespace takes besides its text; short ones would be free otherwise.
static constexpr size_t entry_bytes = 64;

KvTable::KvTable(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

Result<KvTable::Namespaces> KvTable::read(const std::string& path) const {
  const auto content = files_.read_file(path, bytes_max * 8);
  if (!content) return content.error();
  auto parsed = parse_kv_file(*content);
  if (!parsed) return parsed.error().with(path);
  return std::move(*parsed);
}

Status KvTable::load() {
  auto loaded = read(path_);
  if (!loaded) {
    const Error first = loaded.error();
    const std::string backup = path_ + ".bak";
    const bool was_never_written = first.code == Errc::not_found && !files_.exists(backup);
    if (was_never_written) return {};
    loaded = read(backup);
    if (!loaded) return first.with("load KV config");
    log_warn("namesrv", "KV config {} is not usable ({}); taken from {}", path_, first.message, backup);
  }
  const std::unique_lock lock(mutex_);
  namespaces_ = std::move(*loaded);
  bytes_ = 0;
  for (const auto& [name, table] : namespaces_) {
    bytes_ += name.size() + entry_bytes;
    for (const auto& [key, value] : table) bytes_ += key.size() + value.size() + entry_bytes;
  }
  return {};
}

Status KvTable::put(const std::string& name_space, const std::string& key, const std::string& value) {
  const std::lock_guard order(persist_mutex_);
  {
    const std::unique_lock lock(mutex_);
    const size_t added = key.size() + value.size() + entry_bytes +
                         (namespaces_.contains(name_space) ? 0 : name_space.size() + entry_bytes);
    if (bytes_ + added > bytes_max) {
      return Error{Errc::limit,
                   "the KV config has " + std::to_string(bytes_) + " bytes; the limit is " + std::to_string(bytes_max)};
    }
    const auto [table, is_new] = namespaces_.try_emplace(name_space);
    // A namespace costs memory, too; it is never removed.
    if (is_new) bytes_ += name_space.size() + entry_bytes;
    const auto [at, inserted] = table->second.try_emplace(key);
    if (inserted) bytes_ += key.size() + entry_bytes;
    bytes_ += value.size();
    bytes_ -= at->second.size();
    at->second = value;
  }
  return persist();
}

Status KvTable::remove(const std::string& name_space, const std::string& key) {
  const std::lock_guard order(persist_mutex_);
  {
    const std::unique_lock lock(mutex_);
    const auto table = namespaces_.find(name_space);
    const auto none = table == namespaces_.end() || !table->second.contains(key);
    if (!none) {
      bytes_ -= key.size() + table->second[key].size() + entry_bytes;
      table->second.erase(key);
    }
  }
  return persist();
}

std::optional<std::string> KvTable::get(const std::string& name_space, const std::string& key) const {
  const std::shared_lock lock(mutex_);
  const auto table = namespaces_.find(name_space);
  if (table == namespaces_.end()) return std::nullopt;
  const auto value = table->second.find(key);
  if (value == table->second.end()) return std::nullopt;
  return value->second;
}

std::optional<std::string> KvTable::table_json(const std::string& name_space) const {
  const std::shared_lock lock(mutex_);
  const auto table = namespaces_.find(name_space);
  if (table == namespaces_.end()) return std::nullopt;
  return kv_table_json(table->second);
}

Status KvTable::persist() {
  std::string content;
  {
    const std::shared_lock lock(mutex_);
    content = kv_file_json(namespaces_);
  }
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  if (!folder.empty()) {
    if (Status s = files_.make_dirs(folder); !s) return s.error().with("persist KV config");
  }
  if (Status s = files_.write_file_durably(path_, content); !s) return s.error().with("persist KV config");
  return {};
}

}  // namespace merlin::namesrv
