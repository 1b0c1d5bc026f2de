// What an expression of SQL92 can be while it is worked out. Java's exceptions are a value here: an error decides the
// whole message, but only where Java would have come across it.
//
// Plain values; texts are views into the program or the message's properties.
#pragma once

#include <cstdint>
#include <string_view>

namespace merlin::filter {

struct Value {
  enum class Kind : uint8_t { null, error, boolean, int32, int64, real, text };

  // Nothing is initialised: arrays of them stand on the stack of each evaluation.
  Kind kind;
  union {
    bool truth;
    int64_t whole;  // of int32, too
    double real;
    std::string_view text;
  };

  Value() {}  // NOLINT(modernize-use-equals-default): the union has no default
  static Value null() { return Value(Kind::null, int64_t{0}); }
  static Value error() { return Value(Kind::error, int64_t{0}); }
  static Value of(bool b) {
    Value v;
    v.kind = Kind::boolean;
    v.truth = b;
    return v;
  }
  static Value of_int32(int64_t i) { return Value(Kind::int32, i); }
  static Value of_int64(int64_t i) { return Value(Kind::int64, i); }
  static Value of(double d) {
    Value v;
    v.kind = Kind::real;
    v.real = d;
    return v;
  }
  static Value of(std::string_view s) {
    Value v;
    v.kind = Kind::text;
    v.text = s;
    return v;
  }

  bool is(Kind k) const { return kind == k; }
  bool is_true() const { return kind == Kind::boolean && truth; }
  bool is_false() const { return kind == Kind::boolean && !truth; }
  bool is_number() const { return kind == Kind::int32 || kind == Kind::int64 || kind == Kind::real; }

 private:
  Value(Kind k, int64_t i) : kind(k), whole(i) {}
};

enum class Order : uint8_t { greater, greater_equal, less, less_equal };

// l = r. Both null is true; a value beside NULL is false, NULL beside a value is null.
Value equals(const Value& l, const Value& r);
// l < r and its kin. Two texts are compared as numbers; null beside anything is null.
Value compare(Order order, const Value& l, const Value& r);
// -v of a number; null of anything else.
Value negate(const Value& v);
// Java's compareTo after its conversions, for two constants of a BETWEEN that are numbers.
int compare_numbers(const Value& l, const Value& r);

}  // namespace merlin::filter
