// A stream of frames: cut, decoded, written again in both forms, and decoded to the same.

#include "fuzz/fuzz.h"
#include "merlin/wire/command.h"

using namespace merlin;
using namespace merlin::wire;

namespace {

constexpr size_t frame_limit_bytes = 1 << 16;

bool lies_in(std::string_view text, ByteView bytes) {
  const auto* at = reinterpret_cast<const uint8_t*>(text.data());
  return text.empty() || (at >= bytes.data() && at + text.size() <= bytes.data() + bytes.size());
}

void check_again(const CommandView& c, Serialization form) {
  Buffer out;
  CommandHead head;
  head.code = c.code;
  head.language = c.language;
  head.version = c.version;
  head.opaque = c.opaque;
  head.flag = c.flag;
  head.remark = c.remark;
  CommandWriter writer(out, form, head);
  for (const ExtField& f : c.ext) {
    if (f.key.size() > INT16_MAX) return;
    writer.field(f.key, f.value);
  }
  writer.finish(c.body.size());
  out.append(c.body);

  const FrameScan scan = scan_frame(out.view(), frame_limit_bytes_default);
  FUZZ_CHECK(scan.state == FrameScan::State::frame && scan.consumed == out.size());
  HeaderScratch scratch;
  const Result<CommandView> again = decode_command(scan.frame, scratch);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->opaque == c.opaque && again->flag == c.flag && again->language == c.language);
  FUZZ_CHECK(as_text(again->body) == as_text(c.body));
  if (form == Serialization::json) {
    FUZZ_CHECK(again->code == c.code && again->version == c.version);
    FUZZ_CHECK(again->ext.size() == c.ext.size());
    return;  // texts may differ: malformed UTF-8 is replaced
  }
  FUZZ_CHECK(again->remark == c.remark);
  size_t i = 0;
  for (const ExtField& f : c.ext) {
    if (f.key.empty() || f.value.empty()) continue;
    FUZZ_CHECK(i < again->ext.size() && again->ext[i].key == f.key && again->ext[i].value == f.value);
    ++i;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static HeaderScratch scratch;
  const fuzz::Copy input(data, size);
  ByteView rest = input.view();
  while (true) {
    const FrameScan scan = scan_frame(rest, frame_limit_bytes);
    if (scan.state == FrameScan::State::need_more) {
      FUZZ_CHECK(scan.bytes_needed > rest.size() && scan.bytes_needed <= frame_limit_bytes + 4);
      break;
    }
    if (scan.state == FrameScan::State::broken) {
      FUZZ_CHECK(!scan.why.empty());
      break;
    }
    FUZZ_CHECK(scan.consumed >= frame_prefix_bytes && scan.consumed <= rest.size());
    const Result<CommandView> c = decode_command(scan.frame, scratch);
    if (c.ok()) {
      const ByteView arena = as_bytes({scratch.unescaped.data(), scratch.unescaped.size()});
      for (const ExtField& f : c->ext) {
        FUZZ_CHECK(lies_in(f.key, scan.frame.header) || lies_in(f.key, arena));
        FUZZ_CHECK(lies_in(f.value, scan.frame.header) || lies_in(f.value, arena));
        FUZZ_CHECK(c->find(f.key) != nullptr);
      }
      check_again(*c, Serialization::json);
      check_again(*c, Serialization::rocketmq);
    }
    rest = rest.subspan(scan.consumed);
  }
  return 0;
}
