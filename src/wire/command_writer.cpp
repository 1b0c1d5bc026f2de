// The encoder of both header forms. Fields stream straight into the output; lengths are patched at the end.

#include <cassert>
#include <charconv>

#include "merlin/base/utf8.h"
#include "merlin/wire/command.h"
#include "wire/text_scan.h"

namespace merlin::wire {

namespace {

void append_number(Buffer& out, int64_t value) {
  char* const to = reinterpret_cast<char*>(out.prepare(20));
  out.commit(static_cast<size_t>(std::to_chars(to, to + 20, value).ptr - to));
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

}  // namespace

void append_json_string(Buffer& out, std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  if (find_not_plain(at, end) == end) {
    uint8_t* const to = out.prepare(text.size() + 2);
    to[0] = '"';
    std::copy(at, end, to + 1);
    to[text.size() + 1] = '"';
    out.commit(text.size() + 2);
    return;
  }
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
  out_.prepare(256);
  out_.commit(frame_prefix_bytes);
  if (serialization_ == Serialization::json) {
    out_.append(std::string_view("{\"code\":"));
    append_number(out_, head_.code);
    return;
  }
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
  if (serialization_ == Serialization::json) {
    out_.append(any_field_ ? std::string_view(",") : std::string_view(",\"extFields\":{"));
    append_json_string(out_, key);
    out_.push(':');
    append_json_string(out_, value);
  } else {
    assert(key.size() <= INT16_MAX);
    out_.append_be<int16_t>(static_cast<int16_t>(key.size()));
    out_.append(key);
    out_.append_be<int32_t>(static_cast<int32_t>(value.size()));
    out_.append(value);
  }
  any_field_ = true;
}

void CommandWriter::field(std::string_view key, int64_t value) {
  char text[20];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  field(key, std::string_view(text, static_cast<size_t>(end - text)));
}

size_t CommandWriter::finish(size_t body_size) {
  if (serialization_ == Serialization::json) {
    if (any_field_) out_.push('}');
    out_.append(std::string_view(",\"flag\":"));
    append_number(out_, head_.flag);
    out_.append(std::string_view(",\"language\":\""));
    out_.append(language_name(head_.language));
    out_.append(std::string_view("\",\"opaque\":"));
    append_number(out_, head_.opaque);
    if (!head_.remark.empty()) {
      out_.append(std::string_view(",\"remark\":"));
      append_json_string(out_, head_.remark);
    }
    out_.append(std::string_view(",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":"));
    append_number(out_, head_.version);
    out_.push('}');
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
