#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "filter/lexer.h"
#include "filter/numbers.h"
#include "filter/tree.h"

namespace merlin::filter {

namespace {

using Kind = Node::Kind;

// Recursive descent, one function for each rule. The first error is kept and ends everything: next() then gives no
// more words, so that all rules return.
class Parser {
 public:
  Parser(std::string_view text, const ParseLimits& limits) : lexer_(text), limits_(limits) {}

  Result<Tree> run() {
    advance();
    tree_.root = as_boolean(or_expression());
    if (error_) return *error_;
    return std::move(tree_);
  }

 private:
  // ------------------------------------------------------------ words
  Word word() const { return token_.word; }

  void advance() {
    if (error_) return;
    token_ = lexer_.next();
    if (token_.word == Word::wrong) return fail(Errc::invalid, "no word begins");
    if (++words_ > limits_.words_max) {
      fail(Errc::limit, "it has more than " + std::to_string(limits_.words_max) + " words, the limit, and goes on");
    }
  }

  void expect(Word wanted, std::string_view name) {
    if (error_) return;
    if (word() != wanted) return fail(Errc::invalid, std::string(name) + " is missing");
    advance();
  }

  bool take(Word wanted) {
    if (error_ || word() != wanted) return false;
    advance();
    return true;
  }

  void fail(Errc code, const std::string& why) {
    if (error_) return;
    static constexpr size_t image_max = 40;
    std::string where = " at byte " + std::to_string(token_.at);
    if (!token_.image.empty()) where += ", in front of: " + std::string(token_.image.substr(0, image_max));
    error_ = Error{code, why + where};
    token_ = {Word::end, token_.at, {}};
  }

  // ------------------------------------------------------------ nodes
  uint32_t add(Node node) {
    for (const uint32_t child : node.children) node.depth = std::max(node.depth, tree_.nodes[child].depth + 1);
    if (node.depth > limits_.depth_max) too_deep();
    tree_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(tree_.nodes.size() - 1);
  }

  uint32_t add(Kind kind, std::vector<uint32_t> children, bool is_boolean = true) {
    Node node;
    node.kind = kind;
    node.is_boolean = is_boolean;
    node.children = std::move(children);
    return add(std::move(node));
  }

  Node& node(uint32_t at) { return tree_.nodes[at]; }

  void too_deep() {
    fail(Errc::limit, "it is nested deeper than " + std::to_string(limits_.depth_max) + ", the limit,");
  }

  uint32_t as_boolean(uint32_t at) {
    if (error_ || node(at).is_boolean) return at;
    if (node(at).kind == Kind::property) return add(Kind::cast, {at});
    fail(Errc::invalid, "an expression that is neither true nor false stands alone");
    return at;
  }

  bool is_null_constant(uint32_t at) {
    return node(at).kind == Kind::constant && node(at).is_boolean && node(at).value.is(Value::Kind::null);
  }

  uint32_t negated(uint32_t at) { return add(Kind::not_, {at}); }

  uint32_t equal(uint32_t l, uint32_t r) {
    if (error_) return l;
    if (is_null_constant(l) || is_null_constant(r))
      fail(Errc::invalid, "NULL cannot be compared, IS NULL can be asked");
    if (node(l).kind == Kind::constant && node(r).kind == Kind::constant && node(l).is_boolean && !node(r).is_boolean) {
      fail(Errc::invalid, "TRUE or FALSE cannot be compared with a constant of another kind");
    }
    return add(Kind::equal, {l, r});
  }

  // Only numbers, and what may turn out to be one, have an order.
  void check_ordered(uint32_t at) {
    if (error_) return;
    const Node& n = node(at);
    if (n.is_boolean || (n.kind == Kind::constant && !n.value.is_number())) {
      fail(Errc::invalid, "only numbers are compared by <, <=, >, >= and BETWEEN");
    }
  }

