// Custom headers <-> ext fields, declared once as a table per header.
//
//   struct QueryOffset {
//     std::string_view consumer_group; std::string_view topic; int32_t queue_id = 0; std::optional<bool>
//     zero_if_not_found; static constexpr auto fields = std::make_tuple(
//         required("consumerGroup", &QueryOffset::consumer_group), required("topic", &QueryOffset::topic),
//         required("queueId", &QueryOffset::queue_id), optional("setZeroIfNotFound", &QueryOffset::zero_if_not_found));
//   };
//   Result<QueryOffset> h = decode_header<QueryOffset>(command);
//   encode_header(writer, h);
//
// Field types: std::string_view, int32_t, int64_t, bool, and std::optional of these. A missing required field or a
// value that does not parse is Errc::invalid with Apache's wording: "the custom field <topic> is null". Views point
// where the CommandView's fields point.
#pragma once

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "merlin/base/result.h"
#include "merlin/wire/command.h"

namespace merlin::wire {

template <class H, class T>
struct HeaderField {
  std::string_view key;
  T H::* member;
  bool is_required;
};

template <class H, class T>
constexpr HeaderField<H, T> required(std::string_view key, T H::* member) {
  return {key, member, true};
}
template <class H, class T>
constexpr HeaderField<H, T> optional(std::string_view key, T H::* member) {
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
bool parse_signed(std::string_view text, T& out) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc() && end == text.data() + text.size() && !text.empty();
}

// False when one of the eight bytes is no digit.
inline bool parse_eight_digits(const char* text, uint32_t& out) {
  uint64_t word = 0;
  std::memcpy(&word, text, 8);
  word ^= 0x3030303030303030;
  if (((word | (word + 0x0606060606060606)) & 0xF0F0F0F0F0F0F0F0) != 0) return false;
  word = (word * 10 + (word >> 8)) & 0x00FF00FF00FF00FF;
  word = (word * 100 + (word >> 16)) & 0x0000FFFF0000FFFF;
  out = static_cast<uint32_t>(word * 10000 + (word >> 32));
  return true;
}

// As Java's parseInt and parseLong: an optional sign, then decimal digits, nothing else.
template <class T>
bool parse_integer(std::string_view text, T& out) {
  if (text.size() == 1 && static_cast<unsigned char>(text[0] - '0') < 10) {
    out = static_cast<T>(text[0] - '0');
    return true;
  }
  // Most numbers are short and without sign: up to nine digits fit an int32_t, up to 18 an int64_t.
  if (!text.empty() && text.size() <= (sizeof(T) == 8 ? 18 : 9)) {
    std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t> value = 0;
    std::string_view rest = text;
    if constexpr (std::endian::native == std::endian::little) {
      // The first eight at once: pairs of digits, of pairs, of fours.
      if (uint32_t eight = 0; text.size() >= 8 && parse_eight_digits(text.data(), eight)) {
        value = eight;
        rest.remove_prefix(8);
      }
    }
    for (const char c : rest) {
      const uint32_t digit = static_cast<uint32_t>(static_cast<unsigned char>(c)) - '0';
      if (digit > 9) return parse_signed(text, out);
      value = value * 10 + digit;
    }
    out = static_cast<T>(value);
    return true;
  }
  return parse_signed(text, out);
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
    return parse_integer(text, out);
  }
}

// The rows of H::fields as one array, so that a decoder can look them up by number.
template <class H>
struct HeaderRows {
  struct Row {
    std::string_view key;
    bool (*parse)(H&, std::string_view);
    bool is_required;
  };
  static constexpr size_t count = std::tuple_size_v<std::decay_t<decltype(H::fields)>>;

  template <size_t I>
  static bool parse(H& header, std::string_view text) {
    return parse_value(text, header.*(std::get<I>(H::fields).member));
  }
  template <size_t... I>
  static constexpr std::array<Row, count> make(std::index_sequence<I...>) {
    return {Row{std::get<I>(H::fields).key, &parse<I>, std::get<I>(H::fields).is_required}...};
  }
  static constexpr std::array<Row, count> rows = make(std::make_index_sequence<count>());

  // One bit of 64 for each key, so that most of the fields that no row wants are known by one look.
  static constexpr uint64_t mark(std::string_view key) {
    return uint64_t{1} << ((static_cast<unsigned char>(key.front()) + key.size() * 7) & 63);
  }
  static constexpr uint64_t marks = [] {
    uint64_t bits = 0;
    for (const Row& row : rows) bits |= mark(row.key);
    return bits;
  }();

  // The row for `key`, looked for from `hint` on, round the table; count when there is none. Senders keep one order,
  // and often the table's, so the first look mostly hits.
  static size_t find(std::string_view key, size_t hint) {
    for (size_t looks = 0, i = hint; looks < count; ++looks, ++i) {
      if (i >= count) i -= count;
      const std::string_view k = rows[i].key;
      if (k.size() != key.size() || k.front() != key.front()) continue;
      if (k.size() == 1 || std::memcmp(k.data(), key.data(), k.size()) == 0) return i;
    }
    return count;
  }
};

Error field_missing(std::string_view key);
Error field_does_not_parse(std::string_view key, std::string_view value);

// Reads the fields as long as they come in the table's order (left out ones may be left out), with each row's key and
// type known to the compiler. Returns how many it took; `seen` gets their bits. Stops where a value does not parse.
template <class H, size_t... I>
size_t take_in_order(std::span<const ExtField> ext, H& header, uint64_t& seen, std::index_sequence<I...>) {
  size_t next = 0;
  uint64_t bits = 0;
  const auto row = [&]<size_t Row>() {
    constexpr std::string_view key = std::get<Row>(H::fields).key;
    if (next == ext.size()) return false;
    const ExtField& field = ext[next];
    if (field.key.size() != key.size() || std::memcmp(field.key.data(), key.data(), key.size()) != 0) return true;
    if (!parse_value(field.value, header.*(std::get<Row>(H::fields).member))) return false;
    bits |= uint64_t{1} << Row;
    ++next;
    return true;
  };
  (row.template operator()<I>() && ...);
  seen = bits;
  return next;
}

}  // namespace detail

// Into a header that the caller has: the hot path does not copy it.
template <class H>
Status decode_header(const CommandView& command, H& header) {
  using Rows = detail::HeaderRows<H>;
  static_assert(Rows::count <= 64);
  if constexpr (Rows::count > 0) {
    uint64_t seen = 0;
    const size_t taken = detail::take_in_order(command.ext, header, seen, std::make_index_sequence<Rows::count>());
    size_t hint = 0;
    for (const ExtField& field : command.ext.subspan(taken)) {
      if (field.key.empty() || (Rows::marks & Rows::mark(field.key)) == 0) continue;
      const size_t i = Rows::find(field.key, hint);
      if (i == Rows::count) continue;
      if (!Rows::rows[i].parse(header, field.value)) return detail::field_does_not_parse(field.key, field.value);
      seen |= uint64_t{1} << i;
      hint = i + 1;
    }
    constexpr uint64_t needed = [] {
      uint64_t bits = 0;
      for (size_t i = 0; i < Rows::count; ++i) bits |= uint64_t{Rows::rows[i].is_required} << i;
      return bits;
    }();
    if ((seen & needed) != needed) return detail::field_missing(Rows::rows[std::countr_zero(needed & ~seen)].key);
  }
  return {};
}

template <class H>
Result<H> decode_header(const CommandView& command) {
  H header{};
  if (Status s = decode_header(command, header); !s) return s.error();
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
