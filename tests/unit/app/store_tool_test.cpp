// merlin-store on stores that the test made and damaged: what it finds, and that a repaired store opens and serves.
#include <filesystem>
#include <random>

#include <gmock/gmock.h>

#include "app/merlin_store/read_only_files.h"
#include "app/merlin_store/tool.h"
#include "merlin/message/properties.h"
#include "meta/consumer_offsets.h"
#include "meta/journal.h"
#include "meta/topic_config.h"
#include "unit/store/store_fixture.h"

namespace merlin::tool {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int messages = 60;

class StoreToolTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = store::fresh_dir();
    options_.root = root_;
    options_.index_slots = 20;
    options_.index_entries = 200;
    store::StoreFixture f(store_options());
    ASSERT_TRUE(f.open());
    for (int i = 0; i < messages; ++i) {
      f.clock.advance_ms(1000);
      std::string properties;
      message::append_property(properties, message::property::keys, "k" + std::to_string(i));
      const auto item = f.send("T", i % 2, "body-" + std::to_string(i) + std::string(500, '.'), properties);
      ASSERT_EQ(item.code, store::AppendCode::ok);
      offsets_.push_back(item.physical_offset);
    }
    wait_for_index(f);
    f.close();
    ASSERT_TRUE(std::filesystem::create_directories(root_ + "/config"));
  }
  static void wait_for_index(store::StoreFixture& f) {
    for (int i = 0; i < 5000 && f.store->stats().indexed_offset < f.store->stats().max_physical_offset; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  store::StoreOptions store_options() const {
    store::StoreOptions o = store::small_options(root_);
    o.index_enabled = true;
    o.index_hash_slots = 20;
    o.index_entries_max = 200;
    return o;
  }
  // Runs a command; output() is what it printed.
  int run(const std::string& command, bool json = false) {
    options_.command = command;
    ReadOnlyFiles read_only(files_);
    StoreDir dir(command == "repair" ? files_ : read_only, root_);
    char* text = nullptr;
    size_t size = 0;
    std::FILE* stream = open_memstream(&text, &size);
    Output out(stream, json);
    int code = exit_cannot_read;
    if (dir.open()) {
      if (command == "list") code = list(dir, options_, out);
      if (command == "dump") code = dump(dir, options_, out);
      if (command == "repair") code = repair(dir, options_, out);
      if (command == "verify") {
        Findings findings;
        const Status status = verify(dir, options_, out, findings);
        code = !status ? exit_cannot_read : out.damages() > 0 ? exit_damage : exit_sound;
      }
    }
    std::fclose(stream);
    output_.assign(text, size);
    std::free(text);
    return code;
  }
  const std::string& output() const { return output_; }
  void overwrite(const std::string& path, int64_t position, std::string_view bytes) {
    auto file = files_.open(root_ + "/" + path, OpenMode::read_write);
    ASSERT_TRUE(file.ok()) << path;
    ASSERT_TRUE((*file)->pwrite(as_bytes(bytes), position));
  }
  std::string segment_of(int64_t offset) const { return "commitlog/" + digits(offset - offset % segment_bytes_); }
  static std::string digits(int64_t start) {
    const std::string text = std::to_string(start);
    return std::string(20 - text.size(), '0') + text;
  }
  std::string index_file() const {
    return "index/" + std::filesystem::directory_iterator(root_ + "/index")->path().filename().string();
  }
  // Opens the store as a broker would and counts what a consumer is given.
  size_t served() {
    store::StoreFixture f(store_options());
    EXPECT_TRUE(f.open());
    const size_t count = f.bodies("T", 0).size() + f.bodies("T", 1).size();
    wait_for_index(f);
    f.close();
    return count;
  }

  FileSystem& files_ = posix_file_system();
  std::string root_;
  Options options_;
  std::vector<int64_t> offsets_;
  std::string output_;
  const int64_t segment_bytes_ = 16 * 1024;
};

TEST_F(StoreToolTest, ASoundStore) {
  EXPECT_EQ(run("verify"), exit_sound) << output();
  EXPECT_THAT(output(), HasSubstr("records=60"));
  EXPECT_THAT(output(), HasSubstr("units_checked=60"));
  EXPECT_THAT(output(), HasSubstr("entries=60"));
  EXPECT_EQ(run("list"), exit_sound);
  EXPECT_THAT(output(), HasSubstr("queue topic=T queue=1 min=0 max=30"));
  EXPECT_EQ(run("repair"), exit_sound);
  EXPECT_THAT(output(), Not(HasSubstr("action")));
}

TEST_F(StoreToolTest, DumpsWithFilters) {
  options_.what = "records";
  options_.key = "k7";
  options_.body_bytes = 6;
  EXPECT_EQ(run("dump", true), exit_sound);
  EXPECT_THAT(output(), HasSubstr(R"("row":"record","offset":)" + std::to_string(offsets_[7])));
  EXPECT_THAT(output(), HasSubstr(R"("body":"body-7")"));
  EXPECT_EQ(std::count(output().begin(), output().end(), '\n'), 1);
  options_ = Options{.what = "queue", .root = root_, .topic = "T", .queue = 1, .from = 28};
  EXPECT_EQ(run("dump"), exit_sound);
  EXPECT_THAT(output(), HasSubstr("unit topic=T queue=1 queue_offset=29 offset=" + std::to_string(offsets_[59])));
  EXPECT_EQ(std::count(output().begin(), output().end(), '\n'), 2);
  options_ =
      Options{.what = "index", .root = root_, .topic = "T", .key = "k9", .index_slots = 20, .index_entries = 200};
  EXPECT_EQ(run("dump"), exit_sound);
  EXPECT_THAT(output(), HasSubstr("offset=" + std::to_string(offsets_[9])));
  options_ = Options{.what = "checkpoint", .root = root_};
  EXPECT_EQ(run("dump"), exit_sound);
  options_ = Options{.what = "progress", .root = root_};
  EXPECT_EQ(run("dump"), exit_sound);
  EXPECT_THAT(output(), HasSubstr("progress"));
}

TEST_F(StoreToolTest, AFlippedBitOfARecordIsFoundAndCanBeBlanked) {
  overwrite(segment_of(offsets_[20]), offsets_[20] % segment_bytes_ + 200, "X");
  EXPECT_EQ(run("verify"), exit_damage);
  EXPECT_THAT(output(), HasSubstr("damage file=" + root_ + "/" + segment_of(offsets_[20])));
  EXPECT_THAT(output(), HasSubstr("from physical offset " + std::to_string(offsets_[20]) + " to " +
                                  std::to_string(offsets_[21])));
  EXPECT_EQ(run("repair"), exit_damage);  // says what it would do
  EXPECT_THAT(output(), HasSubstr("--blank"));
  options_.yes = options_.blank = true;
  EXPECT_EQ(run("repair"), exit_sound) << output();
  EXPECT_THAT(output(), HasSubstr("blank a damaged range"));
  options_.yes = options_.blank = false;
  EXPECT_EQ(served(), static_cast<size_t>(messages - 1));
  EXPECT_EQ(run("verify"), exit_sound) << output();
}

TEST_F(StoreToolTest, ATornTailIsCut) {
  const int64_t end = offsets_.back() + (offsets_[1] - offsets_[0]);
  overwrite(segment_of(end), end % segment_bytes_, std::string("\0\0\2\0\xDA\xA3\x20\xA7 torn", 13));
  EXPECT_EQ(run("verify"), exit_damage);
  EXPECT_THAT(output(), HasSubstr("behind the end of the log"));
  options_.yes = true;
  EXPECT_EQ(run("repair"), exit_sound) << output();
  options_.yes = false;
  EXPECT_EQ(run("verify"), exit_sound) << output();
  EXPECT_EQ(served(), static_cast<size_t>(messages));
}

TEST_F(StoreToolTest, AQueueUnitThatLiesIsFoundAndBuiltAgain) {
  overwrite("consumequeue/T/1/" + digits(0), 5 * 20 + 7, "\x33");
  EXPECT_EQ(run("verify"), exit_damage);
  EXPECT_THAT(output(), HasSubstr("the unit of offset 5 names"));
  options_.yes = true;
  EXPECT_EQ(run("repair"), exit_sound) << output();
  EXPECT_FALSE(std::filesystem::exists(root_ + "/consumequeue/T/1"));
  EXPECT_TRUE(std::filesystem::exists(root_ + "/consumequeue/T/0"));
  options_.yes = false;
  EXPECT_EQ(served(), static_cast<size_t>(messages));
  EXPECT_EQ(run("verify"), exit_sound) << output();
}

TEST_F(StoreToolTest, AnIndexEntryThatLies) {
  overwrite(index_file(), 40 + 4 * 20 + 20 * 6 + 8, "\x01");
  EXPECT_EQ(run("verify"), exit_damage);
  EXPECT_THAT(output(), HasSubstr("entry 6 names physical offset"));
  options_.yes = true;
  EXPECT_EQ(run("repair"), exit_sound) << output();
  options_.yes = false;
  EXPECT_EQ(served(), static_cast<size_t>(messages));
  EXPECT_EQ(run("verify"), exit_sound) << output();
  EXPECT_THAT(output(), HasSubstr("entries=60"));
}

TEST_F(StoreToolTest, AMissingSegment) {
  ASSERT_TRUE(std::filesystem::remove(root_ + "/commitlog/" + digits(segment_bytes_)));
  EXPECT_EQ(run("verify"), exit_damage);
  EXPECT_THAT(output(), HasSubstr("no segment holds these offsets"));
  options_.yes = options_.blank = true;
  EXPECT_EQ(run("repair"), exit_damage);  // it has no remedy
}

TEST_F(StoreToolTest, ABrokenJsonComesBackFromItsBackup) {
  ASSERT_TRUE(files_.write_file_durably(root_ + "/config/topics.json", R"({"topicConfigTable":{"Old":{}}})"));
  ASSERT_TRUE(files_.write_file_durably(root_ + "/config/topics.json", R"({"topicConfigTable":{"New":{}}})"));
  EXPECT_EQ(run("verify"), exit_sound) << output();
  std::filesystem::resize_file(root_ + "/config/topics.json", 20);
  EXPECT_EQ(run("verify"), exit_damage);
  EXPECT_THAT(output(), HasSubstr("its .bak is good"));
  EXPECT_TRUE(std::filesystem::exists(root_ + "/config/topics.json"));
  options_.yes = true;
  EXPECT_EQ(run("repair"), exit_sound) << output();
  EXPECT_EQ(run("verify"), exit_sound) << output();
  EXPECT_TRUE(std::filesystem::exists(root_ + "/config/topics.json.broken"));
}

TEST_F(StoreToolTest, JournalsAreShownAndFolded) {
  const SystemClock clock;
  {
    meta::ConsumerOffsets offsets(files_, clock, root_);
    offsets.file().set_whole_rows_max(0);
    ASSERT_TRUE(offsets.open());
    ASSERT_TRUE(offsets.commit("g", "T", 0, 1));
    ASSERT_TRUE(offsets.persist_if_dirty());
    ASSERT_TRUE(offsets.commit("g", "T", 0, 2));
    ASSERT_TRUE(offsets.file().write(UINT64_MAX));
  }  // as a kill -9 leaves it
  options_.what = "offsets";
  EXPECT_EQ(run("dump"), exit_sound);
  EXPECT_THAT(output(), HasSubstr("offset topic=T group=g queue=0 offset=2"));
  options_.yes = true;
  EXPECT_EQ(run("repair"), exit_sound) << output();
  EXPECT_THAT(output(), HasSubstr("fold journals"));
  const auto text = files_.read_file(root_ + "/config/consumerOffset.json");
  EXPECT_THAT(*text, HasSubstr("0:2"));
}

TEST_F(StoreToolTest, RepairThatIsNotToldYesLeavesAJournalOfAnotherFileAlone) {
  const std::string journal = root_ + "/config/merlin.topics.journal.3";
  ASSERT_TRUE(files_.write_file_durably(root_ + "/config/topics.json", R"({"topicConfigTable":{}})"));
  ASSERT_TRUE(files_.write_file_durably(
      journal, meta::journal_header("topics.json", 3, 2) + meta::journal_base("topics.json", {5, 77})));
  EXPECT_EQ(run("repair"), exit_sound) << output();
  EXPECT_TRUE(files_.exists(journal)) << "nothing may change";
  EXPECT_FALSE(files_.exists(journal + ".orphan"));
  EXPECT_THAT(output(), Not(HasSubstr("fold journals")));
}

TEST_F(StoreToolTest, NotAStore) {
  root_ = "/nowhere";
  EXPECT_EQ(run("verify"), exit_cannot_read);
}

// Bytes from anywhere never crash it.
TEST_F(StoreToolTest, RandomDamageNeverCrashesIt) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
    if (entry.is_regular_file() && entry.file_size() > 0)
      paths.push_back(entry.path().string().substr(root_.size() + 1));
  }
  for (int round = 0; round < 150; ++round) {
    const std::string& path = paths[random() % paths.size()];
    const auto size = std::filesystem::file_size(root_ + "/" + path);
    overwrite(path, static_cast<int64_t>(random() % size), std::string(1 + random() % 8, static_cast<char>(random())));
    if (random() % 20 == 0) std::filesystem::resize_file(root_ + "/" + path, random() % (size + 1));
    const int code = run(round % 3 == 0 ? "list" : round % 3 == 1 ? "repair" : "verify");
    ASSERT_TRUE(code == exit_sound || code == exit_damage) << output();
    if (std::filesystem::file_size(root_ + "/" + path) == 0) std::filesystem::resize_file(root_ + "/" + path, size);
  }
}

}  // namespace
}  // namespace merlin::tool
