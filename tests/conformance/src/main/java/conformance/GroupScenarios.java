package conformance;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Members of one group: who takes over from one that was killed, who disagrees, what each of them is given. */
final class GroupScenarios {
  private GroupScenarios() {}

  static void register(Suite suite) {
    suite.add("order_when_a_consumer_is_killed", GroupScenarios::killed);
    suite.add("group_members_subscribe_differently", GroupScenarios::differ);
    suite.add("group_members_that_differ_are_refused", GroupScenarios::refused);
    suite.add("group_broadcast_resumes_at_local_offsets", GroupScenarios::broadcastRestart);
    suite.add("group_batch_consumption", GroupScenarios::batch);
    suite.add("group_namespace", GroupScenarios::namespace);
    suite.add("group_compressed_bodies_untouched", GroupScenarios::compressed);
    suite.add("group_over_ipv6", GroupScenarios::six);
    suite.add("group_begins_before_the_first_message", GroupScenarios::begins);
  }

  /** What the broker under test calls its own in its runtime information; Apache's has none of these. */
  static Map<String, String> ownNumbers(Bed bed) throws Exception {
    Map<String, String> own = new HashMap<>(bed.api().getBrokerRuntimeInfo(bed.broker.addr(), Bed.CALL_MS).getTable());
    own.keySet().removeIf(key -> !key.startsWith("merlin"));
    return own;
  }

  /** Offsets by queue, in the order of consumption, of the process that will be killed. */
  private static final class Doomed implements AutoCloseable {
    final Process process;
    final Map<Integer, List<Long>> got = new TreeMap<>();
    private final Thread reader;
    private volatile Exception problem;

    Doomed(Bed bed, String group, String topic) throws Exception {
      String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
      Path log = bed.cluster.dir.resolve("killed-consumer.log");
      process = new ProcessBuilder(java, "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Drocketmq.client.logRoot="
          + bed.cluster.dir.resolve("killed-client"), "-Duser.home=" + bed.cluster.dir.resolve("killed-home"), "-cp",
          System.getProperty("java.class.path"), OrderlyProcess.class.getName(), bed.cluster.namesrvAddr(), group, topic)
          .redirectError(log.toFile()).start();
      reader = new Thread(this::read, "killed consumer");
      reader.setDaemon(true);
      reader.start();
    }

    private void read() {
      try (BufferedReader lines = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          String[] words = line.split(" ");
          if (words.length == 3 && words[0].equals("got")) {
            synchronized (got) {
              got.computeIfAbsent(Integer.valueOf(words[1]), q -> new ArrayList<>()).add(Long.valueOf(words[2]));
            }
          }
        }
      } catch (Exception e) {
        problem = e;
      }
    }

    int queues() {
      synchronized (got) {
        return got.size();
      }
    }

    void kill() throws Exception {
      // By its handle: Process.destroyForcibly() closes the pipe under the reader, and what was in it would be lost.
      process.toHandle().destroyForcibly();
      process.waitFor();
      reader.join(10_000);
      Check.that(problem == null, "reading the killed consumer: %s", problem);
    }