  uint32_t ordered(Order order, uint32_t l, uint32_t r) {
    check_ordered(l);
    check_ordered(r);
    const uint32_t at = add(Kind::compare, {l, r});
    node(at).order = order;
    return at;
  }

  uint32_t between(uint32_t value, bool is_negated) {
    const uint32_t low = unary();
    expect(Word::kw_and, "AND");
    const uint32_t high = unary();
    for (const uint32_t part : {value, low, high}) check_ordered(part);
    if (!error_ && !is_negated && node(low).kind == Kind::constant && node(high).kind == Kind::constant &&
        compare_numbers(node(high).value, node(low).value) < 0) {
      fail(Errc::invalid, "the first value of BETWEEN is greater than the second");
    }
    const uint32_t at = add(Kind::between, {value, low, high});
    node(at).negated = is_negated;
    return at;
  }

  uint32_t text_match(Kind kind, uint32_t left, bool is_negated) {
    std::string text = text_literal();
    const uint32_t at = add(kind, {left});
    node(at).negated = is_negated;
    node(at).text = std::move(text);
    return at;
  }

  uint32_t in(uint32_t left, bool is_negated) {
    expect(Word::open, "(");
    std::vector<std::string> texts;
    do {
      texts.push_back(text_literal());
    } while (take(Word::comma));
    expect(Word::close, ")");
    if (!error_ && node(left).kind != Kind::property) fail(Errc::invalid, "IN asks for a property on its left");
    const uint32_t at = add(Kind::in, {left});
    node(at).negated = is_negated;
    node(at).texts = std::move(texts);
    return at;
  }

  // ------------------------------------------------------------ rules
  // a OR b OR c is worked out from left to right, as Java's tree that leans to the left.
  template <class Operand>
  uint32_t chain(Kind kind, Word joint, Operand operand) {
    uint32_t left = operand();
    if (error_ || word() != joint) return left;
    std::vector<uint32_t> parts{as_boolean(left)};
    while (take(joint)) parts.push_back(as_boolean(operand()));
    return add(kind, std::move(parts));
  }

  uint32_t or_expression() {
    return chain(Kind::or_, Word::kw_or, [this] { return and_expression(); });
  }

  uint32_t and_expression() {
    return chain(Kind::and_, Word::kw_and, [this] { return equality(); });
  }

  uint32_t equality() {
    uint32_t left = comparison();
    while (!error_) {
      if (take(Word::equal)) {
        left = equal(left, comparison());
      } else if (take(Word::not_equal)) {
        left = negated(equal(left, comparison()));
      } else if (take(Word::kw_is)) {
        const bool is_not = take(Word::kw_not);
        expect(Word::kw_null, "NULL");
        const uint32_t test = add(Kind::equal, {left, constant(Value::null(), true)});
        left = is_not ? negated(test) : test;
      } else {
        break;
      }
    }
    return left;
  }

  uint32_t comparison() {
    uint32_t left = unary();
    while (!error_) {
      if (take(Word::greater)) {
        left = ordered(Order::greater, left, unary());
      } else if (take(Word::greater_equal)) {
        left = ordered(Order::greater_equal, left, unary());
      } else if (take(Word::less)) {
        left = ordered(Order::less, left, unary());
      } else if (take(Word::less_equal)) {
        left = ordered(Order::less_equal, left, unary());
      } else if (const bool is_not = take(Word::kw_not); is_not || is_test()) {
        left = test(left, is_not);
      } else {
        break;
      }
    }
    return left;
  }

  bool is_test() const {
    switch (word()) {
      case Word::kw_contains:
      case Word::kw_startswith:
      case Word::kw_endswith:
      case Word::kw_between:
      case Word::kw_in:
        return true;
      default:
        return false;
    }
  }

