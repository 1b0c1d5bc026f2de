// The words of an SQL92 text, one at a time and only when asked: the parser stops in front of what it need not see.
//
// The longest match counts, keywords have no case, comments and blanks are passed over. A `--` comment ends with its
// line; where no line ends behind it, it is two minus signs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace merlin::filter {

enum class Word : uint8_t {
  end,
  wrong,  // no word begins here
  kw_not,
  kw_and,
  kw_or,
  kw_between,
  kw_in,
  kw_true,
  kw_false,
  kw_null,
  kw_is,
  kw_contains,
  kw_startswith,
  kw_endswith,
  decimal,  // 12, 12L
  real,     // 1.5, 5., .5, 1e3
  text,     // 'it''s'
  name,
  equal,
  not_equal,
  greater,
  greater_equal,
  less,
  less_equal,
  open,
  comma,
  close,
  plus,
  minus,
};

struct Token {
  Word word = Word::end;
  size_t at = 0;           // byte in the text
  std::string_view image;  // as it stands there
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Token next();

 private:
  void skip_blanks();
  bool skip_comment();
  size_t size_of_number(Word& word) const;
  size_t size_of_text() const;
  Token take(Word word, size_t size);

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace merlin::filter
