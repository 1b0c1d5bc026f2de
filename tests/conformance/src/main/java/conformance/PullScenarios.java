package conformance;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumers that say themselves what they want: both pull consumers of the client. */
final class PullScenarios {
  private PullScenarios() {}

  static void register(Suite suite) {
    suite.add("pull_statuses", PullScenarios::statuses);
    suite.add("pull_tag_filter", PullScenarios::filter);
    suite.add("pull_block_if_not_found", PullScenarios::block);
    suite.add("pull_offsets_of_a_group", PullScenarios::groupOffsets);
    suite.add("lite_pull_assign_and_seek", PullScenarios::liteAssign);
    suite.add("lite_pull_subscribe", PullScenarios::liteSubscribe);
    suite.add("offset_by_timestamp", PullScenarios::byTimestamp);
  }

  static void statuses(Bed bed) throws Exception {
    String topic = bed.topic(1);
    MessageQueue queue = new MessageQueue(topic, bed.broker.name, 0);
    DefaultMQProducer producer = bed.producer();
    DefaultMQPullConsumer consumer = bed.pull(bed.name("G"));
    Check.equal(Set.of(queue), consumer.fetchSubscribeMessageQueues(topic), "queues of the topic");
    PullResult empty = consumer.pull(queue, "*", 0, 32);
    Check.equal(PullStatus.NO_NEW_MSG, empty.getPullStatus(), "pull of an empty queue");
    Check.equal(0L, empty.getNextBeginOffset(), "nextBeginOffset of an empty queue");
    List<Message> sent = Mail.make(topic, "x", 50);
    PushScenarios.send(producer, sent);

    PullResult first = consumer.pull(queue, "*", 0, 10);
    Check.equal(PullStatus.FOUND, first.getPullStatus(), "pull at 0");
    Check.equal(10, first.getMsgFoundList().size(), "messages of a pull for ten");
    Check.equal(10L, first.getNextBeginOffset(), "nextBeginOffset");
    Check.equal(0L, first.getMinOffset(), "minOffset");
    Check.equal(50L, first.getMaxOffset(), "maxOffset");
    first.getMsgFoundList().forEach(Mail::verify);

    PullResult end = consumer.pull(queue, "*", 50, 10);
    Check.equal(PullStatus.NO_NEW_MSG, end.getPullStatus(), "pull at the end");
    Check.equal(50L, end.getNextBeginOffset(), "nextBeginOffset at the end");
    PullResult beyond = consumer.pull(queue, "*", 1000, 10);
    Check.equal(PullStatus.OFFSET_ILLEGAL, beyond.getPullStatus(), "pull beyond the end");
    Check.equal(50L, beyond.getNextBeginOffset(), "corrected offset");
    Mail.verifyAll(sent, Bed.readQueue(consumer, queue));

    MessageQueue none = new MessageQueue(topic, bed.broker.name, 7);
    Check.brokerSays(29, "pull of a queue that is not there", () -> consumer.pull(none, "*", 0, 10));
    MessageQueue nowhere = new MessageQueue(bed.name("Nowhere"), bed.broker.name, 0);
    Check.brokerSays(17, "pull of an unknown topic", () -> consumer.pull(nowhere, "*", 0, 10));
  }

  static void filter(Bed bed) throws Exception {
    String topic = bed.topic(1);
    MessageQueue queue = new MessageQueue(topic, bed.broker.name, 0);
    DefaultMQProducer producer = bed.producer();
    DefaultMQPullConsumer consumer = bed.pull(bed.name("G"));
    List<Message> wanted = new ArrayList<>();
    for (int i = 0; i < 30; i++) {
      Message message = Mail.make(topic, i % 3 == 0 ? "yes" : "no");
      producer.send(message);
      if (i % 3 == 0) {
        wanted.add(message);
      }
    }
    PullResult none = consumer.pull(queue, "never", 0, 32);
    Check.equal(PullStatus.NO_MATCHED_MSG, none.getPullStatus(), "pull with a filter that lets nothing through");
    Check.equal(30L, none.getNextBeginOffset(), "the filtered part is behind us");
    List<MessageExt> got = new ArrayList<>();
    long next = 0;
    while (next < 30) {
      PullResult result = consumer.pull(queue, "yes || other", next, 32);
      Check.that(result.getNextBeginOffset() > next, "no progress at %d", next);
      next = result.getNextBeginOffset();
      if (result.getPullStatus() == PullStatus.FOUND) {
        got.addAll(result.getMsgFoundList());
      }
    }
    Mail.verifyAll(wanted, got);
  }

  static void block(Bed bed) throws Exception {
    String topic = bed.topic(1);
    MessageQueue queue = new MessageQueue(topic, bed.broker.name, 0);
    DefaultMQProducer producer = bed.producer();
    DefaultMQPullConsumer consumer = bed.pull(bed.name("G"));
    consumer.setBrokerSuspendMaxTimeMillis(2_000);
    long begin = System.nanoTime();
    PullResult timeout = consumer.pullBlockIfNotFound(queue, "*", 0, 32);
    long waitedMs = (System.nanoTime() - begin) / 1_000_000;
    Check.equal(PullStatus.NO_NEW_MSG, timeout.getPullStatus(), "blocking pull without a message");
    Check.that(waitedMs >= 1_500 && waitedMs < 15_000, "held for %d ms instead of about 2000", waitedMs);

    consumer.setBrokerSuspendMaxTimeMillis(20_000);
    Message message = Mail.make(topic, "x");
    Thread sender = new Thread(() -> {
      try {
        Thread.sleep(500);
        producer.send(message);
      } catch (Exception e) {
        System.err.println("send beside a blocking pull: " + e);
      }
    });
    sender.start();
    begin = System.nanoTime();
    PullResult found = consumer.pullBlockIfNotFound(queue, "*", 0, 32);
    waitedMs = (System.nanoTime() - begin) / 1_000_000;
    sender.join();
    Check.equal(PullStatus.FOUND, found.getPullStatus(), "blocking pull with a message");
    Mail.verifyAll(List.of(message), found.getMsgFoundList());
    Check.that(waitedMs < 12_000, "woken %d ms after the pull, the message was sent at 500, the pull may wait 20000", waitedMs);
  }

