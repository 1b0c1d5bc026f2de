// The encoder of both header forms. Fields stream straight into the output; lengths are patched at the end.

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

#include "merlin/base/utf8.h"
#include "merlin/wire/command.h"
#include "wire/text_scan.h"

namespace merlin::wire {

namespace {

constexpr size_t number_chars_max = 20;
constexpr size_t member_bytes_max = 24;  // of a member of extFields, without its key and value
constexpr size_t tail_bytes_max = 192;   // of what follows extFields, without the remark

constexpr auto digit_pairs = [] {
  std::array<char, 200> pairs{};
  for (size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

// Decimal digits of a value: 1 for 0.
size_t digit_count(uint64_t value) {
  constexpr auto powers = [] {
    std::array<uint64_t, 20> all{};
    uint64_t power = 1;
    for (size_t i = 1; i < all.size(); ++i) all[i] = power *= 10;
    return all;
  }();
  // 1233 / 4096 is the decimal logarithm of two: right, or one too many.
  const auto guess = static_cast<size_t>(std::bit_width(value | 1) * 1233) >> 12;
  return guess + (value >= powers[guess] ? 1 : 0);
}

// Writers of text into room that is there already; each returns where it ended.
char* put_number(char* to, int64_t value) {
  if (value >= 0 && value < 10) {
    *to = static_cast<char>('0' + value);
    return to + 1;
  }
  // Two digits a step, from the back. The negative of the least value has no positive twin but the right bits.
  uint64_t rest = static_cast<uint64_t>(value);
  if (value < 0) {
    *to++ = '-';
    rest = ~rest + 1;
  }
  char* const end = to + digit_count(rest);
  char* at = end;
  for (; rest >= 100; rest /= 100) std::memcpy(at -= 2, &digit_pairs[rest % 100 * 2], 2);
  if (rest >= 10) {
    std::memcpy(at - 2, &digit_pairs[rest * 2], 2);
  } else {
    *--at = static_cast<char>('0' + rest);
  }
  return end;
}

template <size_t N>
char* put_literal(char* to, const char (&text)[N]) {
  std::memcpy(to, text, N - 1);
  return to + N - 1;
}

// Of 8 to 16 bytes, as most keys have: two words that overlap.
char* put_text(char* to, std::string_view text) {
  const size_t n = text.size();
  if (n >= 8 && n <= 16) {
    uint64_t first = 0;
    uint64_t last = 0;
    std::memcpy(&first, text.data(), 8);
    std::memcpy(&last, text.data() + n - 8, 8);
    std::memcpy(to, &first, 8);
    std::memcpy(to + n - 8, &last, 8);
    return to + n;
  }
  return std::copy(text.begin(), text.end(), to);
}

char* room(Buffer& out, size_t bytes) {
  return reinterpret_cast<char*>(out.prepare(bytes));
}
void took(Buffer& out, const char* from, const char* to) {
  out.commit(static_cast<size_t>(to - from));
}

// Writes the byte `c`, which may not stand in a JSON string as it is.
void append_escaped(Buffer& out, uint8_t c) {
  constexpr char hex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out.append(std::string_view("\\\""));
      return;
    case '\\':
      out.append(std::string_view("\\\\"));
      return;
    case '\b':
      out.append(std::string_view("\\b"));
      return;
    case '\f':
      out.append(std::string_view("\\f"));
      return;
    case '\n':
      out.append(std::string_view("\\n"));
      return;
    case '\r':
      out.append(std::string_view("\\r"));
      return;
    case '\t':
      out.append(std::string_view("\\t"));
      return;
    default:
      break;
  }
  const char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
  out.append(text, sizeof text);
}

// i16 and the key, i32 and the value.
void append_binary_field(Buffer& out, std::string_view key, std::string_view value) {
  assert(key.size() <= INT16_MAX);
  uint8_t* const to = out.prepare(2 + key.size() + 4 + value.size());
  store_be<int16_t>(to, static_cast<int16_t>(key.size()));
  std::memcpy(to + 2, key.data(), key.size());
  store_be<int32_t>(to + 2 + key.size(), static_cast<int32_t>(value.size()));
  if (!value.empty()) std::memcpy(to + 6 + key.size(), value.data(), value.size());
  out.commit(6 + key.size() + value.size());
}

}  // namespace

void append_json_string(Buffer& out, std::string_view text) {
  char* const to = room(out, text.size() + 2);
  if (copy_plain(text.data(), text.size(), to + 1)) {
    to[0] = '"';
    to[text.size() + 1] = '"';
    out.commit(text.size() + 2);
    return;
  }
  const char* at = text.data();
  const char* const end = at + text.size();
  out.push('"');
  while (true) {
    const char* const stop = find_not_plain(at, end);
    out.append(at, static_cast<size_t>(stop - at));
    if (stop == end) break;
    const auto c = static_cast<uint8_t>(*stop);
    if (c < 0x80) {
      append_escaped(out, c);
      at = stop + 1;
      continue;
    }
    // Whatever a peer sent us, what we write stays valid UTF-8: a reader that insists on it would lose the whole
    // header.
    const Utf8Step step = utf8_step(reinterpret_cast<const uint8_t*>(stop), reinterpret_cast<const uint8_t*>(end));
    if (step.valid) {
      out.append(stop, step.bytes);
    } else {
      out.append(std::string_view("\xEF\xBF\xBD"));
    }
    at = stop + step.bytes;
  }
  out.push('"');
}

CommandWriter::CommandWriter(Buffer& out, Serialization serialization, const CommandHead& head)
    : out_(out), serialization_(serialization), start_(out.size()), head_(head) {
  // Room for a whole answer as most are, so that what follows finds it.
  char* const begin = room(out_, 512);
  char* to = begin + frame_prefix_bytes;
  if (serialization_ == Serialization::json) {
    to = put_literal(to, "{\"code\":");
    to = put_number(to, head_.code);
    took(out_, begin, to);
    return;
  }
  took(out_, begin, to);
  out_.append_be<int16_t>(static_cast<int16_t>(head_.code));
  out_.push(static_cast<uint8_t>(head_.language));
  out_.append_be<int16_t>(static_cast<int16_t>(head_.version));
  out_.append_be<int32_t>(head_.opaque);
  out_.append_be<int32_t>(head_.flag);
  out_.append_be<int32_t>(static_cast<int32_t>(head_.remark.size()));
  out_.append(head_.remark);
  ext_length_at_ = out_.size();
  out_.append_be<int32_t>(0);
}

void CommandWriter::field(std::string_view key, std::string_view value) {
  if (serialization_ != Serialization::json) return append_binary_field(out_, key, value);
  // Most keys and values are plain, and then each is looked at while it is copied; else the member is written again.
  char* const begin = room(out_, key.size() + value.size() + member_bytes_max);
  char* to = put_key_mark(begin);
  if (copy_plain(key.data(), key.size(), to)) {
    to = put_literal(to + key.size(), "\":\"");
    if (copy_plain(value.data(), value.size(), to)) {
      to += value.size();
      *to++ = '"';
      any_field_ = true;
      return took(out_, begin, to);
    }
  }
  took(out_, begin, put_key_mark(begin) - 1);
  append_json_string(out_, key);
  out_.push(':');
  append_json_string(out_, value);
  any_field_ = true;
}

void CommandWriter::field(std::string_view key, int64_t value) {
  if (serialization_ != Serialization::json) {
    char text[number_chars_max];
    const char* const end = put_number(text, value);
    return append_binary_field(out_, key, std::string_view(text, static_cast<size_t>(end - text)));
  }
  char* const begin = room(out_, key.size() + number_chars_max + member_bytes_max);
  char* to = put_text(put_key_mark(begin), key);
  to = put_literal(to, "\":\"");
  to = put_number(to, value);
  *to++ = '"';
  any_field_ = true;
  took(out_, begin, to);
}

void CommandWriter::plain_field(std::string_view key, std::string_view value) {
  if (serialization_ != Serialization::json) return append_binary_field(out_, key, value);
  char* const begin = room(out_, key.size() + value.size() + member_bytes_max);
  char* to = put_text(put_key_mark(begin), key);
  to = put_literal(to, "\":\"");
  to = put_text(to, value);
  *to++ = '"';
  any_field_ = true;
  took(out_, begin, to);
}

void CommandWriter::fields(const PreparedFields& prepared) {
  if (serialization_ != Serialization::json) return out_.append(prepared.binary_.view());
  char* const begin = room(out_, prepared.json_.size() + member_bytes_max);
  char* to = put_key_mark(begin) - 1;  // the prepared text begins with a quote
  took(out_, begin, put_text(to, as_text(prepared.json_.view())));
  any_field_ = true;
}

PreparedFields::PreparedFields(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  assert(fields.size() > 0);
  for (const auto& [key, value] : fields) {
    if (!json_.empty()) json_.push(',');
    append_json_string(json_, key);
    json_.push(':');
    append_json_string(json_, value);
    append_binary_field(binary_, key, value);
  }
}

// What stands before a key: the comma or the opening of the object, and the quote.
char* CommandWriter::put_key_mark(char* to) const {
  return any_field_ ? put_literal(to, ",\"") : put_literal(to, ",\"extFields\":{\"");
}

void CommandWriter::finish_json() {
  char* begin = room(out_, tail_bytes_max);
  char* to = begin;
  if (any_field_) *to++ = '}';
  to = put_literal(to, ",\"flag\":");
  to = put_number(to, head_.flag);
  to = put_literal(to, ",\"language\":\"");
  to = put_text(to, language_name(head_.language));
  to = put_literal(to, "\",\"opaque\":");
  to = put_number(to, head_.opaque);
  if (!head_.remark.empty()) {
    to = put_literal(to, ",\"remark\":");
    took(out_, begin, to);
    append_json_string(out_, head_.remark);
    begin = to = room(out_, tail_bytes_max);
  }
  to = put_literal(to, ",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
  to = put_number(to, head_.version);
  *to++ = '}';
  took(out_, begin, to);
}

size_t CommandWriter::finish(size_t body_size) {
  if (serialization_ == Serialization::json) {
    finish_json();
  } else {
    const size_t ext_size = out_.size() - ext_length_at_ - 4;
    store_be<int32_t>(out_.data() + ext_length_at_, static_cast<int32_t>(ext_size));
  }
  const size_t header_size = out_.size() - start_ - frame_prefix_bytes;
  assert(header_size <= 0xFFFFFF && header_size + body_size <= INT32_MAX - 4);
  const uint32_t mark = (static_cast<uint32_t>(serialization_) << 24) | static_cast<uint32_t>(header_size);
  store_be<int32_t>(out_.data() + start_, static_cast<int32_t>(4 + header_size + body_size));
  store_be<uint32_t>(out_.data() + start_ + 4, mark);
  return start_;
}

}  // namespace merlin::wire
