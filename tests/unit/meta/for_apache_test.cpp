// Leaves a config directory for Apache's managers to read, when MERLIN_META_OUT names one: tests/golden/java-meta.
#include <cstdlib>
#include <fmt/format.h>

#include "meta/consumer_offsets.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "support.h"

namespace merlin::meta {
namespace {

std::string queues_text(const QueueOffsets& queues) {
  std::string out;
  for (const auto& [queue, offset] : queues) out += fmt::format("{}{}={}", out.empty() ? "" : ", ", queue, offset);
  return out;
}

TEST(ForApache, FilesAndWhatTheyHold) {
  const char* out_dir = std::getenv("MERLIN_META_OUT");
  if (out_dir == nullptr) GTEST_SKIP() << "MERLIN_META_OUT is not set";
  FileSystem& files = posix_file_system();
  const std::string root = out_dir;
  (void)files.remove_tree(root + "/config");
  const SystemClock clock;
  std::string expected;

  TopicTable topics(files, clock, root);
  TopicTable::Setup setup;
  setup.broker_name = "broker-a";
  ASSERT_TRUE(topics.open(setup));
  TopicConfig orders;
  orders.name = "Orders";
  orders.order = true;
  orders.multi_tag = true;
  orders.attributes = {{"+message.type", "FIFO"}};
  ASSERT_TRUE(topics.update(orders).ok());
  ASSERT_TRUE(topics.create_for_send("Auto", "TBW102", 4, 0).ok());
  ASSERT_NE(topics.create_if_absent("%RETRY%G1", 1, perm_read | perm_write, false, 2), nullptr);
  for (const TopicPtr& topic : topics.all()) expected += "topic " + topic->text() + "\n";
  expected += "topics version " + topics.version().json() + "\n";

  SubscriptionGroups groups(files, clock, root);
  ASSERT_TRUE(groups.open());
  SubscriptionGroup group;
  group.name = "G1";
  group.retry_policy.kind = RetryPolicy::Kind::exponential;
  group.retry_policy.exponential = RetryPolicy::Exponential{1000, 60000, 3};
  group.subscriptions = {{"Orders", "TAG", "a||b \"x\"", 7}};
  group.attributes = {{"+priority.factor", "7"}};
  ASSERT_TRUE(groups.update(group).ok());
  SubscriptionGroup other;
  other.name = "G2";
  other.retry_policy.customized_ms = {1, 2, 3};
  ASSERT_TRUE(groups.update(other).ok());
  ASSERT_TRUE(groups.set_forbidden("G1", "Orders", 2, true));
  for (const GroupPtr& g : groups.all()) expected += "group " + g->json() + "\n";
  expected += "forbidden G1 {Orders=4}\ngroups version " + groups.version().json() + "\n";

  ConsumerOffsets offsets(files, clock, root);
  ASSERT_TRUE(offsets.open());
  ASSERT_TRUE(offsets.commit("G1", "Orders", 0, 5));
  ASSERT_TRUE(offsets.commit("G1", "Orders", 12, INT64_MAX));
  ASSERT_TRUE(offsets.commit("G2", "%RETRY%G2", 0, 0));
  ASSERT_TRUE(offsets.commit_pull("G1", "Orders", 0, 9));
  ASSERT_TRUE(offsets.persist_if_dirty());
  for (const std::string group_name : {"G2", "G1"}) {
    const std::string topic = group_name == "G1" ? "Orders" : "%RETRY%G2";
    expected +=
        fmt::format("offset {}@{} {{{}}}\n", topic, group_name, queues_text(*offsets.query_all(group_name, topic)));
  }
  // Apache writes pull offsets and does not read them back; we do.
  expected += "offsets version " + offsets.version().json() + "\n";
  write_file(files, root + "/expected.txt", expected);
}

}  // namespace
}  // namespace merlin::meta
