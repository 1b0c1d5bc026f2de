// A remoting command: the header of a frame, decoded without copying, and its encoder.
//
// Shapes:  CommandView points into the frame's bytes or into the HeaderScratch that decoded it; both must outlive it.
// Threads: plain values; one HeaderScratch per thread that decodes.
// Errors:  Errc::invalid with the reason; a broken header is the peer's fault and closes its connection.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "merlin/base/bytes.h"
#include "merlin/base/result.h"
#include "merlin/wire/frame.h"

namespace merlin::wire {

// Ordinals of Apache's LanguageCode. Unknown names and numbers decode as `other`.
enum class Language : uint8_t {
  java = 0,
  cpp = 1,
  dotnet = 2,
  python = 3,
  delphi = 4,
  erlang = 5,
  ruby = 6,
  other = 7,
  http = 8,
  go = 9,
  php = 10,
  oms = 11,
  rust = 12,
  node_js = 13,
};
std::string_view language_name(Language language);   // "JAVA"
Language language_from_name(std::string_view name);  // any case

inline constexpr int32_t flag_response = 1;
inline constexpr int32_t flag_oneway = 2;

// What MerlinMQ claims to be in every answer: V5_5_0.
inline constexpr int16_t version_claimed = 513;
inline constexpr int16_t version_v4_9_4 = 401;
inline constexpr int16_t version_v5_0_0 = 413;
std::string version_text(int version);  // 513 -> "V5_5_0"

struct ExtField {
  std::string_view key;
  std::string_view value;
};

inline constexpr size_t ext_fields_limit = 256;        // fields in one header; more is refused
inline constexpr size_t header_limit_bytes = 1 << 20;  // longest header taken, against hostile frames

// Storage a decoded header needs beside the frame: the list of fields and unescaped texts. Keeps its memory, so a
// steady workload stops allocating. Bounded by ext_fields_limit and header_limit_bytes.
struct HeaderScratch {
  std::vector<ExtField> fields;
  std::vector<char> unescaped;  // arena of the texts that had JSON escapes; never smaller than the header that uses it
};

struct CommandView {
  int32_t code = 0;
  Language language = Language::java;
  int32_t version = 0;
  int32_t opaque = 0;
  int32_t flag = 0;
  std::string_view remark;        // empty when absent
  std::span<const ExtField> ext;  // duplicates: the last one wins in find()
  ByteView body;
  Serialization serialization = Serialization::json;

  bool is_response() const { return (flag & flag_response) != 0; }
  bool is_oneway() const { return (flag & flag_oneway) != 0; }
  // The value of an ext field, or nullptr.
  const std::string_view* find(std::string_view key) const;
};

// Decodes the header of `frame`. JSON tolerances: any key order, unknown keys, extFields null or missing, numbers and
// booleans as ext values, language names of any case. Binary: request codes 3442..3471 and 3543 (cut to 16 bits) are
// mapped back to 2000xx.
Result<CommandView> decode_command(const Frame& frame, HeaderScratch& scratch);
// The same into a view that the caller has: the hot path does not copy it. After an error `out` says nothing.
Status decode_command(const Frame& frame, HeaderScratch& scratch, CommandView& out);

// Writes one whole frame at the end of `out` in three steps, without intermediate copies:
//
//   CommandWriter w(out, Serialization::json, head);
//   w.field("queueId", 3);           // any number, before the body
//   w.finish(body_size);             // the caller then appends exactly body_size bytes, or sends them from elsewhere
struct CommandHead {
  int32_t code = 0;
  Language language = Language::java;
  int32_t version = version_claimed;
  int32_t opaque = 0;
  int32_t flag = 0;
  std::string_view remark = {};
};

// Fields that are the same in many answers, encoded once in both forms.
class PreparedFields {
 public:
  // REQUIRES: at least one.
  PreparedFields(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

 private:
  friend class CommandWriter;
  Buffer json_;  // "key":"value", with commas between
  Buffer binary_;
};

class CommandWriter {
 public:
  CommandWriter(Buffer& out, Serialization serialization, const CommandHead& head);
  void field(std::string_view key, std::string_view value);
  void field(std::string_view key, int64_t value);  // REQUIRES: a plain key, see plain_field()
  // For a hot answer. REQUIRES: key and value are ASCII without quote, backslash and control characters.
  void plain_field(std::string_view key, std::string_view value);
  void fields(const PreparedFields& prepared);
  void field(std::string_view key, bool value) {
    field(key, value ? std::string_view("true") : std::string_view("false"));
  }
  void field(std::string_view key, const char* value) { field(key, std::string_view(value)); }
  void field(std::string_view key, int32_t value) { field(key, int64_t{value}); }
  // Patches the lengths. Returns the offset in `out` at which the frame began.
  size_t finish(size_t body_size);

 private:
  char* put_key_mark(char* to) const;
  void finish_json();

  Buffer& out_;
  const Serialization serialization_;
  const size_t start_;
  CommandHead head_;          // its remark must stay valid until finish()
  size_t ext_length_at_ = 0;  // binary: where the ext block length stands
  bool any_field_ = false;
};

// JSON text of a string with quotes, escapes as Java's fastjson does for what it must; non-ASCII stays raw UTF-8.
void append_json_string(Buffer& out, std::string_view text);

}  // namespace merlin::wire
