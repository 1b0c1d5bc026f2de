// Custom headers <-> ext fields, declared once as a table per header.
//
//   struct QueryOffset {
//     std::string_view consumer_group; std::string_view topic; int32_t queue_id = 0; std::optional<bool> zero_if_not_found;
//     static constexpr auto fields = std::make_tuple(
//         required("consumerGroup", &QueryOffset::consumer_group), required("topic", &QueryOffset::topic),
//         required("queueId", &QueryOffset::queue_id), optional("setZeroIfNotFound", &QueryOffset::zero_if_not_found));
//   };
//   Result<QueryOffset> h = decode_header<QueryOffset>(command);
//   encode_header(writer, h);
//
// Field types: std::string_view, int32_t, int64_t, bool, and std::optional of these. A missing required field or a value that
// does not parse is Errc::invalid with Apache's wording: "the custom field <topic> is null".
// Views point where the CommandView's fields point.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "merlin/base/result.h"
#include "merlin/wire/command.h"

namespace merlin::wire {

template <class H, class T>
struct HeaderField {
  std::string_view key;
  T H::*member;
  bool is_required;
};

template <class H, class T>
constexpr HeaderField<H, T> required(std::string_view key, T H::*member) {
  return {key, member, true};
}
template <class H, class T>
constexpr HeaderField<H, T> optional(std::string_view key, T H::*member) {
  return {key, member, false};
}

namespace detail {

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

inline bool equals_true(std::string_view v) {
  return v.size() == 4 && (v[0] | 32) == 't' && (v[1] | 32) == 'r' && (v[2] | 32) == 'u' && (v[3] | 32) == 'e';
}

template <class T>
bool parse_value(std::string_view text, T& out) {
  if constexpr (is_optional<T>::value) {
    typename T::value_type value{};
    if (!parse_value(text, value)) return false;
    out = value;
    return true;
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    out = text;
    return true;
  } else if constexpr (std::is_same_v<T, bool>) {
    out = equals_true(text);
    return true;
  } else {
    static_assert(std::is_integral_v<T>);
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
    return ec == std::errc() && end == text.data() + text.size() && !text.empty();
  }
}

}  // namespace detail

template <class H>
Result<H> decode_header(const CommandView& command) {
  H header{};
  constexpr size_t n = std::tuple_size_v<decltype(H::fields)>;
  bool seen[n == 0 ? 1 : n] = {};
  std::string_view bad_key;
  std::string_view bad_value;
  for (const ExtField& field : command.ext) {
    size_t index = 0;
    std::apply(
        [&](const auto&... f) {
          // The fold stops at the first row whose key fits.
          (void)((f.key == field.key
                      ? (detail::parse_value(field.value, header.*(f.member)) ? (seen[index] = true)
                                                                               : (bad_key = field.key, bad_value = field.value, true))
                      : (++index, false)) ||
                 ...);
        },
        H::fields);
  }
  if (!bad_key.empty()) {
    return Error{Errc::invalid,
                 "the custom field <" + std::string(bad_key) + "> has the value \"" + std::string(bad_value.substr(0, 64)) + "\", which does not parse"};
  }
  std::string_view missing;
  size_t index = 0;
  std::apply([&](const auto&... f) { ((missing = f.is_required && !seen[index] && missing.empty() ? f.key : missing, ++index), ...); },
             H::fields);
  if (!missing.empty()) return Error{Errc::invalid, "the custom field <" + std::string(missing) + "> is null"};
  return header;
}

template <class H>
void encode_header(CommandWriter& writer, const H& header) {
  std::apply(
      [&](const auto&... f) {
        (
            [&] {
              const auto& value = header.*(f.member);
              if constexpr (detail::is_optional<std::decay_t<decltype(value)>>::value) {
                if (value) writer.field(f.key, *value);
              } else {
                writer.field(f.key, value);
              }
            }(),
            ...);
      },
      H::fields);
}

}  // namespace merlin::wire