    @Override
    public void close() {
      process.destroyForcibly();
    }
  }

  static void killed(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    DefaultMQProducer producer = bed.producer();
    Map<Integer, List<Long>> mine = Collections.synchronizedMap(new TreeMap<>());
    DefaultMQPushConsumer stays = OrderlyProcess.consumer(bed.cluster.namesrvAddr(), group, topic, bed.name("stays"),
        (List<MessageExt> messages, ConsumeOrderlyContext context) -> {
          for (MessageExt message : messages) {
            mine.computeIfAbsent(message.getQueueId(), q -> Collections.synchronizedList(new ArrayList<>())).add(message.getQueueOffset());
          }
          return ConsumeOrderlyStatus.SUCCESS;
        });
    bed.closing(stays::shutdown);
    // All four first: on its way there it has two as well, and would consume everything before the other one comes.
    PushScenarios.awaitQueues(stays, topic, 4);
    Doomed doomed = bed.closing(new Doomed(bed, group, topic));
    PushScenarios.awaitQueues(stays, topic, 2);
    int perQueue = 0;
    // Keeps all queues busy while the other one is killed.
    for (int round = 0; round < 60; round++) {
      for (int queue = 0; queue < 4; queue++) {
        producer.send(Mail.make(topic, "ordered"), (queues, message, arg) -> queues.get((int) arg), queue);
      }
      perQueue++;
    }
    Check.eventually(60_000, "the other process consumes two queues", () -> doomed.queues() == 2);
    doomed.kill();
    long killedAt = System.nanoTime();
    Map<Integer, List<Long>> theirs = doomed.got;
    for (int round = 0; round < 20; round++) {
      for (int queue = 0; queue < 4; queue++) {
        producer.send(Mail.make(topic, "ordered"), (queues, message, arg) -> queues.get((int) arg), queue);
      }
      perQueue++;
    }
    long last = perQueue - 1;
    PushScenarios.awaitQueues(stays, topic, 4, 110_000);
    long takenMs = (System.nanoTime() - killedAt) / 1_000_000;
    if (!ownNumbers(bed).isEmpty()) {
      // 5 s of grace for a client that would have come back, 30 s for one that tells nobody when it does; Apache takes a minute.
      // The bounds leave a busy machine its time and still tell the three apart.
      long bound = Release.NAME.startsWith("5") ? 25_000 : 50_000;
      Check.that(takenMs < bound, "the queues of the killed consumer were taken over after %d ms", takenMs);
    }
    Check.settles(60_000, () -> {
      for (int queue = 0; queue < 4; queue++) {
        List<Long> offsets = mine.getOrDefault(queue, List.of());
        Check.that(!offsets.isEmpty() && offsets.get(offsets.size() - 1) == last, "queue %d is consumed to its end: %s", queue, offsets);
      }
    });
    for (int queue = 0; queue < 4; queue++) {
      List<Long> before = theirs.getOrDefault(queue, List.of());
      List<Long> after = new ArrayList<>(mine.get(queue));
      // What the killed one had not committed comes again; nothing is left out, and nothing changes places.
      checkRuns(queue, before);
      checkRuns(queue, after);
      long seen = before.isEmpty() ? -1 : before.get(before.size() - 1);
      long begin = before.isEmpty() ? 0 : after.get(0);
      Check.that(begin <= seen + 1, "queue %d: the killed one ended at %d, the other began at %d", queue, seen, begin);
      Check.that(!before.isEmpty() && before.get(0) == 0 || after.get(0) == 0, "queue %d begins at 0", queue);
    }
  }

  /** Ascending without gaps, but for a step back where a consumer began anew. */
  private static void checkRuns(int queue, List<Long> offsets) {
    long highest = offsets.isEmpty() ? -1 : offsets.get(0) - 1;
    long previous = highest;
    for (long offset : offsets) {
      Check.that(offset == previous + 1 || offset <= highest, "queue %d: %d after %d in %s", queue, offset, previous, offsets);
      highest = Math.max(highest, offset);
      previous = offset;
    }
  }

  static void differ(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    Map<String, String> before = ownNumbers(bed);
    DefaultMQPushConsumer one = PushScenarios.start(bed, group, topic, "a", new Inbox());
    DefaultMQPushConsumer two = PushScenarios.start(bed, group, topic, "b || c", new Inbox());
    // Apache's broker takes both and lets the last one win.
    Check.settles(30_000, () -> Check.equal(2, bed.api().getConsumerIdListByGroup(bed.broker.addr(), group, Bed.CALL_MS).size(),
        "members"));
    if (before.isEmpty()) {
      return;
    }
    List<String> lines = new ArrayList<>();
    Check.settles(20_000, () -> {
      lines.clear();
      Files.readString(bed.broker.process.log).lines().filter(l -> l.contains(group) && l.contains("subscribe differently")).forEach(lines::add);
      Check.that(!lines.isEmpty(), "the log names the group");
    });
    for (String word : List.of(one.buildMQClientId(), two.buildMQClientId(), topic + ": ", "\"a\"", "\"b || c\"")) {
      Check.that(lines.get(0).contains(word), "%s is in %s", word, lines.get(0));
    }
    long counted = Long.parseLong(ownNumbers(bed).get("merlinSubscriptionMismatches"));
    Check.that(counted > Long.parseLong(before.get("merlinSubscriptionMismatches")), "mismatches are counted: %d", counted);
    // Heartbeats go every second: what was said once is not said again.
    Thread.sleep(3_000);
    long now = Files.readString(bed.broker.process.log).lines().filter(l -> l.contains(group) && l.contains("subscribe differently")).count();
    Check.equal(lines.size(), (int) now, "lines in the log");
  }

  /** Only where it is asked for: who subscribes to something else gets nothing, and takes nothing from the others. */
  static void refused(Bed bed) throws Exception {
    if (ownNumbers(bed).isEmpty()) {
      return;
    }
    String topic = bed.topic(4);
    String group = bed.name("G");
    Properties reject = new Properties();
    reject.setProperty("merlinRejectSubscriptionMismatch", "true");
    bed.api().updateBrokerConfig(bed.broker.addr(), reject, Bed.CALL_MS);
    try {
      Inbox one = new Inbox();
      DefaultMQPushConsumer first = PushScenarios.start(bed, group, topic, "a", one);
      PushScenarios.awaitQueues(first, topic, 4);
      Inbox two = new Inbox();
      DefaultMQPushConsumer second = PushScenarios.start(bed, group, topic, "b", two);
      List<Message> sent = Mail.make(topic, "a", 20);
      PushScenarios.send(bed.producer(), sent);
      Inbox.expect(sent, one);
      Thread.sleep(1_500);
      Check.equal(0, two.size(), "messages of the one that was refused");
      Check.equal(List.of(first.buildMQClientId()), bed.api().getConsumerIdListByGroup(bed.broker.addr(), group, Bed.CALL_MS), "members");
      Check.settles(20_000, () -> Check.that(Files.readString(bed.broker.process.log).lines().anyMatch(l -> l.contains(group)
          && l.contains("is refused") && l.contains(first.buildMQClientId()) && l.contains(second.buildMQClientId())), "the log names both"));
    } finally {
      reject.setProperty("merlinRejectSubscriptionMismatch", "false");
      bed.api().updateBrokerConfig(bed.broker.addr(), reject, Bed.CALL_MS);
    }
  }

  private static DefaultMQPushConsumer broadcaster(Bed bed, String group, String instance, String topic, Inbox inbox) throws Exception {
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setInstanceName(instance);
    Release.broadcast(consumer);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(inbox);
    consumer.start();
    PushScenarios.awaitQueues(consumer, topic, 2);
    return consumer;
  }

  static void broadcastRestart(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    String instance = bed.name("I");
    DefaultMQProducer producer = bed.producer();
    Inbox one = new Inbox();
    Inbox two = new Inbox();
    DefaultMQPushConsumer first = broadcaster(bed, group, instance, topic, one);
    broadcaster(bed, group, bed.name("I"), topic, two);
    List<Message> sent = Mail.make(topic, "all", 20);
    PushScenarios.send(producer, sent);
    Inbox.expect(sent, one);
    Inbox.expect(sent, two);
    PushScenarios.awaitConsumed(bed, first, topic);
    first.shutdown();
    List<Message> missed = Mail.make(topic, "all", 10);
    PushScenarios.send(producer, missed);
    // The same instance finds its offsets in its own file and gets what it missed, once.
    Inbox again = new Inbox();
    broadcaster(bed, group, instance, topic, again);
    Inbox.expect(missed, again);
    sent.addAll(missed);
    Inbox.expect(sent, two);
  }

  static void batch(Bed bed) throws Exception {
    String topic = bed.topic(2);
    List<Message> sent = new ArrayList<>();
    DefaultMQProducer producer = bed.producer();
    for (int i = 0; i < 10; i++) {
      List<Message> batch = Mail.make(topic, "batch", 20);
      producer.send(batch);
      sent.addAll(batch);
    }
    Inbox inbox = new Inbox();
    List<Integer> sizes = Collections.synchronizedList(new ArrayList<>());
    DefaultMQPushConsumer consumer = bed.newPush(bed.name("G"));
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.setConsumeMessageBatchMaxSize(16);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener((List<MessageExt> messages, ConsumeConcurrentlyContext context) -> {
      sizes.add(messages.size());
      return inbox.consumeMessage(messages, context);
    });
    consumer.start();
    Inbox.expect(sent, inbox);
    Check.that(Collections.max(sizes) > 8, "messages given at once: %s", sizes);
  }

  /** Version 1: the namespace is part of the names on the wire, and invisible to the application. */
  @SuppressWarnings("deprecation")
  static void namespace(Bed bed) throws Exception {
    String namespace = "INST" + System.nanoTime();
    String topic = bed.name("T");
    String group = bed.name("G");
    bed.createTopic(bed.broker, namespace + "%" + topic, 2, 6);
    bed.createTopic(bed.broker, topic, 2, 6);
    DefaultMQProducer inside = bed.newProducer();
    inside.setNamespace(namespace);
    inside.start();
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setNamespace(namespace);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(inbox);
    consumer.start();
    Inbox outside = new Inbox();
    PushScenarios.start(bed, bed.name("G"), topic, "*", outside);
    List<Message> numbers = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      Message message = Mail.make(topic, "x");
      inside.send(message);
      message.setTopic(topic);
      numbers.add(message);
    }
    Message other = Mail.make(topic, "x");
    bed.producer().send(other);
    Inbox.expect(numbers, inbox);
    Inbox.expect(List.of(other), outside);
    Check.equal(1, bed.api().getConsumerIdListByGroup(bed.broker.addr(), namespace + "%" + group, Bed.CALL_MS).size(),
        "members of the group by its whole name");
  }

  /** Told 0, not "unknown", a new group cannot miss the first message by asking for the end of the queue when it is there. */
  static void begins(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQPullConsumer reader = bed.pull(bed.name("G"));
    MessageQueue queue = new MessageQueue(topic, bed.broker.name, 0);
    // Apache's broker says it does not know.
    Check.equal(ownNumbers(bed).isEmpty() ? -1L : 0L, reader.fetchConsumeOffset(queue, true), "offset of a new group in an empty queue");
    bed.producer().send(Mail.make(topic, "first"));
    Check.settles(20_000, () -> Check.equal(0L, reader.fetchConsumeOffset(queue, true), "offset of a new group in a queue of one message"));
  }

  /** A broker whose address is an IPv6 one: hosts in records, ids and answers are longer. */
  static void six(Bed bed) throws Exception {
    Cluster.Broker broker = bed.cluster.addBroker("broker-six", Map.of("brokerIP1", "::1", "brokerIP2", "::1", "bindAddress", "::"));
    broker.process.start();
    Check.settles(75_000, () -> Check.that(Routes.brokers(bed.cluster.namesrvAddr()).stream().anyMatch(b -> b.startsWith(broker.name + "@")),
        "the broker is registered, see %s", broker.process.log));
    String topic = bed.name("T");
    bed.createTopic(broker, topic, 2, 6);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "six", 10);
    List<String> ids = new ArrayList<>();
    for (Message message : sent) {
      ids.add(producer.send(message).getOffsetMsgId());
    }
    // Address, port and offset in hexadecimal: 16, 4 and 8 bytes.
    Check.equal(56, ids.get(0).length(), "length of the id");
    Inbox inbox = new Inbox();
    PushScenarios.start(bed, bed.name("G"), topic, "*", inbox);
    Inbox.expect(sent, inbox);
    for (MessageExt message : inbox.all()) {
      Check.that(message.getBornHost().toString().contains("0:0:0:0:0:0:0:1"), "born at %s", message.getBornHost());
      Check.that(message.getStoreHost().toString().contains("0:0:0:0:0:0:0:1"), "stored at %s", message.getStoreHost());
    }
    for (int i = 0; i < ids.size(); i++) {
      MessageExt found = producer.viewMessage(topic, ids.get(i));
      Mail.verify(found);
      Check.equal(Mail.number(sent.get(i)), Mail.number(found), "message by its id");
    }
    Check.settles(60_000, () -> Check.equal(1, bed.tool().queryMessage(topic, sent.get(3).getKeys(), 32, 0, Long.MAX_VALUE)
        .getMessageList().size(), "messages by key"));
  }

  /** The broker stores what the client compressed and gives back the very same bytes. */
  static void compressed(Bed bed) throws Exception {
    String topic = bed.topic(1);
    byte[] text = "all work and no play makes a dull broker; ".repeat(3000).getBytes(StandardCharsets.UTF_8);
    DefaultMQProducer producer = bed.newProducer();
    producer.setCompressMsgBodyOverHowmuch(1024);
    producer.start();
    Message message = Mail.make(topic, "big", text);
    producer.send(message);
    Inbox inbox = new Inbox();
    PushScenarios.start(bed, bed.name("G"), topic, "*", inbox);
    Inbox.expect(List.of(message), inbox);
    MessageExt got = inbox.all().get(0);
    Check.that(got.getStoreSize() < text.length / 4, "stored in %d bytes", got.getStoreSize());
  }
}
