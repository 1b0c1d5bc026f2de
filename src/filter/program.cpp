#include "filter/program.h"

#include <algorithm>
#include <cstring>

namespace merlin::filter {

namespace {

using Kind = Value::Kind;

Value not_of(const Value& v) {
  return v.is(Kind::boolean) ? Value::of(!v.truth) : v;
}

// Both go from left to right, as Java: what the left one decides, the right one cannot spoil.
Value and_of(const Value& l, const Value& r) {
  if (l.is(Kind::error) || l.is_false()) return l;
  if (r.is(Kind::error) || r.is_false()) return r;
  return l.is(Kind::null) ? l : r;
}

Value or_of(const Value& l, const Value& r) {
  if (l.is(Kind::error) || l.is_true()) return l;
  if (r.is(Kind::error) || r.is_true()) return r;
  return l.is(Kind::null) ? l : r;
}

// In time that grows with the sum of both sizes, where that of find() grows with their product: a consumer chooses one,
// a producer the other.
bool is_within(std::string_view wanted, std::string_view text) {
  return memmem(text.data(), text.size(), wanted.data(), wanted.size()) != nullptr;
}

// v >= low AND v <= high; the other way round v < low OR v > high.
Value between(bool negated, const Value& v, const Value& low, const Value& high) {
  const Value first = compare(negated ? Order::less : Order::greater_equal, v, low);
  if (first.is(Kind::error) || (first.is(Kind::boolean) && first.truth == negated)) return first;
  const Value second = compare(negated ? Order::greater : Order::less_equal, v, high);
  return negated ? or_of(first, second) : and_of(first, second);
}

}  // namespace

Value Program::look_for(const Instruction& i, const Value& v) const {
  if (v.is(Kind::error)) return v;
  if (!v.is(Kind::text)) return Value::of(false);
  const std::string_view wanted = constants_[i.b].text;
  bool found = false;
  if (i.op == Op::contains) {
    found = is_within(wanted, v.text);
  } else if (i.op == Op::starts_with) {
    found = v.text.starts_with(wanted);
  } else {
    found = v.text.ends_with(wanted);
  }
  return Value::of(found != i.negated);
}

Value Program::look_in(const Instruction& i, const Slots& slots) const {
  const std::string_view text = slots[i.a];
  if (text.empty()) return Value::null();
  const auto begin = listed_.begin() + lists_[i.b].begin;
  const auto end = listed_.begin() + lists_[i.b].end;
  return Value::of(std::binary_search(begin, end, text, std::less<>()) != i.negated);
}

Verdict Program::evaluate(const Slots& slots) const {
  std::array<Value, stack_max> stack;
  Value* top = stack.data() - 1;  // the emitter has seen to it that it stays within
  for (size_t at = 0; at < code_.size(); ++at) {
    const Instruction& i = code_[at];
    switch (i.op) {
      case Op::push_constant:
        *++top = constants_[i.a];
        break;
      case Op::push_property:
        *++top = property(slots, i.a);
        break;
      case Op::negate:
        *top = negate(*top);
        break;
      case Op::not_:
        *top = not_of(*top);
        break;
      case Op::cast:
        if (!top->is(Kind::null) && !top->is(Kind::error)) *top = Value::of(top->is_true());
        break;
      case Op::equal:
        --top;
        *top = equals(top[0], top[1]);
        break;
      case Op::equal_constant:
        *++top = equals(property(slots, i.a), constants_[i.b]);
        break;
      case Op::compare:
        --top;
        *top = compare(i.order, top[0], top[1]);
        break;
      case Op::compare_constant:
        *++top = compare(i.order, property(slots, i.a), constants_[i.b]);
        break;
      case Op::between:
        top -= 2;
        *top = between(i.negated, top[0], top[1], top[2]);
        break;
      case Op::between_constants:
        *++top = between(i.negated, property(slots, i.a), constants_[i.b], constants_[i.b + 1]);
        break;
      case Op::contains:
      case Op::starts_with:
      case Op::ends_with:
        *top = look_for(i, *top);
        break;
      case Op::in:
        *++top = look_in(i, slots);
        break;
      case Op::and_:
        --top;
        *top = and_of(top[0], top[1]);
        break;
      case Op::or_:
        --top;
        *top = or_of(top[0], top[1]);
        break;
      case Op::jump_unless_maybe:
        if (top->is_false() || top->is(Kind::error)) at = i.b - 1;
        break;
      case Op::jump_when_decided:
        if (top->is_true() || top->is(Kind::error)) at = i.b - 1;
        break;
    }
  }
  if (top->is_true()) return Verdict::yes;
  if (top->is_false()) return Verdict::no;
  return top->is(Kind::null) ? Verdict::unknown : Verdict::error;
}

Verdict Program::run(std::string_view properties) const {
  Slots slots;
  clear(slots);
  message::for_each_property(properties, [&](std::string_view name, std::string_view value) {
    fill(name, value, slots);
    return true;
  });
  return evaluate(slots);
}

Verdict Program::run(const PropertyList& properties) const {
  Slots slots;
  clear(slots);
  for (const auto& [name, value] : properties.entries()) fill(name, value, slots);
  return evaluate(slots);
}

void Program::link_names() {
  first_in_bucket_.fill(no_slot);
  next_in_bucket_.assign(names_.size(), no_slot);
  for (uint16_t slot = 0; slot < names_.size(); ++slot) {
    uint16_t& first = first_in_bucket_[bucket_of(names_[slot])];
    next_in_bucket_[slot] = first;
    first = slot;
  }
}

size_t Program::bytes() const {
  size_t bytes = sizeof(Program) + code_.size() * sizeof(Instruction) + constants_.size() * sizeof(Value);
  for (const auto* texts : {&texts_, &listed_, &names_, &requirement_.values}) {
    for (const std::string& text : *texts) bytes += sizeof(std::string) + text.size();
  }
  return bytes;
}

}  // namespace merlin::filter
