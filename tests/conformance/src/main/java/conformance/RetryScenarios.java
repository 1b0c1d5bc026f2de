package conformance;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Delayed messages, messages that a consumer gives back, and where they end. */
final class RetryScenarios {
  /** Servers look at a level every 100 ms, and this machine may stand still for seconds. What tells levels apart is when they come at the earliest. */
  private static final long LATE_MS = 20_000;

  private RetryScenarios() {}

  static void register(Suite suite) {
    suite.add("delay_levels", RetryScenarios::levels);
    suite.add("delay_of_many", RetryScenarios::many);
    suite.add("delay_over_a_restart", RetryScenarios::restart);
    suite.add("retry_then_dead_letter", RetryScenarios::deadLetter);
    suite.add("retry_at_the_brokers_level", RetryScenarios::brokersLevel);
    suite.add("retry_never_again", RetryScenarios::neverAgain);
    suite.add("retry_of_ordered_messages", RetryScenarios::ordered);
    suite.add("retry_given_back_by_pull", RetryScenarios::pulled);
  }

  private static Message delayed(String topic, String tag, int level) {
    Message message = Mail.make(topic, tag);
    message.setDelayTimeLevel(level);
    return message;
  }

  private static DefaultMQPushConsumer push(Bed bed, String group, String topic, String tags, MessageListenerConcurrently listener)
      throws Exception {
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, tags);
    consumer.registerMessageListener(listener);
    consumer.start();
    return consumer;
  }

  /** Each comes to its own queue with everything it had, when its level is over and not before. */
  static void levels(Bed bed) throws Exception {
    String topic = bed.topic(4);
    Inbox inbox = new Inbox();
    push(bed, bed.name("G"), topic, "wanted", inbox);
    DefaultMQProducer producer = bed.producer();
    long[] delays = {1_000, 5_000, 10_000};
    List<Message> sent = new ArrayList<>();
    for (int level = 3; level >= 1; level--) {
      sent.add(delayed(topic, "wanted", level));
    }
    sent.add(Mail.make(topic, "wanted"));
    int queueId = 0;
    List<MessageQueue> queues = producer.fetchPublishMessageQueues(topic);
    queues.sort(null);
    for (Message message : sent) {
      SendResult result = producer.send(message, queues.get(queueId));
      Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status");
      Check.equal(queueId++, result.getMessageQueue().getQueueId(), "queue in the answer");
    }
    producer.send(delayed(topic, "other", 1));
    Inbox.expect(sent, inbox);
    for (MessageExt got : inbox.all()) {
      int index = Mail.numbers(sent).indexOf(Mail.number(got));
      Check.equal(index, got.getQueueId(), "queue of message " + index);
      int level = got.getDelayTimeLevel();
      Check.equal(index == 3 ? 0 : 3 - index, level, "level of message " + index);
      if (level == 0) {
        continue;
      }
      Check.equal(topic, got.getProperty("REAL_TOPIC"), "REAL_TOPIC");
      Check.equal(String.valueOf(index), got.getProperty("REAL_QID"), "REAL_QID");
      long waited = got.getStoreTimestamp() - got.getBornTimestamp();
      Check.that(waited >= delays[level - 1] && waited < delays[level - 1] + LATE_MS, "level %d waited %d ms", level, waited);
    }
  }

  /** Many of one level keep their order within a queue. */
  static void many(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = new ArrayList<>();
    for (int i = 0; i < 600; i++) {
      Message message = delayed(topic, "x", 1);
      sent.add(message);
      producer.send(message, producer.fetchPublishMessageQueues(topic).get(0));
    }
    Check.settles(60_000, () -> Check.equal(600, bed.readAll(topic).size(), "delivered"));
    List<MessageExt> got = bed.readAll(topic);
    Check.equal(Mail.numbers(sent), Mail.numbers(got), "order");
    got.forEach(Mail::verify);
  }

  /** What waits when the broker stops is delivered once by the next one. */
  static void restart(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      Message message = delayed(topic, "x", 1 + i % 3);
      sent.add(message);
      producer.send(message);
    }
    bed.broker.restart();
    Check.settles(75_000, () -> Mail.verifyAll(sent, bed.readAll(topic)));
    Thread.sleep(1_500);
    Mail.verifyAll(sent, bed.readAll(topic));
  }

  /** Fails everything it is given, and remembers it. */
  private static final class Refuser implements MessageListenerConcurrently {
    final List<MessageExt> got = new CopyOnWriteArrayList<>();
    final List<Long> at = new CopyOnWriteArrayList<>();
    final int level;

    Refuser(int level) {
      this.level = level;
    }

    @Override
    public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> messages, ConsumeConcurrentlyContext context) {
      at.add(System.currentTimeMillis());
      got.addAll(messages);
      context.setDelayLevelWhenNextConsume(level);
      return ConsumeConcurrentlyStatus.RECONSUME_LATER;
    }
  }

  /** The one dead letter of the group, once it is there. */
  private static MessageExt deadLetterOf(Bed bed, String group, Message sent) throws Exception {
    String topic = "%DLQ%" + group;
    List<MessageExt> found = new ArrayList<>();
    Check.settles(75_000, () -> {
      found.clear();
      found.addAll(bed.readAll(topic));
      Check.equal(1, found.size(), "dead letters");
    });
    MessageExt dead = found.get(0);
    Check.equal(Mail.number(sent), Mail.number(dead), "number of the dead letter");
    Check.bytes(sent.getBody(), dead.getBody(), "body of the dead letter");
    Check.equal(sent.getKeys(), dead.getKeys(), "keys of the dead letter");
    Check.equal(sent.getTags(), dead.getTags(), "tags of the dead letter");
    Check.equal(sent.getTopic(), dead.getProperty("RETRY_TOPIC"), "topic in the dead letter");
    Check.equal(0, dead.getQueueId(), "queue of the dead letter");
    return dead;
  }

  /** Two retries, then the dead letters: four records, three deliveries, one id. */
  static void deadLetter(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    Refuser refuser = new Refuser(1);
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setMaxReconsumeTimes(2);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "mine");
    consumer.registerMessageListener(refuser);
    consumer.start();
    Message message = Mail.make(topic, "mine");
    SendResult sent = bed.producer().send(message);
    MessageExt dead = deadLetterOf(bed, group, message);
    Check.equal(3, refuser.got.size(), "deliveries");
    for (int i = 0; i < 3; i++) {
      MessageExt got = refuser.got.get(i);
      Check.equal(i, got.getReconsumeTimes(), "reconsumeTimes of delivery " + i);
      Check.equal(topic, got.getTopic(), "topic of delivery " + i);
      Check.equal(sent.getMsgId(), got.getMsgId(), "id of delivery " + i);
      Check.bytes(message.getBody(), got.getBody(), "body of delivery " + i);
      Check.equal(refuser.got.get(0).getBornTimestamp(), got.getBornTimestamp(), "born time of delivery " + i);
      Check.equal(refuser.got.get(0).getBornHost(), got.getBornHost(), "born host of delivery " + i);
      if (i > 0) {
        Check.equal(sent.getOffsetMsgId(), got.getProperty("ORIGIN_MESSAGE_ID"), "origin of delivery " + i);
        Check.equal(1, got.getDelayTimeLevel(), "level of delivery " + i);
        // When it comes is the client's affair: it begins with its retry topic up to 20 s after its start.
        long pause = got.getStoreTimestamp() - refuser.at.get(i - 1);
        Check.that(pause >= 900 && pause < 1_000 + LATE_MS, "retry %d after %d ms", i, pause);
      }
    }
    Check.equal(3, dead.getReconsumeTimes(), "reconsumeTimes of the dead letter");
    Check.equal(sent.getOffsetMsgId(), dead.getProperty("ORIGIN_MESSAGE_ID"), "origin of the dead letter");
    Check.equal(0, dead.getDelayTimeLevel(), "level of the dead letter");
  }

  /** Nobody names a level: the first retry comes after level 3, ten seconds. */
  static void brokersLevel(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String group = bed.name("G");
    List<MessageExt> got = new CopyOnWriteArrayList<>();
    List<Long> at = new CopyOnWriteArrayList<>();
    push(bed, group, topic, "*", (messages, context) -> {
      at.add(System.currentTimeMillis());
      got.addAll(messages);
      return got.size() == 1 ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    bed.producer().send(Mail.make(topic, "x"));
    Check.eventually(75_000, "a second delivery", () -> got.size() == 2);
    long pause = got.get(1).getStoreTimestamp() - at.get(0);
    Check.that(pause >= 9_900 && pause < 10_000 + LATE_MS, "the retry came after %d ms", pause);
    Check.equal(1, got.get(1).getReconsumeTimes(), "reconsumeTimes");
    Check.equal(3, got.get(1).getDelayTimeLevel(), "level");
    Check.equal("%RETRY%" + group, got.get(1).getProperty("REAL_TOPIC"), "REAL_TOPIC");
  }

  /** Level -1: no second delivery. */
  static void neverAgain(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String group = bed.name("G");
    Refuser refuser = new Refuser(-1);
    push(bed, group, topic, "*", refuser);
    Message message = Mail.make(topic, "x");
    bed.producer().send(message);
    MessageExt dead = deadLetterOf(bed, group, message);
    Check.equal(1, dead.getReconsumeTimes(), "reconsumeTimes");
    Check.equal(1, refuser.got.size(), "deliveries");
  }

  /** An ordered consumer tries on the spot, then sends the message away itself, and goes on. */
  static void ordered(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String group = bed.name("G");
    List<MessageExt> passed = new CopyOnWriteArrayList<>();
    List<Integer> times = new CopyOnWriteArrayList<>();
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "x", 3);
    String bad = Mail.number(sent.get(1));
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setMaxReconsumeTimes(2);
    consumer.setSuspendCurrentQueueTimeMillis(200);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
      if (messages.stream().anyMatch(m -> Mail.number(m).equals(bad))) {
        times.add(messages.get(0).getReconsumeTimes());
        return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
      }
      passed.addAll(messages);
      return ConsumeOrderlyStatus.SUCCESS;
    });
    consumer.start();
    for (Message message : sent) {
      producer.send(message);
    }
    MessageExt dead = deadLetterOf(bed, group, sent.get(1));
    Check.equal(List.of(0, 1, 2), times, "reconsumeTimes of the suspended message");
    Check.settles(75_000, () -> Check.equal(List.of(Mail.number(sent.get(0)), Mail.number(sent.get(2))), Mail.numbers(passed),
        "the others, in order"));
    // The two releases count differently.
    Check.that(dead.getReconsumeTimes() >= 2, "reconsumeTimes of the dead letter is %d", dead.getReconsumeTimes());
  }

  /** The call by itself: what a pull consumer gives back comes to its retry topic. */
  static void pulled(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String group = bed.name("G");
    Message message = Mail.make(topic, "x");
    bed.producer().send(message);
    Check.settles(60_000, () -> Check.equal(1, bed.readAll(topic).size(), "stored"));
    MessageExt stored = bed.readAll(topic).get(0);
    DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(group);
    bed.configure(consumer);
    consumer.setRegisterTopics(Collections.singleton(topic));
    consumer.start();
    bed.closing(consumer::shutdown);
    // It looks for the broker where producers do.
    Check.settles(60_000, () -> Check.that(consumer.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory()
        .findBrokerAddressInPublish(bed.broker.name) != null, "the address of the broker is known"));
    consumer.sendMessageBack(stored, 1, bed.broker.name);
    List<MessageExt> again = new ArrayList<>();
    Check.settles(75_000, () -> {
      again.clear();
      again.addAll(bed.readAll("%RETRY%" + group));
      Check.equal(1, again.size(), "copies in the retry topic");
    });
    MessageExt copy = again.get(0);
    Check.equal(1, copy.getReconsumeTimes(), "reconsumeTimes");
    Check.equal(topic, copy.getProperty("RETRY_TOPIC"), "RETRY_TOPIC");
    Check.equal("1", copy.getProperty("DELAY"), "DELAY");
    Check.equal("%RETRY%" + group, copy.getProperty("REAL_TOPIC"), "REAL_TOPIC");
    Check.equal("0", copy.getProperty("REAL_QID"), "REAL_QID");
    Check.equal("false", copy.getProperty("WAIT"), "WAIT");
    Check.bytes(message.getBody(), copy.getBody(), "body");
  }
}
