#include "merlin/wire/command.h"

#include "merlin/wire/header.h"
#include "wire/json_header.h"

namespace merlin::wire {

namespace {

// A reader of the binary header. Every take checks its bounds; after the first failure all takes fail.
class BinaryReader {
 public:
  explicit BinaryReader(ByteView bytes) : rest_(bytes) {}

  template <class T>
  T number() {
    if (rest_.size() < sizeof(T)) {
      failed_ = true;
      rest_ = {};
      return T{};
    }
    const T value = load_be<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }
  template <class Length>
  std::string_view text() {
    const auto length = static_cast<int64_t>(number<Length>());
    if (length < 0 || static_cast<uint64_t>(length) > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view value = as_text(rest_.first(static_cast<size_t>(length)));
    rest_ = rest_.subspan(static_cast<size_t>(length));
    return value;
  }
  bool failed() const { return failed_; }
  bool empty() const { return rest_.empty(); }

 private:
  ByteView rest_;
  bool failed_ = false;
};

// The binary header has 16 bits for the code, so newer clients that use it cut 200050.. down to 3442..; no real code
// lies there.
int32_t restore_request_code(int32_t code) {
  constexpr int32_t cut_away = 3 << 16;
  return (code >= 3442 && code <= 3471) || code == 3543 ? code + cut_away : code;
}

Status decode_binary_header(ByteView header, HeaderScratch& scratch, CommandView& out) {
  scratch.fields.clear();
  BinaryReader in(header);
  out.code = in.number<int16_t>();
  const auto language = in.number<int8_t>();
  out.language = language >= 0 && language <= static_cast<int8_t>(Language::node_js) ? static_cast<Language>(language)
                                                                                     : Language::other;
  out.version = in.number<int16_t>();
  out.opaque = in.number<int32_t>();
  out.flag = in.number<int32_t>();
  out.remark = in.text<int32_t>();
  if (!out.is_response()) out.code = restore_request_code(out.code);

  BinaryReader ext(as_bytes(in.text<int32_t>()));
  while (!ext.empty()) {
    const std::string_view key = ext.text<int16_t>();
    const std::string_view value = ext.text<int32_t>();
    if (ext.failed()) break;
    // Java reads empty texts as null, which is the same as an absent field.
    if (key.empty() || value.empty()) continue;
    if (scratch.fields.size() >= ext_fields_limit) {
      return Error{Errc::invalid, "ROCKETMQ header: more than " + std::to_string(ext_fields_limit) + " extFields"};
    }
    scratch.fields.push_back({key, value});
  }
  if (in.failed() || ext.failed()) return Error{Errc::invalid, "ROCKETMQ header: a length leads beyond its end"};
  out.ext = scratch.fields;
  return {};
}

}  // namespace

namespace detail {

Error field_missing(std::string_view key) {
  return Error{Errc::invalid, "the custom field <" + std::string(key) + "> is null"};
}

Error field_does_not_parse(std::string_view key, std::string_view value) {
  constexpr size_t shown_max = 64;
  return Error{Errc::invalid, "the custom field <" + std::string(key) + "> has the value \"" +
                                  std::string(value.substr(0, shown_max)) + "\", which does not parse"};
}

}  // namespace detail

const std::string_view* CommandView::find(std::string_view key) const {
  for (size_t i = ext.size(); i-- > 0;) {
    if (ext[i].key == key) return &ext[i].value;
  }
  return nullptr;
}

Status decode_command(const Frame& frame, HeaderScratch& scratch, CommandView& out) {
  if (frame.header.size() > header_limit_bytes) {
    return Error{Errc::invalid, "header of " + std::to_string(frame.header.size()) + " bytes is over the limit of " +
                                    std::to_string(header_limit_bytes)};
  }
  out = CommandView();
  out.body = frame.body;
  out.serialization = frame.serialization;
  return frame.serialization == Serialization::json ? decode_json_header(frame.header, scratch, out)
                                                    : decode_binary_header(frame.header, scratch, out);
}

Result<CommandView> decode_command(const Frame& frame, HeaderScratch& scratch) {
  CommandView out;
  if (Status s = decode_command(frame, scratch, out); !s) return s.error();
  return out;
}

}  // namespace merlin::wire
