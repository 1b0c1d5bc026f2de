package conformance;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * One broker writes a store directory, another make of broker opens it, and the first one opens it once more.
 * OTHER_BROKER_CMD is the other make. Arguments: directory for logs, for stores, number of messages,
 * and optionally a part of the names of those that are wanted.
 *
 * With storeType=defaultRocksDB neither opens the other's queue database: each builds its own from the log. Apache then
 * keeps topics, groups and offsets in databases, too: they are exported to JSON while it runs and moved away after it.
 */
public final class StoreExchange {
  private static final int QUEUES = 4;
  private static final String OURS = "BROKER_CMD";
  private static final String OTHER = "OTHER_BROKER_CMD";
  private static final String[][] RUNS = {
      {"other-to-ours-after-stop", OTHER, OURS}, {"ours-to-other-after-stop", OURS, OTHER},
      {"other-to-ours-after-kill", OTHER, OURS}, {"ours-to-other-after-kill", OURS, OTHER},
      {"rocksdb-ours-to-ours-after-kill", OURS, OURS}, {"rocksdb-other-to-ours-after-stop", OTHER, OURS},
      {"rocksdb-ours-to-other-after-stop", OURS, OTHER}};

  private final boolean rocks;
  private final Cluster cluster;
  private final Path store;
  private final int count;
  private final String topic;
  private final String group;
  private final String brokerName;
  private final List<Message> sent = new ArrayList<>();
  private final List<Message> unconsumed = new ArrayList<>();
  private final Map<String, String> places = new HashMap<>();
  private final List<String> keys = new ArrayList<>();

  private StoreExchange(Cluster cluster, String name, int count) {
    this.cluster = cluster;
    this.rocks = name.startsWith("rocksdb");
    this.store = cluster.stores.resolve(name);
    this.count = count;
    this.topic = "T_" + name.replace('-', '_');
    this.brokerName = "broker-" + name;
    this.group = "G_" + name.replace('-', '_');
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = System.out;
    Runtime.getRuntime().addShutdownHook(new Thread(ServerProcess::killAll));
    Path dir = Path.of(args[0]);
    Cluster cluster = new Cluster(dir, Path.of(args[1]));
    int count = Integer.parseInt(args[2]);
    cluster.namesrv.start();
    int failed = 0;
    int passed = 0;
    for (String[] run : RUNS) {
      String name = run[0];
      if (args.length > 3 && !name.contains(args[3])) {
        continue;
      }
      long begin = System.nanoTime();
      Throwable problem = null;
      try {
        new StoreExchange(cluster, name, count).run(name, run[1], run[2], name.endsWith("kill"));
      } catch (Exception | AssertionError e) {
        problem = e;
        try (PrintWriter trace = new PrintWriter(Files.newBufferedWriter(dir.resolve(name + ".failure.txt")))) {
          e.printStackTrace(trace);
          cluster.brokers.forEach(b -> trace.println("log of " + b.name + ": " + b.process.log));
        }
      }
      for (Cluster.Broker broker : cluster.brokers) {
        broker.process.kill();
      }
      cluster.brokers.clear();
      String seconds = String.format(Locale.ROOT, "%.1f", (System.nanoTime() - begin) / 1e9);
      out.println((problem == null ? "PASS " : "FAIL ") + "exchange/" + name + " " + seconds
          + (problem == null ? "" : " " + String.valueOf(problem.getMessage()).replaceAll("\\s+", " ")));
      failed += problem == null ? 0 : 1;
      passed += problem == null ? 1 : 0;
    }
    cluster.close();
    out.println(passed + " passed, " + failed + " failed");
    out.flush();
    Runtime.getRuntime().exit(failed == 0 ? 0 : 1);
  }

