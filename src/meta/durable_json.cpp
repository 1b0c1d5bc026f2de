#include "meta/durable_json.h"

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"
#include "merlin/base/utf8.h"

namespace merlin::meta {

namespace {

bool is_json_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// The end of the string that starts with the quote at `at`, behind its closing quote.
size_t string_end(std::string_view text, size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

// The end of an empty object or list, or of a list of numbers, that begins at `at`; else `at`.
size_t inline_part_end(std::string_view compact, size_t at) {
  if (compact[at] != '{' && compact[at] != '[') return at;
  if (at + 1 < compact.size() && (compact[at + 1] == '}' || compact[at + 1] == ']')) return at + 2;
  if (compact[at] == '{') return at;
  const size_t end = compact.find_first_not_of("0123456789-,", at + 1);
  return end != std::string_view::npos && compact[end] == ']' ? end + 1 : at;
}

// Errc::not_found when there is no file or it is empty, as after a crash of a writer that did not sync.
Status load_one(FileSystem& files, const std::string& path, const std::function<Status(std::string_view)>& decode) {
  if (!files.exists(path)) return Error{Errc::not_found, fmt::format("{} does not exist", path)};
  const Result<std::string> text = files.read_file(path);
  if (!text) return text.error();
  if (text->empty()) return Error{Errc::corrupt, fmt::format("{} is empty", path)};
  const Status decoded = decode(*text);
  return decoded ? decoded : Status(decoded.error().with(path));
}

}  // namespace

Result<LoadedFrom> load_file(FileSystem& files, const std::string& path,
                             const std::function<Status(std::string_view)>& decode) {
  const Status first = load_one(files, path, decode);
  if (first) return LoadedFrom::file;
  const std::string backup = path + ".bak";
  const Status second = load_one(files, backup, decode);
  if (second) {
    log_warn("meta", "{}; continuing with {}", first.error().message, backup);
    // Out of the way: the next write keeps what stands at `path` as the backup, and the good one must stay that.
    if (first.error().code != Errc::not_found) {
      if (Status moved = files.rename(path, path + ".broken"); !moved) return moved.error();
    }
    return LoadedFrom::backup;
  }
  const bool is_first_missing = first.error().code == Errc::not_found;
  const bool is_second_missing = second.error().code == Errc::not_found;
  if (is_first_missing && is_second_missing) return LoadedFrom::nothing;
  const Error& cause = is_first_missing ? second.error() : first.error();
  return Error{cause.code, fmt::format("{}; {}", first.error().message, second.error().message), cause.sys_errno};
}

Status save_file(FileSystem& files, const std::string& path, std::string_view content) {
  const size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) {
    const std::string directory = path.substr(0, slash);
    if (!files.is_dir(directory)) {
      if (Status made = files.make_dirs(directory); !made) return made;
    }
  }
  return files.write_file_durably(path, content);
}

std::string quote_bare_keys(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 16);
  size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      const size_t end = string_end(text, at);
      out.append(text.substr(at, end - at));
      at = end;
    } else if (is_digit(c) || c == '-') {
      // A number before a colon can only be a key.
      size_t end = at + 1;
      while (end < text.size() && is_digit(text[end])) ++end;
      size_t next = end;
      while (next < text.size() && is_json_blank(text[next])) ++next;
      const bool is_key = next < text.size() && text[next] == ':';
      if (is_key) out.push_back('"');
      out.append(text.substr(at, end - at));
      if (is_key) out.push_back('"');
      at = end;
    } else {
      out.push_back(c);
      ++at;
    }
  }
  return out;
}

Status parse_json(std::string_view text, nlohmann::json& out) {
  try {
    out = nlohmann::json::parse(quote_bare_keys(text));
    return {};
  } catch (const nlohmann::json::exception& e) {
    return Error{Errc::corrupt, fmt::format("not JSON: {}", e.what())};
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* end = p + text.size();
  while (p < end) {
    const Utf8Step step = utf8_step(p, end);
    const char c = static_cast<char>(*p);
    if (!step.valid) {
      out += "\xEF\xBF\xBD";
    } else if (step.bytes > 1 || (*p >= 0x20 && c != '"' && c != '\\')) {
      out.append(reinterpret_cast<const char*>(p), step.bytes);
    } else {
      switch (c) {
        case '"':
          out += "\\\"";
          break;
        case '\\':
          out += "\\\\";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\r':
          out += "\\r";
          break;
        case '\t':
          out += "\\t";
          break;
        case '\b':
          out += "\\b";
          break;
        case '\f':
          out += "\\f";
          break;
        default:
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(*p));
      }
    }
    p += step.bytes;
  }
  out.push_back('"');
}

void PrettyJson::append(std::string_view compact, std::string& out) {
  const auto new_line = [&] {
    out.push_back('\n');
    out.append(depth_, '\t');
  };
  size_t at = 0;
  while (at < compact.size()) {
    const char c = compact[at];
    if (c == '"') {
      const size_t end = string_end(compact, at);
      out.append(compact.substr(at, end - at));
      at = end;
      continue;
    }
    // Empty ones and lists of numbers stay on their line.
    const size_t inline_end = inline_part_end(compact, at);
    if (inline_end > at) {
      out.append(compact.substr(at, inline_end - at));
      at = inline_end;
      continue;
    }
    if ((c == '}' || c == ']') && depth_ > 0) {
      --depth_;
      new_line();
    }
    out.push_back(c);
    if (c == '{' || c == '[') ++depth_;
    if (c == '{' || c == '[' || c == ',') new_line();
    ++at;
  }
}

std::string pretty_json(std::string_view compact) {
  std::string out;
  out.reserve(compact.size() + compact.size() / 2);
  PrettyJson pretty;
  pretty.append(compact, out);
  return out;
}

}  // namespace merlin::meta
