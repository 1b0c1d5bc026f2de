// The properties string: readers agree with each other, and what is appended or removed is found or gone. The same
// bytes also serve as names and ids.

#include "fuzz/fuzz.h"
#include "merlin/message/ids.h"
#include "merlin/message/names.h"
#include "merlin/message/properties.h"

using namespace merlin;
using namespace merlin::message;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Copy input(data, size);
  const std::string_view text = as_text(input.view());

  std::string rebuilt;
  for_each_property(text, [&](std::string_view name, std::string_view value) {
    FUZZ_CHECK(!name.empty() && !value.empty());
    FUZZ_CHECK(find_property(text, name).has_value());
    append_property(rebuilt, name, value);
    return true;
  });
  for_each_property(text, [&](std::string_view name, std::string_view) {
    FUZZ_CHECK(find_property(rebuilt, name) == find_property(text, name));
    return true;
  });
  FUZZ_CHECK(tags_code(rebuilt) == tags_code(text));

  std::string more(text);
  append_property(more, property::unique_key, "value");
  FUZZ_CHECK(find_property(more, property::unique_key) == "value");
  FUZZ_CHECK(!find_property(without_property(more, property::unique_key), property::unique_key));
  FUZZ_CHECK(find_property(more, property::tags) == find_property(text, property::tags));

  java_hash(text);
  topic_name_error(text);
  group_name_error(text);
  is_system_topic(text);
  is_system_group(text);
  const Result<OffsetMsgId> id = parse_offset_msg_id(text);
  if (id.ok()) FUZZ_CHECK(offset_msg_id(id->store_host, id->physical_offset).size() == text.size());
  return 0;
}