  private Cluster.Broker open(String turn, String variable) throws Exception {
    // Small files, so that several are handed over; both makes get the same sizes.
    Cluster.Broker broker = cluster.new Broker(turn, store, Map.of("brokerName", brokerName, "mappedFileSizeCommitLog",
        String.valueOf(4 << 20), "mappedFileSizeConsumeQueue", "6000", "autoCreateTopicEnable", "false", "storeType",
        rocks ? "defaultRocksDB" : "default"), variable);
    cluster.brokers.add(0, broker);
    broker.process.start();
    Check.settles(75_000, () -> Check.that(Routes.brokers(cluster.namesrvAddr()).contains(brokerName + "@" + broker.addr()),
        "%s is registered, see %s", turn, broker.process.log));
    return broker;
  }

  private void run(String name, String writer, String reader, boolean crash) throws Exception {
    Cluster.Broker first = open(name + "-1-writes", writer);
    try (Bed bed = new Bed(cluster, name)) {
      // createTopic() looks for the broker name in the route, and that is not the name of the process here.
      bed.api().createTopic(first.addr(), "TBW102", new org.apache.rocketmq.common.TopicConfig(topic, QUEUES, QUEUES, 6), Bed.CALL_MS);
      Check.settles(10_000, () -> Routes.route(bed.api(), topic));
      Inbox inbox = new Inbox();
      DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "*", inbox);
      send(bed.producer(), count / 2);
      Inbox.expect(sent, inbox);
      // The broker writes offsets down every five seconds; a killed one must have had the chance.
      consumer.shutdown();
      if (crash) {
        Thread.sleep(7_000);
      }
      List<Message> before = new ArrayList<>(sent);
      send(bed.producer(), count - count / 2);
      unconsumed.addAll(sent);
      unconsumed.removeAll(before);
      exportConfig(bed, first, writer);
    }
    if (crash) {
      first.process.kill();
    } else {
      first.stop();
    }
    moveConfigDatabases();

