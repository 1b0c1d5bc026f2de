// Commands and custom headers: what Apache 5.5.0 wrote must decode here, and what we write must mean the same.

#include <map>

#include <nlohmann/json.hpp>

#include "golden/golden_file.h"
#include "merlin/wire/command.h"
#include "merlin/wire/header.h"

namespace merlin::golden {
namespace {

using wire::CommandHead;
using wire::CommandView;
using wire::CommandWriter;
using wire::Serialization;
using Fields = std::map<std::string, std::string>;

Fields ext_of(const CommandView& c) {
  Fields fields;
  for (const wire::ExtField& f : c.ext) fields[std::string(f.key)] = std::string(f.value);
  return fields;
}

CommandHead head_of(const CommandView& c) {
  CommandHead head;
  head.code = c.code;
  head.language = c.language;
  head.version = c.version;
  head.opaque = c.opaque;
  head.flag = c.flag;
  head.remark = c.remark;
  return head;
}

// A frame with what it decodes to.
struct Decoded {
  Decoded(std::string bytes) : frame(std::move(bytes)) {  // NOLINT(google-explicit-constructor)
    const wire::FrameScan scan = wire::scan_frame(as_bytes(frame), wire::frame_limit_bytes_default);
    EXPECT_EQ(scan.state, wire::FrameScan::State::frame) << scan.why;
    EXPECT_EQ(scan.consumed, frame.size());
    const Result<CommandView> r = wire::decode_command(scan.frame, scratch);
    EXPECT_TRUE(r.ok()) << (r.ok() ? "" : r.error().message);
    if (r.ok()) command = *r;
    header = std::string(as_text(scan.frame.header));
  }
  Decoded(const Decoded&) = delete;
  std::string frame;
  wire::HeaderScratch scratch;
  CommandView command;
  std::string header;
};

std::string write(const CommandView& c, Serialization form) {
  Buffer out;
  CommandWriter w(out, form, head_of(c));
  for (const auto& [key, value] : ext_of(c)) w.field(key, value);
  w.finish(c.body.size());
  out.append(c.body);
  return std::string(as_text(out.view()));
}

std::string frame_around(std::string_view header, Serialization form) {
  Buffer out;
  out.append_be<uint32_t>(static_cast<uint32_t>(4 + header.size()));
  out.append_be<uint32_t>(static_cast<uint32_t>(form) << 24 | static_cast<uint32_t>(header.size()));
  out.append(header);
  return std::string(as_text(out.view()));
}

TEST(GoldenCommands, decode_to_what_java_encoded) {
  OutFile out("commands.tsv");
  for (const Row& row : read_rows("commands.tsv")) {
    SCOPED_TRACE(row[0] + " " + row[1]);
    const Decoded d(from_hex(row[2]));
    const CommandView& c = d.command;
    EXPECT_EQ(c.serialization, row[1] == "JSON" ? Serialization::json : Serialization::rocketmq);
    EXPECT_EQ(c.code, std::stoi(row[3]));
    EXPECT_EQ(static_cast<int>(c.language), std::stoi(row[4]));
    EXPECT_EQ(c.version, std::stoi(row[5]));
    EXPECT_EQ(c.opaque, std::stoi(row[6]));
    EXPECT_EQ(c.flag, std::stoi(row[7]));
    EXPECT_EQ(c.remark, from_hex(row[8]));
    EXPECT_EQ(as_text(c.body), from_hex(row[9]));
    Fields expected;
    for (size_t i = 10; i + 1 < row.size(); i += 2) expected[from_hex(row[i])] = from_hex(row[i + 1]);
    EXPECT_EQ(ext_of(c), expected);

    // Our frame of the same command: equal as JSON; as binary equal but for the order of the fields, so in length.
    const std::string mine = write(c, c.serialization);
    out.line(to_hex(mine));
    const Decoded again(mine);
    EXPECT_EQ(ext_of(again.command), expected);
    if (c.serialization == Serialization::rocketmq) {
      EXPECT_EQ(mine.size(), d.frame.size());
      if (expected.size() < 2) {
        EXPECT_EQ(mine, d.frame);
      }
    } else {
      nlohmann::json ours = nlohmann::json::parse(again.header);
      nlohmann::json theirs = nlohmann::json::parse(d.header);
      if (theirs.contains("extFields") && theirs["extFields"].empty()) theirs.erase("extFields");
      EXPECT_EQ(ours, theirs);
    }
  }
}

TEST(GoldenHeaders, every_header_class_in_both_forms) {
  OutFile out("headers.tsv");
  for (const Row& row : read_rows("headers.tsv")) {
    SCOPED_TRACE(row[0]);
    const Decoded json(frame_around(row[1], Serialization::json));
    const Decoded binary(frame_around(from_hex(row[2]), Serialization::rocketmq));
    const nlohmann::json theirs = nlohmann::json::parse(row[1]);
    const Fields expected = theirs.contains("extFields") ? theirs["extFields"].get<Fields>() : Fields();
    EXPECT_EQ(ext_of(json.command), expected);
    EXPECT_EQ(ext_of(binary.command), expected);
    if (row[3] != "-") {
      const Decoded fast(frame_around(from_hex(row[3]), Serialization::rocketmq));
      for (const auto& [key, value] : ext_of(fast.command)) {
        EXPECT_TRUE(expected.count(key) == 1 && expected.at(key) == value) << key;
      }
    }
    for (const CommandView* c : {&json.command, &binary.command}) {
      EXPECT_EQ(c->code, 34);
      EXPECT_EQ(c->opaque, 77);
      EXPECT_EQ(c->version, 513);
      EXPECT_EQ(c->language, wire::Language::java);
    }
    for (const Serialization form : {Serialization::json, Serialization::rocketmq}) {
      const std::string mine = write(json.command, form);
      out.line(row[0] + "\t" + (form == Serialization::json ? "JSON" : "ROCKETMQ") + "\t" + to_hex(mine));
      const Decoded again(mine);
      EXPECT_EQ(ext_of(again.command), expected);
      if (form == Serialization::json && !expected.empty()) {
        EXPECT_EQ(nlohmann::json::parse(again.header), theirs);
      }
    }
  }
}

struct SendV2 {
  std::string_view group;
  std::string_view topic;
  int32_t queue_id = 0;
  int64_t born_ms = 0;
  std::optional<std::string_view> properties;
  std::optional<bool> batch;
  std::optional<std::string_view> broker_name;
  static constexpr auto fields = std::make_tuple(
      wire::required("a", &SendV2::group), wire::required("b", &SendV2::topic), wire::required("e", &SendV2::queue_id),
      wire::required("g", &SendV2::born_ms), wire::optional("i", &SendV2::properties),
      wire::optional("m", &SendV2::batch), wire::optional("n", &SendV2::broker_name));
};

TEST(GoldenHeaders, a_typed_header_from_java_bytes) {
  for (const Row& row : read_rows("headers.tsv")) {
    if (row[0] != "SendMessageRequestHeaderV2") continue;
    for (const std::string& frame :
         {frame_around(row[1], Serialization::json), frame_around(from_hex(row[2]), Serialization::rocketmq),
          frame_around(from_hex(row[3]), Serialization::rocketmq)}) {
      const Decoded d(frame);
      const Result<SendV2> h = wire::decode_header<SendV2>(d.command);
      ASSERT_TRUE(h.ok()) << h.error().message;
      const Fields all = ext_of(d.command);
      EXPECT_EQ(h->group, all.at("a"));
      EXPECT_EQ(h->topic, all.at("b"));
      EXPECT_EQ(std::to_string(h->queue_id), all.at("e"));
      EXPECT_EQ(std::to_string(h->born_ms), all.at("g"));
      EXPECT_EQ(*h->properties, all.at("i"));
      EXPECT_EQ(*h->batch, all.at("m") == "true");
      EXPECT_EQ(*h->broker_name, all.at("n"));
    }
    return;
  }
  FAIL() << "no SendMessageRequestHeaderV2 among the golden headers";
}

TEST(GoldenVersions, every_ordinal_has_java_s_name) {
  int last = -1;
  for (const Row& row : read_rows("versions.tsv")) {
    last = std::stoi(row[0]);
    EXPECT_EQ(wire::version_text(last), row[1]);
  }
  EXPECT_EQ(wire::version_text(last + 1), "HIGHER_VERSION");
}

}  // namespace
}  // namespace merlin::golden
