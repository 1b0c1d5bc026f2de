// A JSON header into a typed custom header: what decodes must encode to the same.

#include "fuzz/fuzz.h"
#include "merlin/wire/header.h"

using namespace merlin;
using namespace merlin::wire;

namespace {

struct Sample {
  std::string_view a;
  int32_t e = 0;
  int64_t g = 0;
  bool k = false;
  std::optional<std::string_view> i;
  std::optional<int32_t> j;
  std::optional<bool> m;
  std::optional<int64_t> queue_offset;
  static constexpr auto fields =
      std::make_tuple(required("a", &Sample::a), required("e", &Sample::e), required("g", &Sample::g),
                      optional("i", &Sample::i), optional("j", &Sample::j), required("k", &Sample::k),
                      optional("m", &Sample::m), optional("queueOffset", &Sample::queue_offset));
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static HeaderScratch scratch;
  const fuzz::Copy input(data, size);
  Frame frame;
  frame.header = input.view();
  const Result<CommandView> c = decode_command(frame, scratch);
  if (!c.ok()) return 0;
  const Result<Sample> h = decode_header<Sample>(*c);
  if (!h.ok()) {
    FUZZ_CHECK(h.error().message.starts_with("the custom field <"));
    return 0;
  }
  // Empty texts do not survive the binary form.
  if (h->a.empty() || (h->i && h->i->empty())) return 0;
  Buffer out;
  CommandWriter writer(out, Serialization::rocketmq, CommandHead{});
  encode_header(writer, *h);
  writer.finish(0);
  HeaderScratch second;
  const Result<CommandView> again = decode_command(scan_frame(out.view(), frame_limit_bytes_default).frame, second);
  FUZZ_CHECK(again.ok());
  const Result<Sample> same = decode_header<Sample>(*again);
  FUZZ_CHECK(same.ok());
  FUZZ_CHECK(same->a == h->a && same->e == h->e && same->g == h->g && same->k == h->k && same->i == h->i);
  FUZZ_CHECK(same->j == h->j && same->m == h->m && same->queue_offset == h->queue_offset);
  return 0;
}
