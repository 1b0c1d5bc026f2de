#include "store/index/key_hashes.h"

#include "merlin/message/properties.h"

namespace merlin::store {

void IndexedTexts::add(std::string_view properties) {
  message::for_each_property(properties, [&](std::string_view name, std::string_view value) {
    if (name.size() == 4) {
      if (name == message::property::keys) keys = value;
      if (name == message::property::tags) tag = value;
    } else if (name == message::property::unique_key) {
      unique_key = value;
    }
    return true;
  });
}

int32_t index_topic_hash(std::string_view topic) {
  return message::java_hash("#", message::java_hash(topic));
}

int32_t index_key_hash(int32_t topic_hash, std::string_view key) {
  const int32_t value = message::java_hash(key, topic_hash);
  if (value == INT32_MIN) return 0;  // abs() stays negative in Java, and Apache takes 0 then
  return value < 0 ? -value : value;
}

}  // namespace merlin::store
