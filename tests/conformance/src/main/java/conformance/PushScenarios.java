package conformance;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.store.ReadOffsetType;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Push consumers: filters, broadcasting, sharing of queues, where a new group begins, long polling. */
final class PushScenarios {
  private PushScenarios() {}

  static void register(Suite suite) {
    suite.add("push_clustering_tags", PushScenarios::tags);
    suite.add("push_broadcasting", PushScenarios::broadcasting);
    suite.add("push_two_groups", PushScenarios::twoGroups);
    suite.add("push_rebalance_when_one_leaves", PushScenarios::rebalance);
    suite.add("push_consume_from_first", PushScenarios::fromFirst);
    suite.add("push_consume_from_last_while_first_is_there", PushScenarios::fromLast);
    suite.add("push_resumes_at_its_offset", PushScenarios::resumes);
    suite.add("push_long_poll_latency", PushScenarios::latency);
    suite.add("push_many_messages", PushScenarios::many);
  }

  static DefaultMQPushConsumer start(Bed bed, String group, String topic, String filter, Inbox inbox) throws Exception {
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, filter);
    consumer.registerMessageListener(inbox);
    consumer.start();
    return consumer;
  }

  /** Ids of the queues this consumer pulls from at the moment. */
  static Set<MessageQueue> queues(DefaultMQPushConsumer consumer) {
    return new HashSet<>(consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet());
  }

  static void awaitQueues(DefaultMQPushConsumer consumer, String topic, int count) throws Exception {
    awaitQueues(consumer, topic, count, 60_000);
  }

  static void awaitQueues(DefaultMQPushConsumer consumer, String topic, int count, long limitMs) throws Exception {
    Check.settles(limitMs, () -> Check.equal(count,
        (int) queues(consumer).stream().filter(q -> q.getTopic().equals(topic)).count(), "queues of " + consumer.getInstanceName()));
  }

  /** Everything of the topic is consumed and noted as consumed: a listener that has seen a message may not have returned yet. */
  static void awaitConsumed(Bed bed, DefaultMQPushConsumer consumer, String topic) throws Exception {
    var offsets = consumer.getDefaultMQPushConsumerImpl().getOffsetStore();
    Check.settles(60_000, () -> {
      for (MessageQueue queue : bed.tool().fetchPublishMessageQueues(topic)) {
        long end = bed.tool().maxOffset(queue);
        Check.that(end == 0 || !queues(consumer).contains(queue) || offsets.readOffset(queue, ReadOffsetType.READ_FROM_MEMORY) == end,
            "%s is consumed up to %d", queue, end);
      }
    });
  }

  static void send(DefaultMQProducer producer, List<Message> messages) throws Exception {
    for (Message message : messages) {
      producer.send(message);
    }
  }

  static void tags(Bed bed) throws Exception {
    String topic = bed.topic(4);
    DefaultMQProducer producer = bed.producer();
    Inbox both = new Inbox();
    Inbox all = new Inbox();
    start(bed, bed.name("G"), topic, "a || b", both);
    start(bed, bed.name("G"), topic, "*", all);
    List<Message> wanted = new ArrayList<>();
    List<Message> sent = new ArrayList<>();
    for (int i = 0; i < 60; i++) {
      Message message = Mail.make(topic, List.of("a", "b", "c", "ab").get(i % 4));
      producer.send(message);
      sent.add(message);
      if (i % 4 < 2) {
        wanted.add(message);
      }
    }
    // "Aa" and "BB" have the same hash code: the client must weed out what the broker lets through.
    Inbox collision = new Inbox();
    start(bed, bed.name("G"), topic, "Aa", collision);
    Message aa = Mail.make(topic, "Aa");
    send(producer, List.of(Mail.make(topic, "BB"), aa));
    Inbox.expect(wanted, both);
    Inbox.expect(List.of(aa), collision);
    Check.settles(60_000, () -> Check.equal(sent.size() + 2, all.size(), "messages without a filter"));
  }

  static void broadcasting(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    DefaultMQProducer producer = bed.producer();
    List<Inbox> inboxes = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      Inbox inbox = new Inbox();
      inboxes.add(inbox);
      DefaultMQPushConsumer consumer = bed.newPush(group);
      Release.broadcast(consumer);
      consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
      consumer.subscribe(topic, "*");
      consumer.registerMessageListener(inbox);
      consumer.start();
      awaitQueues(consumer, topic, 4);
    }
    List<Message> sent = Mail.make(topic, "all", 30);
    send(producer, sent);
    for (Inbox inbox : inboxes) {
      Inbox.expect(sent, inbox);
    }
  }

  static void twoGroups(Bed bed) throws Exception {
    String topic = bed.topic(2);
    Inbox one = new Inbox();
    Inbox two = new Inbox();
    start(bed, bed.name("G"), topic, "*", one);
    start(bed, bed.name("G"), topic, "*", two);
    List<Message> sent = Mail.make(topic, "x", 20);
    send(bed.producer(), sent);
    Inbox.expect(sent, one);
    Inbox.expect(sent, two);
  }

  static void rebalance(Bed bed) throws Exception {
    String topic = bed.topic(8);
    String group = bed.name("G");
    DefaultMQProducer producer = bed.producer();
    Inbox one = new Inbox();
    Inbox two = new Inbox();
    DefaultMQPushConsumer first = start(bed, group, topic, "*", one);
    awaitQueues(first, topic, 8);
    // The broker tells the first one that the group changed; nobody waits for the 20 s of the rebalance service.
    DefaultMQPushConsumer second = start(bed, group, topic, "*", two);
    Check.settles(15_000, () -> {
      Set<MessageQueue> mine = queues(first);
      Set<MessageQueue> others = queues(second);
      mine.removeIf(q -> !q.getTopic().equals(topic));
      others.removeIf(q -> !q.getTopic().equals(topic));
      Check.equal(4, mine.size(), "queues of the first consumer");
      Check.equal(4, others.size(), "queues of the second consumer");
      Check.that(Collections.disjoint(mine, others), "both hold the same queue: %s %s", mine, others);
    });
    List<Message> shared = Mail.make(topic, "x", 80);
    send(producer, shared);
    Inbox.expect(shared, one, two);
    Check.that(one.size() >= 30 && two.size() >= 30, "shares of the two consumers: %d and %d", one.size(), two.size());
    awaitConsumed(bed, second, topic);
    second.shutdown();
    awaitQueues(first, topic, 8);
    List<Message> rest = Mail.make(topic, "x", 40);
    send(producer, rest);
    List<Message> sent = new ArrayList<>(shared);
    sent.addAll(rest);
    Inbox.expect(sent, one, two);
  }

  static void fromFirst(Bed bed) throws Exception {
    String topic = bed.topic(2);
    List<Message> sent = Mail.make(topic, "x", 20);
    send(bed.producer(), sent);
    Inbox inbox = new Inbox();
    start(bed, bed.name("G"), topic, "*", inbox);
    Inbox.expect(sent, inbox);
  }

  /**
   * A queue whose first message is still there and in memory is read from the beginning by a new group, whatever the client
   * wishes: the broker answers offset 0. RetentionScenarios has the other case.
   */
  static void fromLast(Bed bed) throws Exception {
    String topic = bed.topic(2);
    List<Message> before = Mail.make(topic, "x", 10);
    send(bed.producer(), before);
    for (ConsumeFromWhere where : List.of(ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP)) {
      Inbox inbox = new Inbox();
      DefaultMQPushConsumer consumer = bed.newPush(bed.name("G"));
      consumer.setConsumeFromWhere(where);
      consumer.subscribe(topic, "*");
      consumer.registerMessageListener(inbox);
      consumer.start();
      Inbox.expect(before, inbox);
    }
  }

  static void resumes(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    DefaultMQProducer producer = bed.producer();
    Inbox first = new Inbox();
    DefaultMQPushConsumer consumer = start(bed, group, topic, "*", first);
    List<Message> sent = Mail.make(topic, "x", 40);
    send(producer, sent);
    Inbox.expect(sent, first);
    awaitConsumed(bed, consumer, topic);
    consumer.shutdown();
    List<Message> later = Mail.make(topic, "x", 20);
    send(producer, later);
    Inbox second = new Inbox();
    start(bed, group, topic, "*", second);
    Inbox.expect(later, second);
  }

  /** An idle consumer hangs in a long poll; a message must wake it at once, not at the next round. */
  static void latency(Bed bed) throws Exception {
    String topic = bed.topic(2);
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = start(bed, bed.name("G"), topic, "*", inbox);
    DefaultMQProducer producer = bed.producer();
    awaitQueues(consumer, topic, 2);
    producer.send(Mail.make(topic, "x"));
    Check.that(inbox.awaitSize(1, 20_000), "the first message arrives");
    long[] delays = new long[6];
    for (int i = 2; i <= 7; i++) {
      Thread.sleep(700);
      long begin = System.nanoTime();
      producer.send(Mail.make(topic, "x"));
      Check.that(inbox.awaitSize(i, 10_000), "message %d arrives", i);
      delays[i - 2] = (System.nanoTime() - begin) / 1_000_000;
    }
    Arrays.sort(delays);
    // A busy machine may hold some messages up; a wake-up that is missing would hold up most, for as long as a pull waits.
    Check.that(delays[2] < 2_000, "delivered so many ms after the send: %s", Arrays.toString(delays));
  }

  static void many(Bed bed) throws Exception {
    String topic = bed.topic(4);
    DefaultMQProducer producer = bed.producer();
    Inbox inbox = new Inbox();
    start(bed, bed.name("G"), topic, "*", inbox);
    List<Message> sent = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      List<Message> batch = Mail.make(topic, "many", 30);
      producer.send(batch);
      sent.addAll(batch);
    }
    Inbox.expect(sent, inbox);
    List<MessageExt> got = inbox.all();
    Check.equal(3000, got.size(), "messages");
  }
}
