// The text format of java.util.Properties.
#include "config/properties.h"

#include <charconv>
#include <map>

#include "config/options.h"

namespace merlin::config {

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\f';
}
bool is_line_end(char c) {
  return c == '\n' || c == '\r';
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (c >> 6)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (c >> 12)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (c >> 18)));
    out.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

// The four hex digits at `text`, or -1.
int32_t hex4(std::string_view text) {
  if (text.size() < 4) return -1;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, value, 16);
  return error == std::errc() && end == text.data() + 4 ? static_cast<int32_t>(value) : -1;
}

// Takes the escape that follows a backslash off `text`. A broken \u stays as a plain u.
void take_escape(std::string_view& text, std::string& out) {
  const char c = text.front();
  text.remove_prefix(1);
  switch (c) {
    case 't':
      out.push_back('\t');
      return;
    case 'n':
      out.push_back('\n');
      return;
    case 'r':
      out.push_back('\r');
      return;
    case 'f':
      out.push_back('\f');
      return;
    case 'u':
      break;
    default:
      out.push_back(c);
      return;
  }
  const int32_t unit = hex4(text);
  if (unit < 0) {
    out.push_back('u');
    return;
  }
  text.remove_prefix(4);
  auto code_point = static_cast<uint32_t>(unit);
  if (unit >= 0xD800 && unit <= 0xDBFF && text.starts_with("\\u")) {
    const int32_t low = hex4(text.substr(2));
    if (low >= 0xDC00 && low <= 0xDFFF) {
      text.remove_prefix(6);
      code_point = 0x10000 + ((code_point - 0xD800) << 10) + (static_cast<uint32_t>(low) - 0xDC00);
    }
  }
  const bool is_lone_surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  append_utf8(out, is_lone_surrogate ? 0xFFFD : code_point);
}

std::string unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '\\' && !text.empty()) {
      take_escape(text, out);
    } else if (c != '\\') {
      out.push_back(c);
    }
  }
  return out;
}

void split(std::string_view line, PropertyLine& out) {
  size_t end = 0;
  while (end < line.size() && !is_blank(line[end]) && line[end] != '=' && line[end] != ':') {
    end += line[end] == '\\' ? 2 : 1;
  }
  end = std::min(end, line.size());
  out.key = unescape(line.substr(0, end));
  while (end < line.size() && is_blank(line[end])) ++end;
  if (end < line.size() && (line[end] == '=' || line[end] == ':')) ++end;
  while (end < line.size() && is_blank(line[end])) ++end;
  out.value = unescape(line.substr(end));
}

}  // namespace

bool PropertyReader::next(PropertyLine& out) {
  out = {};
  if (at_ >= text_.size()) return false;
  const size_t begin = at_;
  std::string line;  // the logical line: continuation lines joined
  bool is_first = true;
  while (true) {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    const size_t line_begin = at_;
    while (at_ < text_.size() && !is_line_end(text_[at_])) ++at_;
    std::string_view natural = text_.substr(line_begin, at_ - line_begin);
    const bool has_end = at_ < text_.size();
    if (has_end) at_ += text_.substr(at_).starts_with("\r\n") ? 2 : 1;
    const bool is_comment = is_first && !natural.empty() && (natural[0] == '#' || natural[0] == '!');
    is_first = false;
    if (is_comment) break;
    const size_t last = natural.find_last_not_of('\\');
    const size_t backslashes = natural.size() - (last == std::string_view::npos ? 0 : last + 1);
    if (backslashes % 2 == 0) {
      line.append(natural);
      break;
    }
    line.append(natural.substr(0, natural.size() - 1));
    if (!has_end) break;
  }
  out.raw = text_.substr(begin, at_ - begin);
  out.is_property = !line.empty();
  if (out.is_property) split(line, out);
  return true;
}

KeyValues parse_properties(std::string_view text) {
  KeyValues out;
  std::map<std::string, size_t, std::less<>> places;
  PropertyReader reader(text);
  PropertyLine line;
  while (reader.next(line)) {
    if (!line.is_property) continue;
    const auto [it, is_new] = places.try_emplace(line.key, out.size());
    if (is_new) {
      out.emplace_back(std::move(line.key), std::move(line.value));
    } else {
      out[it->second].second = std::move(line.value);
    }
  }
  return out;
}

std::string properties_line(std::string_view key, std::string_view value) {
  std::string out;
  const auto escape = [&out](std::string_view text, bool is_key) {
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      switch (c) {
        case '\\':
          out += "\\\\";
          continue;
        case '\n':
          out += "\\n";
          continue;
        case '\r':
          out += "\\r";
          continue;
        case '\t':
          out += "\\t";
          continue;
        case '\f':
          out += "\\f";
          continue;
        default:
          break;
      }
      const bool is_special =
          is_key ? (c == ' ' || c == '=' || c == ':' || c == '#' || c == '!') : (c == ' ' && i == 0);
      if (is_special) out.push_back('\\');
      out.push_back(c);
    }
  };
  escape(key, true);
  out.push_back('=');
  escape(value, false);
  out.push_back('\n');
  return out;
}

}  // namespace merlin::config
