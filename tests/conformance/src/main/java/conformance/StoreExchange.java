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
import org.apache.rocketmq.common.TopicConfig;
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
 *
 * Delayed messages wait at each exchange: who opens the store delivers them, once, after their time, and passes over those that had
 * been delivered before, which both makes note in delayOffset.json.
 */
public final class StoreExchange {
  private static final int QUEUES = 4;
  private static final String OURS = "BROKER_CMD";
  private static final String OTHER = "OTHER_BROKER_CMD";
  /** The level of what waits at the exchange, and of what has been delivered before it; levels count from 1. */
  private static final int WAITING_LEVEL = 3;
  private static final int EARLY_LEVEL = 1;
  private static final long[] DELAYS_MS = {0, 1_000, 5_000, 10_000};
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
  private final String delayedTopic;
  private final List<Message> delayed = new ArrayList<>();
  private long firstWaitingAt;

  private StoreExchange(Cluster cluster, String name, int count) {
    this.cluster = cluster;
    this.rocks = name.startsWith("rocksdb");
    this.store = cluster.stores.resolve(name);
    this.count = count;
    this.topic = "T_" + name.replace('-', '_');
    this.delayedTopic = topic + "_delayed";
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
        rocks ? "defaultRocksDB" : "default", "flushDelayOffsetInterval", "1000"), variable);
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
      bed.api().createTopic(first.addr(), "TBW102", new TopicConfig(topic, QUEUES, QUEUES, 6), Bed.CALL_MS);
      bed.api().createTopic(first.addr(), "TBW102", new TopicConfig(delayedTopic, 2, 2, 6), Bed.CALL_MS);
      Check.settles(30_000, () -> Routes.route(bed.api(), topic));
      Check.settles(30_000, () -> Routes.route(bed.api(), delayedTopic));
      sendDelayed(bed, EARLY_LEVEL);
      Inbox inbox = new Inbox();
      DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "*", inbox);
      send(bed.producer(), count / 2);
      Inbox.expect(sent, inbox);
      // The broker writes offsets down every five seconds; a killed one must have had the chance.
      PushScenarios.awaitConsumed(bed, consumer, topic);
      verifyDelayed(bed);
      consumer.shutdown();
      if (crash) {
        Thread.sleep(7_000);
        // Not before the delivered copies are on the disk does MerlinMQ note how far it is: up to ten seconds when nothing else comes.
        Check.settles(30_000, () -> {
          String noted = Files.readString(store.resolve("config").resolve("delayOffset.json")).replaceAll("\\s", "");
          Check.that(noted.contains(EARLY_LEVEL + ":" + delayed.size()), "the positions on disk: %s", noted.replace("%", "%%"));
        });
      }
      List<Message> before = new ArrayList<>(sent);
      send(bed.producer(), count - count / 2);
      unconsumed.addAll(sent);
      unconsumed.removeAll(before);
      exportConfig(bed, first, writer);
      sendDelayed(bed, WAITING_LEVEL);
    }
    if (crash) {
      first.process.kill();
    } else {
      first.stop();
    }
    checkWaiting(name);
    moveConfigDatabases();

    forgetQueues(reader);
    Cluster.Broker second = open(name + "-2-reads", reader);
    try (Bed bed = new Bed(cluster, name)) {
      verify(bed, second);
      Inbox inbox = new Inbox();
      DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "*", inbox);
      Inbox.expect(unconsumed, inbox);
      PushScenarios.awaitConsumed(bed, consumer, topic);
      consumer.shutdown();
      verifyDelayed(bed);
      sendDelayed(bed, EARLY_LEVEL);
      unconsumed.clear();
      List<Message> before = new ArrayList<>(sent);
      send(bed.producer(), 200);
      unconsumed.addAll(sent);
      unconsumed.removeAll(before);
      exportConfig(bed, second, reader);
      verifyDelayed(bed);
      sendDelayed(bed, WAITING_LEVEL);
    }
    second.stop();
    checkWaiting(name);
    moveConfigDatabases();

    forgetQueues(writer);
    Cluster.Broker third = open(name + "-3-goes-back", writer);
    try (Bed bed = new Bed(cluster, name)) {
      verify(bed, third);
      Inbox inbox = new Inbox();
      PushScenarios.start(bed, group, topic, "*", inbox);
      Inbox.expect(unconsumed, inbox);
      verifyDelayed(bed);
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

  private void sendDelayed(Bed bed, int level) throws Exception {
    DefaultMQProducer producer = bed.producer();
    firstWaitingAt = System.currentTimeMillis();
    for (int i = 0; i < 6; i++) {
      Message message = Mail.make(delayedTopic, "delayed");
      message.setDelayTimeLevel(level);
      producer.send(message);
      delayed.add(message);
    }
  }

  /** The broker has ended: a machine that was slow with it leaves nothing to be seen. */
  private void checkWaiting(String name) {
    long tookMs = System.currentTimeMillis() - firstWaitingAt;
    if (tookMs >= DELAYS_MS[WAITING_LEVEL]) {
      System.err.println(name + ": the broker ended " + tookMs + " ms after the delayed messages, which may have been delivered before");
    }
  }

  /** Every delayed message that was sent is there, once, and was not there before its time. */
  private void verifyDelayed(Bed bed) throws Exception {
    Check.settles(75_000, () -> Mail.verifyAll(delayed, bed.readAll(delayedTopic)));
    // Whoever begins from the start delivers at once what was delivered long ago.
    Thread.sleep(1_000);
    List<MessageExt> got = bed.readAll(delayedTopic);
    Mail.verifyAll(delayed, got);
    for (MessageExt message : got) {
      long waited = message.getStoreTimestamp() - message.getBornTimestamp();
      Check.that(waited >= DELAYS_MS[message.getDelayTimeLevel()], "level %d waited %d ms", message.getDelayTimeLevel(), waited);
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
