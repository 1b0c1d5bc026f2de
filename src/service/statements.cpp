#include "service/statements.h"

#include <algorithm>
#include <map>

#include "merlin/message/names.h"

namespace merlin::service {

namespace {

// Between a topic and its expression, and behind each; neither can stand in a topic's name.
constexpr char between = '\x01';
constexpr char behind = '\x02';
constexpr std::string_view model_entry = "messageModel";

std::string expression_of(const Subscription& s) {
  if (!s.is_tag_type()) return s.expression_type + ": " + s.sub_string;
  if (s.tags.empty()) return "*";
  std::vector<std::string_view> tags(s.tags.begin(), s.tags.end());
  std::ranges::sort(tags);
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  std::string out;
  for (const std::string_view tag : tags) {
    if (!out.empty()) out += " || ";
    out += tag;
  }
  return out;
}

std::map<std::string_view, std::string_view> entries_of(std::string_view statement) {
  std::map<std::string_view, std::string_view> out;
  while (!statement.empty()) {
    const size_t end = statement.find(behind);
    const std::string_view entry = statement.substr(0, end);
    const size_t cut = entry.find(between);
    if (cut != std::string_view::npos) out.emplace(entry.substr(0, cut), entry.substr(cut + 1));
    if (end == std::string_view::npos) break;
    statement.remove_prefix(end + 1);
  }
  return out;
}

void append_shortened(std::string& out, std::string_view text) {
  constexpr size_t shown_max = 200;
  out += text.substr(0, shown_max);
  if (text.size() > shown_max) out += "...";
}

}  // namespace

std::string statement_of(std::string_view group, std::string_view message_model,
                         const std::vector<Subscription>& subscriptions) {
  const std::string retry = message::retry_topic(group);
  std::vector<const Subscription*> sorted;
  for (const Subscription& s : subscriptions) {
    if (s.topic != retry) sorted.push_back(&s);
  }
  std::ranges::sort(sorted, {}, [](const Subscription* s) { return std::string_view(s->topic); });
  std::string out(model_entry);
  out += between;
  out += message_model;
  out += behind;
  for (const Subscription* s : sorted) {
    out += s->topic;
    out += between;
    out += expression_of(*s);
    out += behind;
  }
  return out;
}

std::string statement_difference(std::string_view mine, std::string_view theirs) {
  const auto a = entries_of(mine);
  const auto b = entries_of(theirs);
  std::string out;
  const auto say = [&out](std::string_view topic, std::string_view one, std::string_view other) {
    if (out.size() >= statement_difference_max) return;
    if (!out.empty()) out += "; ";
    append_shortened(out, topic);
    out += ": ";
    append_shortened(out, one);
    out += " against ";
    append_shortened(out, other);
  };
  for (const auto& [topic, expression] : a) {
    const auto it = b.find(topic);
    if (it == b.end()) {
      say(topic, "\"" + std::string(expression) + "\"", "nothing");
    } else if (it->second != expression) {
      say(topic, "\"" + std::string(expression) + "\"", "\"" + std::string(it->second) + "\"");
    }
  }
  for (const auto& [topic, expression] : b) {
    if (!a.contains(topic)) say(topic, "nothing", "\"" + std::string(expression) + "\"");
  }
  if (out.size() > statement_difference_max) out.resize(statement_difference_max);
  return out;
}

Statements::Ref Statements::add(std::string statement) {
  const auto it = by_text_.try_emplace(std::move(statement), 0).first;
  if (++it->second == 1) bytes_ += it->first.size();
  return &it->first;
}

void Statements::remove(Ref statement) {
  if (statement == nullptr) return;
  const auto it = by_text_.find(*statement);
  if (it == by_text_.end() || --it->second > 0) return;
  bytes_ -= it->first.size();
  by_text_.erase(it);
}

bool Statements::others_differ(std::string_view statement, Ref own) const {
  for (const auto& [text, members] : by_text_) {
    if (text == statement) continue;
    if (own != nullptr && text == *own && members == 1) continue;
    return true;
  }
  return false;
}

}  // namespace merlin::service
