#include "namesrv/config_door.h"

#include <algorithm>
#include <filesystem>

#include "merlin/base/log.h"
#include "merlin/wire/request_code.h"

namespace merlin::namesrv {

namespace request_code = wire::request_code;
namespace response_code = wire::response_code;
using rpc::Lane;
using rpc::Ports;

namespace {

struct PutKvHeader {
  std::string_view name_space;
  std::string_view key;
  std::string_view value;
  static constexpr auto fields =
      std::make_tuple(wire::required("namespace", &PutKvHeader::name_space), wire::required("key", &PutKvHeader::key),
                      wire::required("value", &PutKvHeader::value));
};

struct KvKeyHeader {
  std::string_view name_space;
  std::string_view key;
  static constexpr auto fields =
      std::make_tuple(wire::required("namespace", &KvKeyHeader::name_space), wire::required("key", &KvKeyHeader::key));
};

struct KvNamespaceHeader {
  std::string_view name_space;
  static constexpr auto fields = std::make_tuple(wire::required("namespace", &KvNamespaceHeader::name_space));
};

void reply_status(rpc::Request& request, const Status& status) {
  if (status) return request.reply(response_code::success);
  log_error("namesrv", "{}", status.error().message);
  request.reply(response_code::system_error, status.error().message);
}

}  // namespace

ConfigDoor::ConfigDoor(KvTable& kv, config::Settings& settings, FileSystem& files)
    : kv_(kv),
      settings_(settings),
      files_(files),
      black_list_{"configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome"} {
  std::string rest = settings.text("configBlackList");
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    if (end > 0) black_list_.insert(rest.substr(0, end));
    rest.erase(0, end + 1);
  }
}

void ConfigDoor::add_to(rpc::Dispatcher& dispatcher) {
  static constexpr rpc::Row<ConfigDoor> rows[] = {
      {request_code::put_kv_config, Lane::worker, Ports::all, &ConfigDoor::put_kv},
      {request_code::get_kv_config, Lane::reactor, Ports::all, &ConfigDoor::get_kv},
      {request_code::delete_kv_config, Lane::worker, Ports::all, &ConfigDoor::delete_kv},
      {request_code::get_kvlist_by_namespace, Lane::reactor, Ports::all, &ConfigDoor::kv_list},
      {request_code::update_namesrv_config, Lane::worker, Ports::all, &ConfigDoor::update_config},
      {request_code::get_namesrv_config, Lane::reactor, Ports::all, &ConfigDoor::get_config},
  };
  dispatcher.add(*this, rows);
}

void ConfigDoor::put_kv(rpc::Request& request) {
  const auto header = wire::decode_header<PutKvHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  log_info("namesrv", "KV config {} {} = {} by {}", header->name_space, header->key, header->value,
           request.connection().remote_text());
  reply_status(request, kv_.put(std::string(header->name_space), std::string(header->key), std::string(header->value)));
}

void ConfigDoor::get_kv(rpc::Request& request) {
  const auto header = wire::decode_header<KvKeyHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  const std::string name_space(header->name_space);
  const std::string key(header->key);
  const auto value = kv_.get(name_space, key);
  if (!value) {
    return request.reply(response_code::query_not_found, "No config item, Namespace: " + name_space + " Key: " + key);
  }
  request.reply_with(response_code::success, {}, {},
                     [&](wire::CommandWriter& writer) { writer.field("value", *value); });
}

void ConfigDoor::delete_kv(rpc::Request& request) {
  const auto header = wire::decode_header<KvKeyHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  log_info("namesrv", "KV config {} {} deleted by {}", header->name_space, header->key,
           request.connection().remote_text());
  reply_status(request, kv_.remove(std::string(header->name_space), std::string(header->key)));
}

void ConfigDoor::kv_list(rpc::Request& request) {
  const auto header = wire::decode_header<KvNamespaceHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  const std::string name_space(header->name_space);
  const auto table = kv_.table_json(name_space);
  if (!table) return request.reply(response_code::query_not_found, "No config item, Namespace: " + name_space);
  request.reply_text(response_code::success, *table);
}

bool ConfigDoor::is_black_listed(const config::KeyValues& changes) const {
  return std::any_of(changes.begin(), changes.end(),
                     [this](const auto& change) { return black_list_.contains(change.first); });
}

void ConfigDoor::update_config(rpc::Request& request) {
  if (request.body().empty()) return request.reply(response_code::success);
  config::KeyValues changes = config::parse_properties(request.body_text());
  if (is_black_listed(changes)) {
    return request.reply(response_code::no_permission, "Can not update config in black list.");
  }
  // Apache passes over keys it does not know, and tools send keys of other versions.
  std::erase_if(changes, [this](const auto& change) {
    if (settings_.find(change.first)) return false;
    log_warn("namesrv", "remote update: the key {} is not known",
             change.first.substr(0, config::Settings::key_length_shown_max));
    return true;
  });
  const std::lock_guard lock(update_mutex_);
  if (const Status s = settings_.update_live(changes); !s)
    return request.reply(response_code::system_error, s.error().message);
  for (const auto& change : changes) unwritten_.insert(change.first);
  log_info("namesrv", "{} keys of the configuration updated by {}", changes.size(), request.connection().remote_text());
  reply_status(request, persist_settings());
}

Status ConfigDoor::persist_settings() {
  const std::string path = settings_.text("configStorePath");
  const auto old_text = files_.read_file(path);
  if (!old_text && old_text.error().code != Errc::not_found) return old_text.error().with("persist configuration");
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (!folder.empty()) {
    if (Status s = files_.make_dirs(folder); !s) return s.error().with("persist configuration");
  }
  if (Status s = files_.write_file_durably(path, settings_.updated_file(old_text ? *old_text : "", unwritten_)); !s) {
    return s.error().with("persist configuration");
  }
  unwritten_.clear();
  return {};
}

void ConfigDoor::get_config(rpc::Request& request) {
  request.reply_text(response_code::success, settings_.to_properties());
}

}  // namespace merlin::namesrv
