package conformance;

import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** SQL92: push, pull and lite pull consumers, beside tags; wrong texts; another text while the consumer runs. */
final class FilterScenarios {
  private FilterScenarios() {}

  static void register(Suite suite) {
    suite.add("filter_sql_beside_tags", FilterScenarios::besideTags);
    suite.add("filter_sql_wakes_held_pulls", FilterScenarios::wakes);
    suite.add("filter_sql_by_lite_pull", FilterScenarios::litePull);
    suite.add("filter_sql_by_pull", FilterScenarios::pull);
    suite.add("filter_sql_wrong_text", FilterScenarios::wrongText);
    suite.add("filter_sql_changes", FilterScenarios::changes);
    suite.add("filter_sql_over_a_restart", FilterScenarios::restart);
  }

  private static Message message(String topic, String tag, int a, String b) {
    Message message = Mail.make(topic, tag);
    message.putUserProperty("a", String.valueOf(a));
    if (b != null) {
      message.putUserProperty("b", b);
    }
    return message;
  }

  private static DefaultMQPushConsumer start(Bed bed, String topic, String sql, Inbox inbox) throws Exception {
    DefaultMQPushConsumer consumer = bed.newPush(bed.name("G"));
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, MessageSelector.bySql(sql));
    consumer.registerMessageListener(inbox);
    consumer.start();
    return consumer;
  }

  private static void besideTags(Bed bed) throws Exception {
    String topic = bed.topic(2);
    Inbox numbers = new Inbox();
    Inbox texts = new Inbox();
    Inbox tags = new Inbox();
    start(bed, topic, "a BETWEEN 3 AND 5 AND TAGS <> 'z'", numbers);
    start(bed, topic, "b IS NOT NULL AND b IN ('x', 'it''s')", texts);
    PushScenarios.start(bed, bed.name("G"), topic, "y || z", tags);
    DefaultMQProducer producer = bed.producer();
    List<Message> ofNumbers = new ArrayList<>();
    List<Message> ofTexts = new ArrayList<>();
    List<Message> ofTags = new ArrayList<>();
    for (int i = 0; i < 60; i++) {
      String tag = List.of("x", "y", "z").get(i % 3);
      String b = i % 4 == 0 ? "x" : i % 4 == 1 ? "it's" : i % 4 == 2 ? "other" : null;
      Message message = message(topic, tag, i % 10, b);
      producer.send(message);
      if (i % 10 >= 3 && i % 10 <= 5 && !tag.equals("z")) {
        ofNumbers.add(message);
      }
      if (i % 4 < 2) {
        ofTexts.add(message);
      }
      if (!tag.equals("x")) {
        ofTags.add(message);
      }
    }
    Inbox.expect(ofNumbers, numbers);
    Inbox.expect(ofTexts, texts);
    Inbox.expect(ofTags, tags);
  }

  /** One in a hundred matches, one message at a time: each is there long before a held pull would end. */
  private static void wakes(Bed bed) throws Exception {
    String topic = bed.topic(1);
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = start(bed, topic, "a = 7 AND b = 'x'", inbox);
    PushScenarios.awaitQueues(consumer, topic, 1);
    DefaultMQProducer producer = bed.producer();
    List<Message> wanted = new ArrayList<>();
    for (int round = 0; round < 5; round++) {
      for (int i = 0; i < 99; i++) {
        producer.send(message(topic, "t", i, i == 7 ? "y" : null));
      }
      Message match = message(topic, "t", 7, "x");
      producer.send(match);
      wanted.add(match);
      int soFar = wanted.size();
      Check.settles(12_000, () -> Check.equal(soFar, inbox.size(), "messages that match"));
    }
    Inbox.expect(wanted, inbox);
  }

  private static void litePull(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultLitePullConsumer consumer = bed.newLite(bed.name("G"));
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, MessageSelector.bySql("a > 5"));
    consumer.setPollTimeoutMillis(1_000);
    DefaultMQProducer producer = bed.producer();
    List<String> wanted = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      Message message = message(topic, "t", i % 10, null);
      producer.send(message);
      if (i % 10 > 5) {
        wanted.add(new String(message.getBody(), "ISO-8859-1"));
      }
    }
    consumer.start();
    List<String> got = new ArrayList<>();
    Check.settles(30_000, () -> {
      for (MessageExt message : consumer.poll()) {
        got.add(new String(message.getBody(), "ISO-8859-1"));
      }
      Check.equal(wanted.size(), got.size(), "messages that match");
    });
    wanted.sort(null);
    got.sort(null);
    Check.equal(wanted, got, "bodies");
  }

  private static void pull(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQProducer producer = bed.producer();
    for (int i = 0; i < 10; i++) {
      producer.send(message(topic, "t", i, null));
    }
    DefaultMQPullConsumer consumer = bed.pull(bed.name("G"));
    MessageQueue queue = new ArrayList<>(consumer.fetchSubscribeMessageQueues(topic)).get(0);
    // The client knows what the broker can do after its first heartbeat.
    Check.settles(30_000, () -> consumer.pull(queue, MessageSelector.bySql("a >= 8"), 0, 32));
    PullResult found = consumer.pull(queue, MessageSelector.bySql("a >= 8"), 0, 32);
    Check.equal(PullStatus.FOUND, found.getPullStatus(), "pull by an expression");
    Check.equal(2, found.getMsgFoundList().size(), "messages that match");
    PullResult none = consumer.pull(queue, MessageSelector.bySql("a > 100"), 0, 32);
    Check.equal(PullStatus.NO_MATCHED_MSG, none.getPullStatus(), "pull by an expression that nothing matches");
    Check.equal(10L, none.getNextBeginOffset(), "where to go on");
  }

  private static void wrongText(Bed bed) throws Exception {
    String topic = bed.topic(1);
    for (String sql : List.of("a > ", "a > 'x'", "'x'")) {
      DefaultMQPushConsumer consumer = bed.newPush(bed.name("G"));
      consumer.subscribe(topic, MessageSelector.bySql(sql));
      consumer.registerMessageListener(new Inbox());
      try {
        consumer.start();
        throw new AssertionError("a consumer has started with: " + sql);
      } catch (MQClientException e) {
        Check.equal(23, e.getResponseCode(), "code for " + sql);
        Check.that(e.getErrorMessage() != null && !e.getErrorMessage().isEmpty(), "no reason for %s", sql);
      }
    }
  }

  private static void changes(Bed bed) throws Exception {
    String topic = bed.topic(1);
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = start(bed, topic, "a = 1", inbox);
    PushScenarios.awaitQueues(consumer, topic, 1);
    DefaultMQProducer producer = bed.producer();
    Message first = message(topic, "t", 1, null);
    producer.send(message(topic, "t", 2, null));
    producer.send(first);
    Inbox.expect(List.of(first), inbox);
    consumer.subscribe(topic, MessageSelector.bySql("a = 2"));
    // One heartbeat passes over another that is under way.
    Check.settles(30_000, () -> {
      consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().sendHeartbeatToAllBrokerWithLock();
      Check.equal("a = 2", bed.api().getConsumerConnectionList(bed.broker.addr(), consumer.getConsumerGroup(), Bed.CALL_MS)
          .getSubscriptionTable().get(topic).getSubString(), "expression that the broker knows");
    });
    Message second = message(topic, "t", 2, null);
    producer.send(message(topic, "t", 1, null));
    producer.send(second);
    Check.settles(75_000, () -> Check.equal(2, inbox.size(), "messages, the second by the new expression"));
    Inbox.expect(List.of(first, second), inbox);
  }

  /** The expression is in the broker's file when it stops, and holds for the consumer that finds it again. */
  private static void restart(Bed bed) throws Exception {
    String topic = bed.topic(1);
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = start(bed, topic, "a = 1", inbox);
    DefaultMQProducer producer = bed.producer();
    Message first = message(topic, "t", 1, null);
    producer.send(first);
    Inbox.expect(List.of(first), inbox);

    bed.broker.restart();

    String file = Files.readString(bed.broker.store.resolve("config/consumerFilter.json"));
    Check.that(file.contains(consumer.getConsumerGroup()) && file.contains("a = 1"), "consumerFilter.json: %s", file);
    Message second = message(topic, "t", 1, null);
    Check.settles(75_000, () -> producer.send(message(topic, "t", 2, null)));
    Check.settles(75_000, () -> producer.send(second));
    Check.settles(60_000, () -> Check.equal(2, inbox.size(), "messages, the second after the restart"));
    Inbox.expect(List.of(first, second), inbox);
  }
}