  uint32_t test(uint32_t left, bool is_not) {
    if (take(Word::kw_contains)) return text_match(Kind::contains, left, is_not);
    if (take(Word::kw_startswith)) return text_match(Kind::starts_with, left, is_not);
    if (take(Word::kw_endswith)) return text_match(Kind::ends_with, left, is_not);
    if (take(Word::kw_between)) return between(left, is_not);
    if (take(Word::kw_in)) return in(left, is_not);
    fail(Errc::invalid, "NOT stands where CONTAINS, STARTSWITH, ENDSWITH, BETWEEN or IN would have to follow");
    return left;
  }

  uint32_t unary() {
    if (nesting_ == limits_.depth_max) too_deep();
    if (error_) return constant(Value::null(), true);
    ++nesting_;
    const uint32_t at = unary_inside();
    --nesting_;
    return at;
  }

  uint32_t unary_inside() {
    if (take(Word::plus)) return unary();
    if (take(Word::minus)) return add(Kind::negate, {unary()}, false);
    if (take(Word::kw_not)) return negated(as_boolean(unary()));
    return primary();
  }

  uint32_t primary() {
    const Token token = token_;
    switch (token.word) {
      case Word::open: {
        advance();
        const uint32_t inside = or_expression();
        expect(Word::close, ")");
        return inside;
      }
      case Word::name: {
        advance();
        const uint32_t at = add(Kind::property, {}, false);
        node(at).text = token.image;
        return at;
      }
      case Word::text: {
        std::string text = text_literal();
        // The kind alone is looked at; the program sets the text.
        const uint32_t at = constant(Value::of(std::string_view()), false);
        node(at).text = std::move(text);
        return at;
      }
      case Word::decimal:
        return decimal();
      case Word::real:
        return real();
      case Word::kw_true:
      case Word::kw_false:
        advance();
        return constant(Value::of(token.word == Word::kw_true), true);
      case Word::kw_null:
        advance();
        return constant(Value::null(), true);
      default:
        fail(Errc::invalid, "a value or a name is missing");
        return constant(Value::null(), true);
    }
  }

  uint32_t constant(Value value, bool is_boolean) {
    const uint32_t at = add(Kind::constant, {}, is_boolean);
    node(at).value = value;
    return at;
  }

  uint32_t decimal() {
    std::string_view digits = token_.image;
    if (digits.back() == 'l' || digits.back() == 'L') digits.remove_suffix(1);
    int64_t value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) {
      fail(Errc::invalid, "a whole number is greater than " + std::to_string(INT64_MAX));
    }
    advance();
    return constant(value <= INT32_MAX ? Value::of_int32(value) : Value::of_int64(value), false);
  }

  // As Apache: neither zero nor what is too small or too large for a double.
  uint32_t real() {
    const double value = java_double(token_.image).value_or(0);
    if (!(value > 0) || value > std::numeric_limits<double>::max()) {
      fail(Errc::invalid, "a number with a point or an exponent is not within 4.9E-324 and 1.7976931348623157E308");
    }
    advance();
    return constant(Value::of(value), false);
  }

  std::string text_literal() {
    if (error_) return {};
    if (word() != Word::text) {
      fail(Errc::invalid, "a text in quotes is missing");
      return {};
    }
    std::string out;
    const std::string_view inside = token_.image.substr(1, token_.image.size() - 2);
    for (size_t i = 0; i < inside.size(); ++i) {
      out.push_back(inside[i]);
      if (inside[i] == '\'') ++i;
    }
    advance();
    return out;
  }

  Lexer lexer_;
  const ParseLimits limits_;
  Token token_;
  Tree tree_;
  std::optional<Error> error_;
  size_t words_ = 0;
  uint32_t nesting_ = 0;
};

}  // namespace

Result<Tree> parse(std::string_view text, const ParseLimits& limits) {
  if (text.size() > limits.text_bytes_max) {
    return Error{Errc::limit, "it has " + std::to_string(text.size()) + " bytes, the limit is " +
                                  std::to_string(limits.text_bytes_max)};
  }
  return Parser(text, limits).run();
}

}  // namespace merlin::filter
