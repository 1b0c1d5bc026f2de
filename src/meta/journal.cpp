#include "meta/journal.h"

#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/crc32.h"
#include "meta/durable_json.h"
#include "meta/json_cursor.h"

namespace merlin::meta {

namespace {

constexpr size_t crc_digits = 8;

// The line's text behind its CRC, or nothing when the line does not fit.
std::optional<std::string_view> checked(std::string_view line) {
  uint32_t crc = 0;
  if (line.size() < crc_digits + 2 || line[crc_digits] != ' ') return std::nullopt;
  const auto [end, error] = std::from_chars(line.data(), line.data() + crc_digits, crc, 16);
  if (error != std::errc() || end != line.data() + crc_digits) return std::nullopt;
  const std::string_view payload = line.substr(crc_digits + 1);
  return crc32(as_bytes(payload)) == crc ? std::optional(payload) : std::nullopt;
}

bool split_line(std::string_view payload, JournalLine& out) {
  const size_t space = payload.find(' ');
  if (space == std::string_view::npos || space == 0) return false;
  out.kind = payload.substr(0, space);
  std::string_view key_text;
  JsonCursor cursor(payload.substr(space + 1));
  if (!cursor.skip_value(key_text) || key_text.empty() || key_text.front() != '"') return false;
  std::string_view key;
  JsonCursor key_cursor(key_text);
  if (!key_cursor.text(key)) return false;
  out.key = key;
  std::string_view rest = payload.substr(static_cast<size_t>(key_text.data() + key_text.size() - payload.data()));
  if (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  out.value = rest;
  return true;
}

bool read_header(std::string_view value, int64_t& version, JournalFile& out) {
  JsonCursor cursor(value);
  return cursor.object([&](std::string_view key) {
    std::string_view other;
    if (key == "version") return cursor.integer(version);
    if (key == "after") return cursor.integer(out.after);
    return cursor.skip_value(other);
  });
}

bool read_base(std::string_view value, FileId& out) {
  JsonCursor cursor(value);
  int64_t crc = 0;
  const bool is_sound = cursor.object([&](std::string_view key) {
    std::string_view other;
    if (key == "size") return cursor.integer(out.size);
    if (key == "crc") return cursor.integer(crc);
    return cursor.skip_value(other);
  });
  out.crc = static_cast<uint32_t>(crc);
  return is_sound;
}

}  // namespace

FileId file_id(std::string_view content) {
  return {static_cast<int64_t>(content.size()), crc32(as_bytes(content))};
}

void append_journal_line(std::string& out, std::string_view kind, std::string_view key, std::string_view value) {
  const size_t begin = out.size();
  out.append(crc_digits + 1, ' ');
  out.append(kind).push_back(' ');
  append_json_string(out, key);
  if (!value.empty()) {
    out.push_back(' ');
    out.append(value);
  }
  const uint32_t crc = crc32(as_bytes(std::string_view(out).substr(begin + crc_digits + 1)));
  fmt::format_to(out.begin() + static_cast<ptrdiff_t>(begin), "{:08x}", crc);
  out.push_back('\n');
}

std::string journal_header(std::string_view file, int64_t generation, int64_t after) {
  std::string out;
  append_journal_line(
      out, "journal", file,
      fmt::format(R"({{"version":{},"generation":{},"after":{}}})", journal_version, generation, after));
  return out;
}

std::string journal_base(std::string_view file, const FileId& id) {
  std::string out;
  append_journal_line(out, "base", file, fmt::format(R"({{"size":{},"crc":{}}})", id.size, id.crc));
  return out;
}

std::optional<int64_t> journal_generation(std::string_view file_name, std::string_view prefix) {
  if (!file_name.starts_with(prefix)) return std::nullopt;
  file_name.remove_prefix(prefix.size());
  int64_t value = 0;
  const auto [end, error] = std::from_chars(file_name.data(), file_name.data() + file_name.size(), value);
  const bool is_number = !file_name.empty() && error == std::errc() && end == file_name.data() + file_name.size();
  return is_number && value > 0 ? std::optional(value) : std::nullopt;
}

Result<JournalFile> read_journal(FileSystem& files, const std::string& path, int64_t generation) {
  Result<std::string> text = files.read_file(path, journal_bytes_max);
  if (!text) return text.error();
  JournalFile out;
  out.generation = generation;
  out.path = path;
  int64_t version = 0;
  size_t at = 0;
  while (at < text->size()) {
    const size_t end = text->find('\n', at);
    if (end == std::string::npos) break;
    const auto payload = checked(std::string_view(*text).substr(at, end - at));
    JournalLine line;
    if (!payload || !split_line(*payload, line)) break;
    if (at == 0 && (line.kind != "journal" || !read_header(line.value, version, out))) break;
    if (version > journal_version) {
      return Error{Errc::unsupported,
                   fmt::format("{} was written by a newer program: it has version {}, this one reads {}", path, version,
                               journal_version)};
    }
    FileId id;
    if (line.kind == "base" && read_base(line.value, id)) out.bases.push_back(id);
    at = end + 1;
  }
  out.cut_bytes = static_cast<int64_t>(text->size() - at);
  text->resize(at);
  out.text = std::move(*text);
  return out;
}

Result<std::vector<JournalFile>> read_journals(FileSystem& files, const std::string& dir, std::string_view prefix) {
  std::vector<JournalFile> out;
  if (!files.is_dir(dir)) return out;
  const Result<std::vector<std::string>> names = files.list(dir);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::optional<int64_t> generation = journal_generation(name, prefix);
    if (!generation) continue;
    Result<JournalFile> journal = read_journal(files, dir + "/" + name, *generation);
    if (!journal) return journal.error();
    out.push_back(std::move(*journal));
  }
  std::sort(out.begin(), out.end(),
            [](const JournalFile& a, const JournalFile& b) { return a.generation < b.generation; });
  return out;
}

std::vector<const JournalFile*> journals_for(const std::vector<JournalFile>& all, const FileId& json) {
  size_t first = all.size();
  for (size_t i = all.size(); i-- > 0 && first == all.size();) {
    if (std::find(all[i].bases.begin(), all[i].bases.end(), json) != all[i].bases.end()) first = i;
  }
  std::vector<const JournalFile*> out;
  for (size_t i = first; i < all.size(); ++i) out.push_back(&all[i]);
  return out;
}

Status each_line(const JournalFile& journal, const std::function<Status(const JournalLine&)>& visit) {
  size_t at = 0;
  for (size_t number = 1; at < journal.text.size(); ++number) {
    const size_t end = journal.text.find('\n', at);
    JournalLine line;
    if (!split_line(std::string_view(journal.text).substr(at + crc_digits + 1, end - at - crc_digits - 1), line)) {
      return Error{Errc::corrupt, fmt::format("{} line {} makes no sense", journal.path, number)};
    }
    at = end + 1;
    if (line.kind == "journal" || line.kind == "base") continue;
    if (Status s = visit(line); !s) return s.error().with(fmt::format("{} line {}", journal.path, number));
  }
  return {};
}

}  // namespace merlin::meta
