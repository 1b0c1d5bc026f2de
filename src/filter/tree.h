// A parsed expression, before a program is made of it. Nodes name each other by index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "filter/value.h"
#include "merlin/base/result.h"

namespace merlin::filter {

struct Node {
  enum class Kind : uint8_t {
    constant,     // value, or text
    property,     // text: its name
    negate,       // children[0]
    not_,         // children[0]
    cast,         // children[0] as a truth: a property alone
    equal,        // children 0, 1
    compare,      // order; children 0, 1
    between,      // children: value, low, high; negated
    contains,     // children[0], text; negated
    starts_with,  // the same
    ends_with,    // the same
    in,           // children[0] is a property; texts; negated
    and_,         // children, from left to right
    or_,          // children, from left to right
  };
  Kind kind = Kind::constant;
  bool is_boolean = false;  // Java's BooleanExpression: may stand beside AND, OR and NOT
  bool negated = false;
  Order order = Order::greater;
  uint32_t depth = 1;
  Value value = Value::null();  // of a constant that is no text
  std::string text;
  std::vector<std::string> texts;
  std::vector<uint32_t> children;
};

struct Tree {
  std::vector<Node> nodes;
  uint32_t root = 0;
};

struct ParseLimits {
  size_t text_bytes_max = size_t{256} * 1024;
  size_t words_max = 64 * 1024;
  uint32_t depth_max = 500;  // of parentheses and prefixes, and of the tree they make
};

// The grammar and the checks of Apache's SelectorParser. As there, the text may go on behind a whole expression with
// anything that begins with a word. Errc::invalid says what is wrong and where; Errc::limit which limit.
Result<Tree> parse(std::string_view text, const ParseLimits& limits = {});

}  // namespace merlin::filter
