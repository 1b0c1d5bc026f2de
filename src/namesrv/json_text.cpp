#include "namesrv/json_text.h"

#include <array>

namespace merlin::namesrv {

void JsonText::separate() {
  if (out_.empty()) return;
  const char last = out_.back();
  if (last != '{' && last != '[' && last != ':') out_.push_back(',');
}

JsonText& JsonText::open(char bracket) {
  separate();
  out_.push_back(bracket);
  return *this;
}

JsonText& JsonText::close(char bracket) {
  out_.push_back(bracket);
  return *this;
}

JsonText& JsonText::key(std::string_view name) {
  separate();
  quoted(name);
  out_.push_back(':');
  return *this;
}

JsonText& JsonText::int_key(int64_t number) {
  separate();
  const bool quotes = style_ == JsonStyle::standard;
  if (quotes) out_.push_back('"');
  out_ += std::to_string(number);
  if (quotes) out_.push_back('"');
  out_.push_back(':');
  return *this;
}

JsonText& JsonText::text(std::string_view value) {
  separate();
  quoted(value);
  return *this;
}

JsonText& JsonText::number(int64_t value) {
  separate();
  out_ += std::to_string(value);
  return *this;
}

JsonText& JsonText::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

void JsonText::quoted(std::string_view value) {
  static constexpr std::string_view hex = "0123456789abcdef";
  out_.push_back('"');
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out_ += "\\\"";
        break;
      case '\\':
        out_ += "\\\\";
        break;
      case '\n':
        out_ += "\\n";
        break;
      case '\t':
        out_ += "\\t";
        break;
      case '\r':
        out_ += "\\r";
        break;
      case '\b':
        out_ += "\\b";
        break;
      case '\f':
        out_ += "\\f";
        break;
      default:
        if (byte < 0x20) {
          out_ += "\\u00";
          out_.push_back(hex[byte >> 4]);
          out_.push_back(hex[byte & 15]);
        } else {
          out_.push_back(c);
        }
    }
  }
  out_.push_back('"');
}

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_bare_key_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '$';
}

// Walks the text once, copying it. Knows only brackets, strings and where a key may stand.
class BareKeyQuoter {
 public:
  explicit BareKeyQuoter(std::string_view text) : text_(text) { out_.reserve(text.size() + text.size() / 8); }

  Result<std::string> run() {
    while (at_ < text_.size()) {
      if (Status s = step(); !s) return s.error();
    }
    if (depth_ != 0) return Error{Errc::invalid, "JSON ends inside an object or array"};
    return std::move(out_);
  }

 private:
  Status step() {
    const char c = text_[at_];
    if (c == '"') {
      copy_string();
      key_next_ = false;
      return {};
    }
    if (key_next_ && is_bare_key_char(c)) {
      copy_bare_key();
      return {};
    }
    if (c == '{' || c == '[') return open(c);
    if (c == '}' || c == ']') return close(c);
    if (c == ',') {
      if (Status s = count_value(); !s) return s;
      key_next_ = depth_ > 0 && stack_[depth_ - 1] == '{';
    } else if (!is_blank(c)) {
      key_next_ = false;
    }
    out_.push_back(c);
    ++at_;
    return {};
  }

  Status count_value() {
    if (++values_ > json_values_max) {
      return Error{Errc::limit, "JSON has more than " + std::to_string(json_values_max) + " values"};
    }
    return {};
  }

  Status open(char bracket) {
    if (depth_ == json_depth_max) {
      return Error{Errc::limit, "JSON is nested deeper than " + std::to_string(json_depth_max)};
    }
    if (Status s = count_value(); !s) return s;
    stack_[depth_++] = bracket;
    key_next_ = bracket == '{';
    out_.push_back(bracket);
    ++at_;
    return {};
  }

  Status close(char bracket) {
    if (depth_ == 0 || (stack_[depth_ - 1] == '{') != (bracket == '}')) {
      return Error{Errc::invalid, "JSON has a bracket that does not match at byte " + std::to_string(at_)};
    }
    --depth_;
    key_next_ = false;
    out_.push_back(bracket);
    ++at_;
    return {};
  }

  void copy_string() {
    const size_t start = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = at_ < text_.size() ? at_ + 1 : text_.size();
    out_.append(text_.substr(start, at_ - start));
  }

  void copy_bare_key() {
    const size_t start = at_;
    while (at_ < text_.size() && is_bare_key_char(text_[at_])) ++at_;
    out_.push_back('"');
    out_.append(text_.substr(start, at_ - start));
    out_.push_back('"');
    key_next_ = false;
  }

  const std::string_view text_;
  std::string out_;
  size_t at_ = 0;
  size_t values_ = 0;
  std::array<char, json_depth_max> stack_{};
  size_t depth_ = 0;
  bool key_next_ = false;
};

}  // namespace

Result<std::string> lenient_json(std::string_view text) {
  return BareKeyQuoter(text).run();
}

}  // namespace merlin::namesrv
