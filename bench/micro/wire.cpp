// What decoding and encoding one command costs: the code every request runs through. And one record.
#include <string>

#include <benchmark/benchmark.h>

#include "merlin/base/crc32.h"
#include "merlin/message/properties.h"
#include "merlin/message/record.h"
#include "merlin/wire/command.h"
#include "merlin/wire/header.h"

namespace {

using namespace merlin;

struct SendV2 {
  std::string_view producer_group;
  std::string_view topic;
  std::string_view default_topic;
  int32_t default_topic_queues = 0;
  int32_t queue_id = 0;
  int32_t sys_flag = 0;
  int64_t born_timestamp_ms = 0;
  int32_t flag = 0;
  std::optional<std::string_view> properties;
  std::optional<int32_t> reconsume_times;
  std::optional<bool> unit_mode;
  std::optional<int32_t> max_reconsume_times;
  std::optional<bool> batch;
  std::optional<std::string_view> broker_name;
  static constexpr auto fields =
      std::make_tuple(wire::required("a", &SendV2::producer_group), wire::required("b", &SendV2::topic),
                      wire::required("c", &SendV2::default_topic), wire::required("d", &SendV2::default_topic_queues),
                      wire::required("e", &SendV2::queue_id), wire::required("f", &SendV2::sys_flag),
                      wire::required("g", &SendV2::born_timestamp_ms), wire::required("h", &SendV2::flag),
                      wire::optional("i", &SendV2::properties), wire::optional("j", &SendV2::reconsume_times),
                      wire::optional("k", &SendV2::unit_mode), wire::optional("l", &SendV2::max_reconsume_times),
                      wire::optional("m", &SendV2::batch), wire::optional("n", &SendV2::broker_name));
};

// As the 5.5.0 Java producer writes it.
const std::string send_v2_json =
    R"({"code":310,"extFields":{"a":"please_rename_unique_group_name","b":"TopicTest","c":"TBW102","d":"4","e":"2","f":"0",)"
    R"("g":"1700000000123","h":"0","i":"UNIQ_KEY\u00017F000001A1B218B4AAC2123456780001\u0002WAIT\u0001true\u0002TAGS\u0001TagA",)"
    R"("j":"0","k":"false","m":"false","n":"broker-a"},"flag":0,"language":"JAVA","opaque":12345,)"
    R"("serializeTypeCurrentRPC":"JSON","version":513})";

void decode_send_v2(benchmark::State& state, wire::Serialization form) {
  wire::HeaderScratch scratch;
  Buffer frame_bytes;
  {
    wire::Frame json;
    json.header = as_bytes(send_v2_json);
    const Result<wire::CommandView> c = wire::decode_command(json, scratch);
    wire::CommandHead head;
    head.code = c->code;
    head.opaque = c->opaque;
    wire::CommandWriter w(frame_bytes, form, head);
    for (const wire::ExtField& f : c->ext) w.field(f.key, f.value);
    w.finish(0);
  }
  for (auto _ : state) {
    const wire::FrameScan scan = wire::scan_frame(frame_bytes.view(), wire::frame_limit_bytes_default);
    const Result<wire::CommandView> command = wire::decode_command(scan.frame, scratch);
    const Result<SendV2> header = wire::decode_header<SendV2>(*command);
    benchmark::DoNotOptimize(header->born_timestamp_ms);
  }
}
BENCHMARK_CAPTURE(decode_send_v2, json, wire::Serialization::json);
BENCHMARK_CAPTURE(decode_send_v2, binary, wire::Serialization::rocketmq);

// Cutting a burst of 32 frames.
void scan_frames(benchmark::State& state) {
  Buffer burst;
  for (int i = 0; i < 32; ++i) {
    wire::CommandHead head;
    wire::CommandWriter w(burst, wire::Serialization::json, head);
    w.field("i", std::string(200, 'p'));
    w.finish(128);
    burst.append(std::string(128, 'b'));
  }
  for (auto _ : state) {
    for (ByteView rest = burst.view(); !rest.empty();) {
      const wire::FrameScan scan = wire::scan_frame(rest, wire::frame_limit_bytes_default);
      benchmark::DoNotOptimize(scan.frame.body.data());
      rest = rest.subspan(scan.consumed);
    }
  }
  state.SetItemsProcessed(state.iterations() * 32);
}
BENCHMARK(scan_frames);

void decode_json_header_only(benchmark::State& state) {
  wire::HeaderScratch scratch;
  wire::Frame frame;
  frame.header = as_bytes(send_v2_json);
  for (auto _ : state) {
    const Result<wire::CommandView> command = wire::decode_command(frame, scratch);
    benchmark::DoNotOptimize(command->ext.data());
  }
}
BENCHMARK(decode_json_header_only);

void encode_send_response(benchmark::State& state, wire::Serialization form) {
  Buffer out;
  for (auto _ : state) {
    out.clear();
    wire::CommandHead head;
    head.opaque = 12345;
    head.flag = wire::flag_response;
    wire::CommandWriter w(out, form, head);
    w.field("msgId", "7F00000100002A9F000000123456789A");
    w.field("queueId", 2);
    w.field("queueOffset", int64_t{123456789});
    w.field("MSG_REGION", "DefaultRegion");
    w.field("TRACE_ON", true);
    w.finish(0);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK_CAPTURE(encode_send_response, json, wire::Serialization::json);
BENCHMARK_CAPTURE(encode_send_response, binary, wire::Serialization::rocketmq);

void encode_record_of(benchmark::State& state) {
  const std::string body(static_cast<size_t>(state.range(0)), 'x');
  const std::string properties = "UNIQ_KEY\0017F000001A1B218B4AAC2123456780001\002WAIT\001true\002TAGS\001TagA";
  message::RecordSpec spec;
  spec.topic = "TopicTest";
  spec.body = as_bytes(body);
  spec.properties = properties;
  spec.properties_tail = "MSG_REGION\001DefaultRegion\002TRACE_ON\001true\002CLUSTER\001DefaultCluster\002";
  std::vector<uint8_t> out(message::record_size(spec));
  for (auto _ : state) {
    message::encode_record(spec, out.data());
    message::stamp_record(out.data(), 1, 2, 3);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(encode_record_of)->Arg(128)->Arg(1024)->Arg(65536);

void decode_record_of(benchmark::State& state) {
  const std::string body(static_cast<size_t>(state.range(0)), 'x');
  message::RecordSpec spec;
  spec.topic = "TopicTest";
  spec.body = as_bytes(body);
  spec.properties = "UNIQ_KEY\0017F000001A1B218B4AAC2123456780001\002WAIT\001true\002TAGS\001TagA";
  std::vector<uint8_t> record(message::record_size(spec));
  message::encode_record(spec, record.data());
  for (auto _ : state) benchmark::DoNotOptimize(message::decode_record(record, state.range(1) != 0)->queue_offset);
}
BENCHMARK(decode_record_of)->ArgNames({"body", "crc"})->Args({128, 0})->Args({128, 1})->Args({1024, 1});

void crc_of(benchmark::State& state) {
  const std::vector<uint8_t> bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(crc32(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(crc_of)->Arg(128)->Arg(1024)->Arg(65536);

void find_tags(benchmark::State& state) {
  const std::string properties = "UNIQ_KEY\0017F000001A1B218B4AAC2123456780001\002WAIT\001true\002TAGS\001TagA";
  for (auto _ : state) {
    const int64_t code = message::tags_code(properties);
    benchmark::DoNotOptimize(code);
  }
}
BENCHMARK(find_tags);

}  // namespace
