// A broker's registration with a real nameserver over loopback: whole, in parts, compressed.
#include "door/remoting/registration.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "merlin/base/faulty_file_system.h"
#include "merlin/wire/request_code.h"
#include "merlin/wire/response_code.h"
#include "namesrv/name_server.h"
#include "namesrv/namesrv_options.h"

namespace merlin::door {
namespace {

class RegistrationTest : public testing::Test {
 protected:
  RegistrationTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "merlin-registration-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    for (const auto& [key, value] :
         std::map<std::string, std::string>{{"listenPort", "0"},
                                            {"bindAddress", "127.0.0.1"},
                                            {"kvConfigPath", folder_ + "/kv.json"},
                                            {"configStorePath", folder_ + "/n.properties"}}) {
      EXPECT_TRUE(settings_.set(key, value).ok());
    }
    namesrv_ = std::make_unique<namesrv::NameServer>(settings_, posix_file_system(), clock_);
    EXPECT_TRUE(namesrv_->start());
    address_ = "127.0.0.1:" + std::to_string(namesrv_->port());
    server_.set_handler(&dispatcher_);
    server_.start();
    meta::TopicTable::Setup setup;
    setup.broker_name = "b";
    EXPECT_TRUE(topics_.open(setup));
    EXPECT_TRUE(mappings_.open());
    std::vector<meta::TopicConfig> configs(50);
    for (size_t i = 0; i < configs.size(); ++i) configs[i].name = "T" + std::to_string(i);
    EXPECT_TRUE(topics_.update_list(std::move(configs)));
    registration_ = std::make_unique<Registration>(RegistrationSettings{.nameservers = {address_},
                                                                        .cluster_name = "C",
                                                                        .broker_name = "b",
                                                                        .broker_addr = "127.0.0.1:10911",
                                                                        .ha_addr = "127.0.0.1:10912",
                                                                        .broker_permission = permission_,
                                                                        .single_topic_register = single_,
                                                                        .split_registration = split_,
                                                                        .split_size = split_size_,
                                                                        .compressed_register = compressed_,
                                                                        .timeout_ms = 5'000},
                                                   client_, topics_, mappings_);
  }
  ~RegistrationTest() override {
    server_.stop();
    namesrv_.reset();
    std::filesystem::remove_all(folder_);
  }
  bool has_route(const std::string& topic) {
    rpc::Call call;
    call.code = wire::request_code::get_routeinfo_by_topic;
    call.ext = {{"topic", topic}};
    const auto answer = client_.call_blocking(address_, std::move(call), 5'000);
    return answer && answer->code == wire::response_code::success;
  }
  size_t routes() {
    size_t count = 0;
    for (int i = 0; i < 50; ++i) count += has_route("T" + std::to_string(i)) ? 1 : 0;
    return count;
  }

  std::string folder_;
  config::Settings settings_{namesrv::namesrv_options(), {}};
  SystemClock clock_;
  std::unique_ptr<namesrv::NameServer> namesrv_;
  std::string address_;
  FaultyFileSystem files_;
  WorkerPool workers_{"worker", 1, 100};
  net::Server server_{1, {}, clock_};
  rpc::Dispatcher dispatcher_{workers_};
  rpc::Client client_{server_, dispatcher_};
  meta::TopicTable topics_{files_, clock_, "/store"};
  meta::QueueMappingTable mappings_{files_, clock_, "/store"};
  std::atomic<int64_t> permission_{6};
  std::atomic<int64_t> single_{0};
  std::atomic<int64_t> split_{0};
  std::atomic<int64_t> split_size_{7};
  std::atomic<int64_t> compressed_{0};
  std::unique_ptr<Registration> registration_;
};

TEST_F(RegistrationTest, EachWayTellsOfAllTopics) {
  for (const int way : {0, 1, 2, 3}) {
    split_ = way & 1;
    compressed_ = way >> 1;
    EXPECT_EQ(registration_->register_all(5'000), 1U) << way;
    EXPECT_TRUE(registration_->all_registered());
    EXPECT_EQ(routes(), 50U) << way;
    rpc::Call gone;
    gone.code = wire::request_code::unregister_broker;
    gone.ext = {{"brokerName", "b"}, {"brokerAddr", "127.0.0.1:10911"}, {"clusterName", "C"}, {"brokerId", "0"}};
    ASSERT_TRUE(client_.call_blocking(address_, std::move(gone), 5'000).ok());
    EXPECT_EQ(routes(), 0U) << way;
  }
}

TEST_F(RegistrationTest, ARenewalInPartsBringsWhatChangedAndAskedFirst) {
  split_ = 1;
  registration_->start_register_all();
  EXPECT_EQ(routes(), 50U);
  meta::TopicConfig late;
  late.name = "Late";
  ASSERT_TRUE(topics_.update(late).ok());
  registration_->register_topic(topics_.find("Late"));
  EXPECT_TRUE(has_route("Late"));
  // It has the newest version: a topic that it lost by other means stays away until something changes.
  rpc::Call wipe;
  wipe.code = wire::request_code::delete_topic_in_namesrv;
  wipe.ext = {{"topic", "T3"}};
  ASSERT_TRUE(client_.call_blocking(address_, std::move(wipe), 5'000).ok());
  registration_->start_register_all();
  EXPECT_FALSE(has_route("T3"));
  topics_.bump_version();
  registration_->start_register_all();
  EXPECT_TRUE(has_route("T3"));
  // A changed topic in the first part is taken too: each part has a version of its own.
  ASSERT_TRUE(topics_.remove("Late"));
  registration_->register_topic(nullptr);
  registration_->start_register_all();
  EXPECT_EQ(routes(), 50U);
}

}  // namespace
}  // namespace merlin::door
