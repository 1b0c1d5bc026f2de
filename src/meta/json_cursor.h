// Goes through a long JSON text once, without building a tree of it: files of a million rows are read with this.
//
// Reads fastjson's dialect as parse_json does: bare integers may stand as keys, numbers may stand as text. What it
// passes over (skip_value) is checked for strings and balanced brackets only; whoever needs the value parses that text.
//
// Shape:  every call says false once the text does not fit; error() then says where. Views into the text stay valid as
//         long as the text; views of texts with escapes until the next call.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "merlin/base/result.h"

namespace merlin::meta {

class JsonCursor {
 public:
  static constexpr int depth_max = 64;  // of what skip_value passes over

  explicit JsonCursor(std::string_view text) : text_(text) {}

  // An object: calls `field` with each key, which consumes the value and says whether to go on.
  template <class Field>
  bool object(Field&& field) {
    if (!take('{')) return fail("an object");
    if (take('}')) return true;
    do {
      std::string_view key;
      if (!read_key(key) || !take(':')) return fail("a key and a colon");
      // A nested value may take the scratch that a key with escapes lies in.
      const std::string copy(key.data() == scratch_.data() ? key : std::string_view());
      if (!field(copy.empty() ? key : std::string_view(copy))) return false;
    } while (take(','));
    return take('}') || fail("a comma or a brace");
  }
  bool text(std::string_view& out);
  bool integer(int64_t& out);
  bool boolean(bool& out);
  bool null();
  // Passes over one value of any kind; `out` is its text.
  bool skip_value(std::string_view& out);
  bool is_object() { return peek() == '{'; }
  // For those who try the usual form first: back to where position() was, with no error.
  size_t position() const { return at_; }
  void go_back(size_t position) {
    at_ = position;
    expected_.clear();
  }
  // Nothing but blanks is left.
  bool at_end();
  bool fail(std::string_view expected);
  Error error() const;

 private:
  char peek();
  bool take(char c);
  bool read_key(std::string_view& out);
  bool skip_string();
  bool skip_scalar();

  std::string_view text_;
  size_t at_ = 0;
  std::string scratch_;
  std::string expected_;
  size_t failed_at_ = 0;
};

}  // namespace merlin::meta
