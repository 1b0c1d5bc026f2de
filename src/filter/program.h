// SQL92 over the properties of messages: compiled once for each subscription, run for each message.
//
// Owns:    the instructions, the texts and the names they compare with; nothing of it changes after compile().
// Threads: any number at once; run() allocates nothing and keeps all it needs on the stack.
// Meaning: Apache's filter classes, case by case: three-valued logic, a text beside a number becomes a number, two
//          texts are ordered as numbers, and what makes Java throw makes the message not match. Texts are compared as
//          bytes: a property or a constant that is no UTF-8 may compare otherwise than in Java.
// Limits:  ParseLimits, and the ones below; Errc::limit names the one that was met.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "filter/property_list.h"
#include "filter/tree.h"
#include "filter/value.h"
#include "merlin/base/result.h"

namespace merlin::filter {

// Java's Boolean.TRUE, Boolean.FALSE, null, or an exception. Only the first is a match.
enum class Verdict : uint8_t { yes, no, unknown, error };

// No message can match unless its property `name` is one of `values`.
struct Requirement {
  std::string name;
  std::vector<std::string> values;
};

class Program {
 public:
  static constexpr size_t names_max = 256;  // different properties in one text
  static constexpr size_t stack_max = 512;  // values that wait for others
  static constexpr size_t required_values_max = 16;

  static Result<std::shared_ptr<const Program>> compile(std::string_view text, const ParseLimits& limits = {});

  Verdict run(std::string_view properties) const;
  Verdict run(const PropertyList& properties) const;
  bool matches(std::string_view properties) const { return run(properties) == Verdict::yes; }
  bool matches(const PropertyList& properties) const { return run(properties) == Verdict::yes; }

  // nullptr when the text does not demand an equality.
  const Requirement* requirement() const { return requirement_.name.empty() ? nullptr : &requirement_; }
  // Of memory, about.
  size_t bytes() const;
  // The most instructions that one message takes.
  size_t steps() const { return code_.size(); }

 private:
  friend class Emitter;

  enum class Op : uint8_t {
    push_constant,      // a
    push_property,      // a: slot
    negate,             //
    not_,               //
    cast,               //
    equal,              // two values
    equal_constant,     // slot a, constant b
    compare,            // order; two values
    compare_constant,   // order; slot a, constant b on its right
    between,            // three values; negated
    between_constants,  // slot a, constants b and b + 1; negated
    contains,           // one value, constant b; negated
    starts_with,        //
    ends_with,          //
    in,                 // slot a, list b; negated
    and_,               // two values
    or_,                // two values
    jump_unless_maybe,  // to b when the value is FALSE or an error: it stays, and decides the AND
    jump_when_decided,  // to b when the value is TRUE or an error: it stays, and decides the OR
  };
  struct Instruction {
    Op op;
    bool negated = false;
    Order order = Order::greater;
    uint32_t a = 0;
    uint32_t b = 0;
  };
  struct TextRange {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  // By slot. Room only: what a program does not name is never written.
  class Slots {
   public:
    std::string_view& operator[](size_t slot) { return reinterpret_cast<std::string_view*>(bytes_)[slot]; }
    const std::string_view& operator[](size_t slot) const {
      return reinterpret_cast<const std::string_view*>(bytes_)[slot];
    }

   private:
    alignas(std::string_view) unsigned char bytes_[names_max * sizeof(std::string_view)];
  };

  static constexpr size_t buckets = 64;
  static constexpr uint16_t no_slot = UINT16_MAX;
  static size_t bucket_of(std::string_view name) {
    const auto c = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(name[i])); };
    return (name.size() + 3 * c(0) + 7 * c(name.size() - 1)) % buckets;
  }
  void fill(std::string_view name, std::string_view value, Slots& slots) const {
    for (uint16_t slot = first_in_bucket_[bucket_of(name)]; slot != no_slot; slot = next_in_bucket_[slot]) {
      if (names_[slot] == name) {
        slots[slot] = value;
        return;
      }
    }
  }
  void clear(Slots& slots) const {
    for (size_t i = 0; i < names_.size(); ++i) slots[i] = {};
  }
  // A property has no empty value, so an empty slot is an absent property.
  static Value property(const Slots& slots, uint32_t slot) {
    return slots[slot].empty() ? Value::null() : Value::of(slots[slot]);
  }

  Verdict evaluate(const Slots& slots) const;
  Value look_for(const Instruction& i, const Value& v) const;
  Value look_in(const Instruction& i, const Slots& slots) const;
  void link_names();

  std::vector<Instruction> code_;
  std::vector<Value> constants_;     // their texts are views into texts_
  std::vector<std::string> texts_;   // of the text constants; never resized after compile()
  std::vector<std::string> listed_;  // texts of all IN lists, each list sorted
  std::vector<TextRange> lists_;     // in listed_
  std::vector<std::string> names_;   // by slot
  std::vector<uint16_t> next_in_bucket_;
  std::array<uint16_t, buckets> first_in_bucket_{};
  Requirement requirement_;
};

}  // namespace merlin::filter
