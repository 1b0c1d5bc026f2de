// Records back to back, as in a pull answer: what decodes must encode to the same bytes.

#include "fuzz/fuzz.h"
#include "merlin/message/properties.h"
#include "merlin/message/record.h"

using namespace merlin;
using namespace merlin::message;

namespace {

void check_again(const RecordView& r, ByteView bytes) {
  RecordSpec spec;
  spec.topic = r.topic;
  spec.queue_id = r.queue_id;
  spec.flag = r.flag;
  spec.sys_flag = r.sys_flag;
  spec.born_timestamp_ms = r.born_timestamp_ms;
  spec.born_host = r.born_host;
  spec.store_host = r.store_host;
  spec.reconsume_times = r.reconsume_times;
  spec.prepared_transaction_offset = r.prepared_transaction_offset;
  spec.body = r.body;
  spec.properties = r.properties;
  // A short topic in a v2 record is allowed, but we would write v1.
  const bool is_ours = (r.magic == magic_v2) == (r.topic.size() > topic_length_v1_max);
  if (!is_ours) return;
  FUZZ_CHECK(record_size(spec) == bytes.size());
  std::string out(bytes.size(), '\0');
  auto* to = reinterpret_cast<uint8_t*>(out.data());
  encode_record(spec, to);
  stamp_record(to, r.queue_offset, r.physical_offset, r.store_timestamp_ms);
  store_be<int32_t>(to + 8, r.body_crc);
  FUZZ_CHECK(out == as_text(bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Copy input(data, size);
  ByteView rest = input.view();
  while (true) {
    const Result<RecordView> strict = decode_record(rest, true);
    const Result<RecordView> r = decode_record(rest, false);
    FUZZ_CHECK(r.ok() || !strict.ok());
    if (!r.ok()) {
      FUZZ_CHECK(r.error().code == Errc::corrupt);
      return 0;
    }
    const auto total = static_cast<size_t>(r->total_size);
    FUZZ_CHECK(r->total_size > 0 && total <= rest.size());
    check_again(*r, rest.first(total));
    tags_code(r->properties);
    rest = rest.subspan(total);
  }
}
