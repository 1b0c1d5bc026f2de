#include "filter/value.h"

#include <bit>
#include <cmath>
#include <optional>

#include "filter/numbers.h"

namespace merlin::filter {

namespace {

using Kind = Value::Kind;

// Double.compareTo: NaN is equal to itself and greater than all, -0.0 is less than 0.0.
int compare_reals(double l, double r) {
  if (l < r) return -1;
  if (l > r) return 1;
  const auto rank = [](double d) { return std::isnan(d) ? 2 : (d == 0 && std::signbit(d)) ? 0 : 1; };
  return rank(l) - rank(r);
}

int compare_wholes(int64_t l, int64_t r) {
  return l < r ? -1 : l > r ? 1 : 0;
}

double as_real(const Value& v) {
  return v.is(Kind::real) ? v.real : static_cast<double>(v.whole);
}

// A text beside a number becomes a number of the other's kind. nullopt: it is none.
std::optional<Value> as_kind(Kind kind, std::string_view text) {
  if (kind == Kind::int32) {
    if (const auto i = java_int(text)) return Value::of_int32(*i);
  } else if (kind == Kind::int64) {
    if (const auto i = java_long(text)) return Value::of_int64(*i);
  } else if (const auto d = java_double(text)) {
    return Value::of(*d);
  }
  return std::nullopt;
}

bool is_word_true(std::string_view text) {
  static constexpr std::string_view word = "true";
  if (text.size() != word.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    if ((text[i] | 0x20) != word[i]) return false;
  }
  return true;
}

// ComparisonExpression.__compare: below, at or above zero; nullopt where Java throws. REQUIRES: neither null nor error.
std::optional<int> three_way(const Value& l, const Value& r) {
  if (l.is_number() && r.is_number()) return compare_numbers(l, r);
  if (l.is(Kind::text) && r.is(Kind::text)) return l.text.compare(r.text);
  if (l.is_number() && r.is(Kind::text)) {
    const auto number = as_kind(l.kind, r.text);
    if (!number) return std::nullopt;
    return compare_numbers(l, *number);
  }
  if (l.is(Kind::text) && r.is_number()) {
    const auto number = as_kind(r.kind, l.text);
    if (!number) return std::nullopt;
    return compare_numbers(*number, r);
  }
  if (l.is(Kind::boolean) && r.is(Kind::boolean)) return int{l.truth} - int{r.truth};
  if (l.is(Kind::text)) return int{is_word_true(l.text)} - int{r.truth};
  // Java casts the boolean to a text here, which fails.
  if (r.is(Kind::text)) return std::nullopt;
  return -1;
}

bool holds(Order order, int sign) {
  switch (order) {
    case Order::greater:
      return sign > 0;
    case Order::greater_equal:
      return sign >= 0;
    case Order::less:
      return sign < 0;
    case Order::less_equal:
      return sign <= 0;
  }
  return false;
}

}  // namespace

int compare_numbers(const Value& l, const Value& r) {
  if (l.is(Kind::real) || r.is(Kind::real)) return compare_reals(as_real(l), as_real(r));
  return compare_wholes(l.whole, r.whole);
}

Value equals(const Value& l, const Value& r) {
  if (l.is(Kind::error) || r.is(Kind::error)) return Value::error();
  if (l.is(Kind::null)) return r.is(Kind::null) ? Value::of(true) : Value::null();
  if (r.is(Kind::null)) return Value::of(false);
  if (l.is(Kind::text) && r.is(Kind::text)) return Value::of(l.text == r.text);
  const auto sign = three_way(l, r);
  return sign ? Value::of(*sign == 0) : Value::error();
}

Value compare(Order order, const Value& l, const Value& r) {
  if (l.is(Kind::error) || l.is(Kind::null)) return l;
  if (r.is(Kind::error) || r.is(Kind::null)) return r;
  if (l.is(Kind::text) && r.is(Kind::text)) {
    const auto left = java_double(l.text);
    const auto right = java_double(r.text);
    if (!left || !right) return Value::error();
    return Value::of(holds(order, compare_reals(*left, *right)));
  }
  const auto sign = three_way(l, r);
  return sign ? Value::of(holds(order, *sign)) : Value::error();
}

Value negate(const Value& v) {
  switch (v.kind) {
    case Kind::error:
      return v;
    case Kind::int32:
      return Value::of_int32(static_cast<int32_t>(-static_cast<uint32_t>(v.whole)));
    case Kind::int64:
      return Value::of_int64(static_cast<int64_t>(-static_cast<uint64_t>(v.whole)));
    case Kind::real:
      return Value::of(-v.real);
    default:
      return Value::null();
  }
}

}  // namespace merlin::filter
