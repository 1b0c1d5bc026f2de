// SQL92 over the properties of messages, the scan of queue units by tag, and who of a thousand waiting pulls an arrival
// concerns.

#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "filter/program.h"
#include "merlin/message/properties.h"
#include "service/long_poll.h"
#include "service/sql_programs.h"
#include "service/subscription.h"

namespace {

using namespace merlin;

// What a Java client and the broker put on a message, and five of its user.
std::string properties(int i) {
  std::string out;
  message::append_property(out, "KEYS", "order-" + std::to_string(100'000 + i));
  message::append_property(out, "UNIQ_KEY", "7F000001000018B4AAC2" + std::to_string(10'000'000 + i));
  message::append_property(out, "WAIT", "true");
  message::append_property(out, "TAGS", "TagA");
  message::append_property(out, "region", i % 3 == 0 ? "north" : "south");
  message::append_property(out, "price", std::to_string(i % 200));
  message::append_property(out, "weight", std::to_string(i % 50) + ".5");
  message::append_property(out, "customer", "c" + std::to_string(i % 1000));
  message::append_property(out, "level", std::to_string(i % 5));
  message::append_property(out, "MSG_REGION", "DefaultRegion");
  message::append_property(out, "TRACE_ON", "true");
  message::append_property(out, "CLUSTER", "DefaultCluster");
  return out;
}

std::vector<std::string> many_properties() {
  std::vector<std::string> out;
  for (int i = 0; i < 1024; ++i) out.push_back(properties(i));
  return out;
}

void sql92(benchmark::State& state, const char* text) {
  const auto program = filter::Program::compile(text);
  if (!program.ok()) return state.SkipWithError(program.error().message.c_str());
  const std::vector<std::string> messages = many_properties();
  size_t i = 0;
  int64_t matches = 0;
  for (auto _ : state) matches += (*program)->matches(messages[i++ % messages.size()]) ? 1 : 0;
  benchmark::DoNotOptimize(matches);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(sql92, equality, "customer = 'c17'");
BENCHMARK_CAPTURE(sql92, and_or, "(price > 100 AND region = 'north') OR level = 4");
BENCHMARK_CAPTURE(sql92, between_in, "price BETWEEN 10 AND 20 AND region IN ('north', 'south', 'west')");
BENCHMARK_CAPTURE(sql92, reals, "weight >= 10.5 AND weight < 20.5 AND customer IS NOT NULL");
BENCHMARK_CAPTURE(sql92, texts, "customer STARTSWITH 'c9' OR KEYS CONTAINS '777'");

void tag_scan(benchmark::State& state) {
  const auto filter = service::build_subscription("T", "TagA || TagB || TagC", service::expression_type_tag).filter;
  std::vector<int64_t> codes;
  for (int i = 0; i < 16'000; ++i) codes.push_back(message::java_hash("Tag" + std::to_string(i % 40)));
  int64_t matches = 0;
  for (auto _ : state) {
    for (const int64_t code : codes) matches += filter->matches_tags_code(code) ? 1 : 0;
  }
  benchmark::DoNotOptimize(matches);
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(codes.size()));
}
BENCHMARK(tag_scan);

// A thousand held pulls of one queue with one equality each; a message that one of them waits for, and its pull is held
// again. Argument 1: by the index; 0: each is asked.
void wake_one_of_1000_equalities(benchmark::State& state) {
  SystemClock clock;
  const bool indexed = state.range(0) != 0;
  service::LongPoll poll(clock, 10'000, indexed ? service::LongPoll::indexed_from_default : SIZE_MAX,
                         {.asked_per_call = INT64_MAX, .asked_per_sweep = INT64_MAX});
  service::SqlPrograms programs;
  std::vector<std::vector<uint8_t>> records;
  for (const std::string& text : many_properties()) {
    message::RecordSpec spec;
    spec.topic = "T";
    spec.properties = text;
    message::encode_record(spec, records.emplace_back(message::record_size(spec)).data());
  }
  poll.set_records([&](const store::Arrival& arrival, store::LogBytes& out) {
    out.slices.emplace_back(records[static_cast<size_t>(arrival.physical_offset)]);
    return true;
  });
  auto* queue = reinterpret_cast<store::ConsumeQueue*>(uintptr_t{64});
  int64_t offset = 0;
  int64_t woken = 0;
  std::vector<int> again;
  std::vector<std::shared_ptr<const service::Filter>> filters;
  for (int i = 0; i < 1000; ++i) filters.push_back(programs.get("customer = 'c" + std::to_string(i) + "'")->filter);
  struct OneOfThem final : service::Waiter {
    void wake(service::Wake, int64_t) override { again->push_back(id); }
    std::vector<int>* again = nullptr;
    int id = 0;
  };
  std::vector<OneOfThem> waiters(1000);
  const auto hold = [&](int i) {
    OneOfThem& waiter = waiters[static_cast<size_t>(i)];
    waiter.again = &again;
    waiter.id = i;
    waiter.queue = queue;
    waiter.offset = offset;
    waiter.filter = filters[static_cast<size_t>(i)].get();
    waiter.deadline_ms = INT64_MAX;
    poll.hold(waiter);
  };
  for (int i = 0; i < 1000; ++i) hold(i);
  for (auto _ : state) {
    const store::Arrival arrival{queue, offset, offset % 1000, 300};
    ++offset;
    poll.on_arrivals({&arrival, 1});
    woken += static_cast<int64_t>(again.size());
    for (const int i : again) hold(i);
    again.clear();
  }
  if (woken != state.iterations()) state.SkipWithError("not one for each message");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(wake_one_of_1000_equalities)->Arg(0)->Arg(1);

}  // namespace
