#include "filter/lexer.h"

#include <algorithm>
#include <array>
#include <utility>

namespace merlin::filter {

namespace {

constexpr std::array<std::pair<std::string_view, Word>, 12> keywords = {{{"NOT", Word::kw_not},
                                                                         {"AND", Word::kw_and},
                                                                         {"OR", Word::kw_or},
                                                                         {"BETWEEN", Word::kw_between},
                                                                         {"IN", Word::kw_in},
                                                                         {"TRUE", Word::kw_true},
                                                                         {"FALSE", Word::kw_false},
                                                                         {"NULL", Word::kw_null},
                                                                         {"IS", Word::kw_is},
                                                                         {"CONTAINS", Word::kw_contains},
                                                                         {"STARTSWITH", Word::kw_startswith},
                                                                         {"ENDSWITH", Word::kw_endswith}}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool begins_name(char c) {
  return (upper(c) >= 'A' && upper(c) <= 'Z') || c == '_' || c == '$';
}

Word word_of_name(std::string_view name) {
  for (const auto& [text, word] : keywords) {
    if (std::equal(name.begin(), name.end(), text.begin(), text.end(), [](char a, char b) { return upper(a) == b; })) {
      return word;
    }
  }
  return Word::name;
}

// Of the digits at the front.
size_t digits_in(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  return static_cast<size_t>(end - text.begin());
}

// E, a sign or none, digits; 0 when that does not stand at the front.
size_t exponent_in(std::string_view text) {
  if (text.empty() || upper(text[0]) != 'E') return 0;
  const size_t sign = text.size() > 1 && (text[1] == '+' || text[1] == '-') ? 1 : 0;
  const size_t digits = digits_in(text.substr(1 + sign));
  return digits == 0 ? 0 : 1 + sign + digits;
}

}  // namespace

bool Lexer::skip_comment() {
  const std::string_view rest = text_.substr(at_);
  if (rest.starts_with("--")) {
    const size_t line_end = rest.find_first_of("\r\n");
    if (line_end == std::string_view::npos) return false;
    at_ += line_end + 1;
    return true;
  }
  if (rest.starts_with("/*")) {
    const size_t end = rest.find("*/", 2);
    if (end == std::string_view::npos) return false;
    at_ += end + 2;
    return true;
  }
  return false;
}

void Lexer::skip_blanks() {
  do {
    at_ = std::min(text_.find_first_not_of(" \t\n\r\f", at_), text_.size());
  } while (skip_comment());
}

// A point or an exponent makes it a real number. Without them a number has no leading zeros: 007 is three of them.
size_t Lexer::size_of_number(Word& word) const {
  const std::string_view rest = text_.substr(at_);
  const size_t digits = digits_in(rest);
  word = Word::real;
  if (digits < rest.size() && rest[digits] == '.') {
    const size_t more = digits_in(rest.substr(digits + 1));
    if (digits + more > 0) {
      const size_t size = digits + 1 + more;
      return size + exponent_in(rest.substr(size));
    }
    word = Word::wrong;
    return 1;
  }
  if (const size_t exponent = exponent_in(rest.substr(digits)); exponent > 0) return digits + exponent;
  word = Word::decimal;
  if (rest[0] == '0') return 1;
  return digits + (digits < rest.size() && upper(rest[digits]) == 'L' ? 1 : 0);
}

// With both quotes; 0 when it does not end. Two quotes in it stand for one, but where no single one follows, the first
// of the last two ends it.
size_t Lexer::size_of_text() const {
  size_t size = 0;
  for (size_t at = at_ + 1;;) {
    at = text_.find('\'', at);
    if (at == std::string_view::npos) return size;
    size = at + 1 - at_;
    if (at + 1 == text_.size() || text_[at + 1] != '\'') return size;
    at += 2;
  }
}

Token Lexer::take(Word word, size_t size) {
  const Token token{word, at_, text_.substr(at_, size)};
  at_ += size;
  return token;
}

Token Lexer::next() {
  skip_blanks();
  if (at_ == text_.size()) return {Word::end, at_, {}};
  const std::string_view rest = text_.substr(at_);
  const char c = rest[0];
  if (begins_name(c)) {
    const auto end = std::find_if_not(rest.begin(), rest.end(), [](char n) { return begins_name(n) || is_digit(n); });
    const auto size = static_cast<size_t>(end - rest.begin());
    return take(word_of_name(rest.substr(0, size)), size);
  }
  if (is_digit(c) || c == '.') {
    Word word = Word::wrong;
    const size_t size = size_of_number(word);
    return take(word, size);
  }
  const bool or_equal = rest.size() > 1 && rest[1] == '=';
  switch (c) {
    case '\'': {
      const size_t size = size_of_text();
      return size == 0 ? take(Word::wrong, 1) : take(Word::text, size);
    }
    case '=':
      return take(Word::equal, 1);
    case '>':
      return or_equal ? take(Word::greater_equal, 2) : take(Word::greater, 1);
    case '<':
      if (rest.starts_with("<>")) return take(Word::not_equal, 2);
      return or_equal ? take(Word::less_equal, 2) : take(Word::less, 1);
    case '(':
      return take(Word::open, 1);
    case ',':
      return take(Word::comma, 1);
    case ')':
      return take(Word::close, 1);
    case '+':
      return take(Word::plus, 1);
    case '-':
      return take(Word::minus, 1);
    default:
      return take(Word::wrong, 1);
  }
}

}  // namespace merlin::filter