    forgetQueues(reader);
    Cluster.Broker second = open(name + "-2-reads", reader);
    try (Bed bed = new Bed(cluster, name)) {
      verify(bed, second);
      Inbox inbox = new Inbox();
      DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "*", inbox);
      Inbox.expect(unconsumed, inbox);
      consumer.shutdown();
      unconsumed.clear();
      List<Message> before = new ArrayList<>(sent);
      send(bed.producer(), 200);
      unconsumed.addAll(sent);
      unconsumed.removeAll(before);
      exportConfig(bed, second, reader);
    }
    second.stop();
    moveConfigDatabases();

    forgetQueues(writer);
    Cluster.Broker third = open(name + "-3-goes-back", writer);
    try (Bed bed = new Bed(cluster, name)) {
      verify(bed, third);
      Inbox inbox = new Inbox();
      PushScenarios.start(bed, group, topic, "*", inbox);
      Inbox.expect(unconsumed, inbox);
    }
    third.stop();
  }

  /** Only Apache's broker has such databases, and only the newer client knows the request. */
  private void exportConfig(Bed bed, Cluster.Broker broker, String variable) throws Exception {
    if (!rocks || !variable.equals(OTHER)) {
      return;
    }
    Class<?> type = Class.forName("org.apache.rocketmq.remoting.protocol.header.ExportRocksDBConfigToJsonRequestHeader$ConfigType");
    bed.api().getClass().getMethod("exportRocksDBConfigToJson", String.class, List.class, long.class)
        .invoke(bed.api(), broker.addr(), List.of(type.getEnumConstants()), Bed.CALL_MS);
  }

  /**
   * Apache's queue database is not told of what another broker wrote, and after a clean stop its recovery passes over the
   * record at physical offset 0: without database, checkpoint and clean stop it reads the whole log.
   */
  private void forgetQueues(String variable) throws Exception {
    if (!rocks || !variable.equals(OTHER)) {
      return;
    }
    if (Files.isDirectory(store.resolve("consumequeue"))) {
      Files.move(store.resolve("consumequeue"), store.resolve("consumequeue.moved-" + System.nanoTime()));
    }
    Files.deleteIfExists(store.resolve("checkpoint"));
    if (!Files.exists(store.resolve("abort"))) {
      Files.createFile(store.resolve("abort"));
    }
  }

  private void moveConfigDatabases() throws Exception {
    for (String name : List.of("topics", "subscriptionGroups", "consumerOffsets")) {
      Path database = store.resolve("config").resolve(name);
      if (Files.isDirectory(database)) {
        Files.move(database, store.resolve("config").resolve(name + ".moved-" + System.nanoTime()));
      }
    }
  }

  /** Single sends and batches, small and large, compressible and not, all with a key and a tag. */
  private void send(DefaultMQProducer producer, int messages) throws Exception {
    for (int i = 0; i < messages; ) {
      if (i % 100 == 50 && i + 10 <= messages) {
        List<Message> batch = Mail.make(topic, "batch", 10);
        SendResult result = producer.send(batch);
        for (int k = 0; k < batch.size(); k++) {
          note(batch.get(k), result.getMessageQueue(), result.getQueueOffset() + k);
        }
        i += 10;
        continue;
      }
      byte[] body = null;
      if (i % 50 == 3) {
        body = Mail.noise(100_000 + i, i);
      } else if (i % 50 == 7) {
        body = "text that can be compressed; ".repeat(1000).getBytes(StandardCharsets.UTF_8);
      } else if (i % 3 == 0) {
        body = Mail.noise(1000 + i % 5000, i);
      }
      Message message = Mail.make(topic, "tag" + i % 5, body);
      SendResult result = producer.send(message);
      note(message, result.getMessageQueue(), result.getQueueOffset());
      i++;
    }
  }

  private void note(Message message, MessageQueue queue, long offset) {
    sent.add(message);
    keys.add(message.getKeys());
    places.put(Mail.number(message), queue.getQueueId() + ":" + offset);
  }

  private void verify(Bed bed, Cluster.Broker broker) throws Exception {
    Check.settles(60_000, () -> {
      var data = bed.api().getTopicRouteInfoFromNameServer(topic, Bed.CALL_MS);
      Check.equal(broker.addr(), data.getBrokerDatas().get(0).getBrokerAddrs().get(0L), "address in the route");
      Check.equal(QUEUES, data.getQueueDatas().get(0).getReadQueueNums(), "queues of the topic");
    });
    List<MessageExt> got = new ArrayList<>();
    Check.settles(75_000, () -> {
      got.clear();
      got.addAll(bed.readAll(topic));
      Check.equal(sent.size(), got.size(), "messages in the store");
    });
    Mail.verifyAll(sent, got);
    for (MessageExt message : got) {
      Check.equal(places.get(Mail.number(message)), message.getQueueId() + ":" + message.getQueueOffset(), "place of a message");
    }
    // The key index goes with the store; the rest of it may be made again after a crash.
    for (int i = 0; i < sent.size(); i += 97) {
      Message message = sent.get(i);
      Check.settles(75_000, () -> Mail.verifyAll(List.of(message), bed.tool().queryMessage(topic, message.getKeys(), 8,
          System.currentTimeMillis() - 3_600_000, System.currentTimeMillis() + 60_000).getMessageList()));
    }
    // By tag: the newest of a tag, at most as many as the broker gives.
    for (String tag : Release.NAME.equals("4.9") ? List.<String>of() : List.of("batch", "tag0", "tag4")) {
      List<Message> tagged = sent.stream().filter(m -> tag.equals(m.getTags())).collect(Collectors.toList());
      List<Message> newest = tagged.subList(Math.max(tagged.size() - 64, 0), tagged.size());
      Check.settles(75_000, () -> Mail.verifyAll(newest, Release.byTag(bed, topic, tag, 64)));
    }
    // By unique id: the client asks the index for it, since it is no offset id.
    for (int i = 0; i < got.size(); i += 211) {
      Mail.verify(bed.tool().viewMessage(topic, got.get(i).getMsgId()));
    }
  }
}
