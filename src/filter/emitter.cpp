// From the tree to the program: instructions in the order in which Java would work them out.

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "filter/program.h"

namespace merlin::filter {

class Emitter {
 public:
  explicit Emitter(Tree tree) : tree_(std::move(tree)), program_(std::make_shared<Program>()) {}

  Result<std::shared_ptr<const Program>> run() {
    // Views into these texts are taken as they come: they must not move.
    program_->texts_.reserve(tree_.nodes.size());
    emit(tree_.root);
    if (error_) return *error_;
    find_requirement(tree_.root);
    program_->link_names();
    return std::shared_ptr<const Program>(program_);
  }

 private:
  using Op = Program::Op;
  using Instruction = Program::Instruction;

  const Node& node(uint32_t at) const { return tree_.nodes[at]; }

  // `growth`: by how many values the stack is higher afterwards.
  void add(Instruction i, int growth) {
    program_->code_.push_back(i);
    height_ += growth;
    if (height_ > static_cast<int>(Program::stack_max)) {
      error_ = Error{Errc::limit, "more than " + std::to_string(Program::stack_max) + " values wait for others"};
    }
  }

  uint32_t constant(const Node& n) {
    Value value = n.value;
    if (value.is(Value::Kind::text)) {
      program_->texts_.push_back(n.text);
      value = Value::of(std::string_view(program_->texts_.back()));
    }
    program_->constants_.push_back(value);
    return static_cast<uint32_t>(program_->constants_.size() - 1);
  }

  uint32_t text_constant(const std::string& text) {
    program_->texts_.push_back(text);
    program_->constants_.push_back(Value::of(std::string_view(program_->texts_.back())));
    return static_cast<uint32_t>(program_->constants_.size() - 1);
  }

  uint32_t slot(const std::string& name) {
    const auto [it, is_new] = slots_.emplace(name, static_cast<uint32_t>(program_->names_.size()));
    if (is_new) {
      if (program_->names_.size() == Program::names_max) {
        error_ = Error{Errc::limit, "it names more than " + std::to_string(Program::names_max) + " properties"};
        return 0;
      }
      program_->names_.push_back(name);
    }
    return it->second;
  }

  bool is_property(uint32_t at) const { return node(at).kind == Node::Kind::property; }
  bool is_constant(uint32_t at) const { return node(at).kind == Node::Kind::constant; }

  void emit(uint32_t at) {
    if (error_) return;
    const Node& n = node(at);
    switch (n.kind) {
      case Node::Kind::constant:
        return add({.op = Op::push_constant, .a = constant(n)}, 1);
      case Node::Kind::property:
        return add({.op = Op::push_property, .a = slot(n.text)}, 1);
      case Node::Kind::negate:
        return one(n, Op::negate);
      case Node::Kind::not_:
        return one(n, Op::not_);
      case Node::Kind::cast:
        return one(n, Op::cast);
      case Node::Kind::equal:
        return two(n, Op::equal, Op::equal_constant);
      case Node::Kind::compare:
        return two(n, Op::compare, Op::compare_constant);
      case Node::Kind::between:
        return between(n);
      case Node::Kind::contains:
        return text_match(n, Op::contains);
      case Node::Kind::starts_with:
        return text_match(n, Op::starts_with);
      case Node::Kind::ends_with:
        return text_match(n, Op::ends_with);
      case Node::Kind::in:
        return in(n);
      case Node::Kind::and_:
        return chain(n, Op::and_, Op::jump_unless_maybe);
      case Node::Kind::or_:
        return chain(n, Op::or_, Op::jump_when_decided);
    }
  }

  void one(const Node& n, Op op) {
    emit(n.children[0]);
    add({.op = op}, 0);
  }

  void two(const Node& n, Op op, Op with_constant) {
    if (is_property(n.children[0]) && is_constant(n.children[1])) {
      const uint32_t property = slot(node(n.children[0]).text);
      return add({.op = with_constant, .order = n.order, .a = property, .b = constant(node(n.children[1]))}, 1);
    }
    emit(n.children[0]);
    emit(n.children[1]);
    add({.op = op, .order = n.order}, -1);
  }

  void between(const Node& n) {
    if (is_property(n.children[0]) && is_constant(n.children[1]) && is_constant(n.children[2])) {
      const uint32_t property = slot(node(n.children[0]).text);
      const uint32_t low = constant(node(n.children[1]));
      constant(node(n.children[2]));
      return add({.op = Op::between_constants, .negated = n.negated, .a = property, .b = low}, 1);
    }
    for (const uint32_t child : n.children) emit(child);
    add({.op = Op::between, .negated = n.negated}, -2);
  }

  // Nothing contains an empty text, and then Java does not even look at what stands on the left.
  void text_match(const Node& n, Op op) {
    if (n.text.empty()) {
      program_->constants_.push_back(Value::of(false));
      return add({.op = Op::push_constant, .a = static_cast<uint32_t>(program_->constants_.size() - 1)}, 1);
    }
    emit(n.children[0]);
    add({.op = op, .negated = n.negated, .b = text_constant(n.text)}, 0);
  }

  void in(const Node& n) {
    const auto begin = static_cast<uint32_t>(program_->listed_.size());
    program_->listed_.insert(program_->listed_.end(), n.texts.begin(), n.texts.end());
    std::sort(program_->listed_.begin() + begin, program_->listed_.end());
    const auto list = static_cast<uint32_t>(program_->lists_.size());
    program_->lists_.push_back({begin, static_cast<uint32_t>(program_->listed_.size())});
    add({.op = Op::in, .negated = n.negated, .a = slot(node(n.children[0]).text), .b = list}, 1);
  }

  void chain(const Node& n, Op joint, Op jump) {
    std::vector<size_t> jumps;
    for (size_t i = 0; i < n.children.size(); ++i) {
      emit(n.children[i]);
      if (i > 0) add({.op = joint}, -1);
      if (i + 1 == n.children.size()) break;
      jumps.push_back(program_->code_.size());
      add({.op = jump}, 0);
    }
    for (const size_t at : jumps) program_->code_[at].b = static_cast<uint32_t>(program_->code_.size());
  }

  // The first part of the outermost AND, or the whole text, that only one of a few values of a property can make true.
  bool find_requirement(uint32_t at) {
    const Node& n = node(at);
    if (n.kind == Node::Kind::and_) {
      return std::any_of(n.children.begin(), n.children.end(), [this](uint32_t c) { return find_requirement(c); });
    }
    if (n.kind == Node::Kind::in && !n.negated && n.texts.size() <= Program::required_values_max) {
      program_->requirement_ = {node(n.children[0]).text, n.texts};
      return true;
    }
    if (n.kind != Node::Kind::equal) return false;
    for (const auto& [name, value] :
         {std::pair(n.children[0], n.children[1]), std::pair(n.children[1], n.children[0])}) {
      if (!is_property(name) || !is_constant(value) || !node(value).value.is(Value::Kind::text)) continue;
      program_->requirement_ = {node(name).text, {node(value).text}};
      return true;
    }
    return false;
  }

  const Tree tree_;
  const std::shared_ptr<Program> program_;
  std::unordered_map<std::string, uint32_t> slots_;
  std::optional<Error> error_;
  int height_ = 0;
};

Result<std::shared_ptr<const Program>> Program::compile(std::string_view text, const ParseLimits& limits) {
  auto tree = parse(text, limits);
  if (!tree) return tree.error();
  return Emitter(std::move(tree).value()).run();
}

}  // namespace merlin::filter