  static void groupOffsets(Bed bed) throws Exception {
    String topic = bed.topic(2);
    MessageQueue queue = new MessageQueue(topic, bed.broker.name, 1);
    String group = bed.name("G");
    DefaultMQPullConsumer consumer = bed.pull(group);
    for (Message message : Mail.make(topic, "x", 5)) {
      bed.tool().send(message, queue);
    }
    DefaultMQPullConsumer other = bed.pull(group);
    Check.settles(10_000, () -> {
      // The update has no answer, and the broker may not know the group before its first heartbeat.
      consumer.updateConsumeOffset(queue, 3);
      consumer.getOffsetStore().persist(queue);
      Check.equal(3L, other.fetchConsumeOffset(queue, true), "offset seen by another client");
    });
    DefaultMQPullConsumer stranger = bed.pull(bed.name("G"));
    // Offset 0 is still in memory: the broker answers 0 for a group it does not know.
    Check.equal(0L, stranger.fetchConsumeOffset(queue, true), "offset of an unknown group");
  }

  static void liteAssign(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "x", 40);
    MessageQueue queue = new MessageQueue(topic, bed.broker.name, 1);
    for (Message message : sent) {
      producer.send(message, queue);
    }
    DefaultLitePullConsumer consumer = bed.newLite(bed.name("G"));
    consumer.setAutoCommit(false);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.start();
    Check.equal(Set.of(new MessageQueue(topic, bed.broker.name, 0), queue), new HashSet<>(consumer.fetchMessageQueues(topic)), "queues");
    consumer.assign(List.of(queue));
    // All forty come first: a seek beside a pull whose answer is just being put away is a race inside the client, whose
    // cancelled task may still hand out what it had asked for. After the last message the pull is held by the broker.
    Mail.verifyAll(sent, poll(consumer, 40));
    consumer.seek(queue, 25);
    Mail.verifyAll(sent.subList(25, 40), poll(consumer, 15));
    consumer.seekToBegin(queue);
    Mail.verifyAll(sent, poll(consumer, 40));
    consumer.commitSync();
    Check.settles(10_000, () -> Check.equal(40L, consumer.committed(queue), "committed offset"));
    consumer.seekToEnd(queue);
    Message last = Mail.make(topic, "x");
    producer.send(last, queue);
    Mail.verifyAll(List.of(last), poll(consumer, 1));
  }

  private static List<MessageExt> poll(DefaultLitePullConsumer consumer, int count) throws Exception {
    List<MessageExt> got = new ArrayList<>();
    Check.eventually(60_000, count + " messages polled", () -> {
      got.addAll(consumer.poll(200));
      return got.size() >= count;
    });
    return got;
  }

  static void liteSubscribe(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "yes", 30);
    PushScenarios.send(producer, sent);
    PushScenarios.send(producer, Mail.make(topic, "no", 10));
    DefaultLitePullConsumer consumer = bed.newLite(group);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "yes");
    consumer.start();
    List<MessageExt> got = poll(consumer, 30);
    Mail.verifyAll(sent, got);
    Check.equal(4, consumer.assignment().size(), "assigned queues");
    consumer.commitSync();
    consumer.shutdown();
    List<Message> later = Mail.make(topic, "yes", 5);
    PushScenarios.send(producer, later);
    DefaultLitePullConsumer second = bed.newLite(group);
    second.subscribe(topic, "yes");
    second.start();
    Mail.verifyAll(later, poll(second, 5));
  }

  static void byTimestamp(Bed bed) throws Exception {
    String topic = bed.topic(1);
    MessageQueue queue = new MessageQueue(topic, bed.broker.name, 0);
    DefaultMQProducer producer = bed.producer();
    for (int i = 0; i < 10; i++) {
      producer.send(Mail.make(topic, "x"));
      Thread.sleep(15);
    }
    List<MessageExt> stored = bed.readAll(topic);
    for (MessageExt message : stored) {
      Check.equal(message.getQueueOffset(), producer.searchOffset(queue, message.getStoreTimestamp()), "offset at a store time");
      Check.equal(message.getQueueOffset(), producer.searchOffset(queue, message.getStoreTimestamp() - 1),
          "offset just before a store time");
    }
    Check.equal(0L, producer.searchOffset(queue, 1), "offset at the beginning of time");
    Check.equal(10L, producer.searchOffset(queue, System.currentTimeMillis() + 3_600_000), "offset in the future");
    Check.equal(0L, producer.minOffset(queue), "minOffset");
    Check.equal(10L, producer.maxOffset(queue), "maxOffset");
    DefaultMQPullConsumer reader = bed.pull(bed.name("G"));
    Check.equal(stored.get(0).getStoreTimestamp(), reader.earliestMsgStoreTime(queue), "time of the earliest message");
    DefaultLitePullConsumer lite = bed.newLite(bed.name("G"));
    lite.start();
    Check.equal(4L, lite.offsetForTimestamp(queue, stored.get(4).getStoreTimestamp()), "offsetForTimestamp");
  }
}
