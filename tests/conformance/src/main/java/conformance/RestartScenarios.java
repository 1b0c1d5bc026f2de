package conformance;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** The first broker is stopped by SIGTERM and started again on the same directory. */
final class RestartScenarios {
  private RestartScenarios() {}

  static void register(Suite suite) {
    suite.add("restart_keeps_messages_and_offsets", RestartScenarios::keeps);
    suite.add("restart_while_producer_sends", RestartScenarios::whileSending);
  }

  /** One restart for all that must survive it: they cost seconds with slow servers. */
  static void keeps(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    DefaultMQProducer producer = bed.producer();
    List<Message> consumed = Mail.make(topic, "x", 40);
    PushScenarios.send(producer, consumed);
    Inbox before = new Inbox();
    DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "*", before);
    Inbox.expect(consumed, before);
    PushScenarios.awaitConsumed(bed, consumer, topic);
    consumer.shutdown();
    List<Message> waiting = Mail.make(topic, "x", 20);
    List<String> ids = new ArrayList<>();
    for (Message message : waiting) {
      ids.add(producer.send(message).getOffsetMsgId());
    }
    List<MessageExt> stored = bed.readAll(topic);

    bed.broker.restart();

    Check.settles(75_000, () -> Check.equal(Collections.singleton(bed.broker.name), Routes.route(bed.api(), topic), "route"));
    List<Message> all = new ArrayList<>(consumed);
    all.addAll(waiting);
    List<MessageExt> reread = new ArrayList<>();
    Check.settles(60_000, () -> {
      reread.clear();
      reread.addAll(bed.readAll(topic));
    });
    Mail.verifyAll(all, reread);
    Map<String, MessageExt> old = new ConcurrentHashMap<>();
    stored.forEach(m -> old.put(Mail.number(m), m));
    for (MessageExt message : reread) {
      MessageExt was = old.get(Mail.number(message));
      Check.equal(was.getQueueId(), message.getQueueId(), "queue");
      Check.equal(was.getQueueOffset(), message.getQueueOffset(), "queue offset");
      Check.equal(was.getCommitLogOffset(), message.getCommitLogOffset(), "physical offset");
      Check.equal(was.getStoreTimestamp(), message.getStoreTimestamp(), "store time");
    }
    Mail.verify(producer.viewMessage(topic, ids.get(0)));
    Check.settles(60_000, () -> Mail.verify(producer.queryMessage(topic, consumed.get(0).getKeys(), 4,
        System.currentTimeMillis() - 600_000, System.currentTimeMillis() + 60_000).getMessageList().get(0)));

    Message next = Mail.make(topic, "x");
    SendResult result = producer.send(next);
    Check.equal(15L, result.getQueueOffset(), "the first new offset continues the queue");
    waiting.add(next);
    Inbox after = new Inbox();
    PushScenarios.start(bed, group, topic, "*", after);
    Inbox.expect(waiting, after);
  }

  /** Whatever was acknowledged is there; what was not may be there, but never twice in the answers. */
  static void whileSending(Bed bed) throws Exception {
    String topic = bed.topic(4);
    DefaultMQProducer producer = bed.newProducer();
    producer.setSendMsgTimeout(2_000);
    producer.start();
    Inbox inbox = new Inbox();
    PushScenarios.start(bed, bed.name("G"), topic, "*", inbox);
    List<String> acked = Collections.synchronizedList(new ArrayList<>());
    Map<String, String> places = new ConcurrentHashMap<>();
    AtomicBoolean go = new AtomicBoolean(true);
    AtomicInteger refused = new AtomicInteger();
    Thread sender = new Thread(() -> {
      while (go.get()) {
        Message message = Mail.make(topic, "x");
        try {
          SendResult result = producer.send(message);
          if (result.getSendStatus() == SendStatus.SEND_OK) {
            acked.add(Mail.number(message));
            places.put(Mail.number(message), result.getMessageQueue().getQueueId() + ":" + result.getQueueOffset());
          }
          Thread.sleep(5);
        } catch (Exception e) {
          refused.incrementAndGet();
        }
      }
    });
    sender.start();
    try {
      Check.eventually(60_000, "50 messages before the restart", () -> acked.size() >= 50);
      bed.broker.restart();
      int half = acked.size();
      Check.eventually(75_000, "50 messages after the restart, refused " + refused, () -> acked.size() >= half + 50);
    } finally {
      go.set(false);
      sender.join();
    }
    List<MessageExt> got = bed.readAll(topic);
    Map<String, String> there = new ConcurrentHashMap<>();
    for (MessageExt message : got) {
      Mail.verify(message);
      String place = message.getQueueId() + ":" + message.getQueueOffset();
      there.merge(Mail.number(message), place, (a, b) -> a + " " + b);
    }
    for (String number : acked) {
      String place = there.get(number);
      Check.that(place != null, "acknowledged message %s is lost", number);
      Check.that(List.of(place.split(" ")).contains(places.get(number)), "message %s was promised %s, is at %s", number,
          places.get(number), place);
    }
    // The consumer lives through the restart as well: at least once.
    Check.settles(75_000, () -> {
      List<String> missing = new ArrayList<>(acked);
      missing.removeAll(Mail.numbers(inbox.all()));
      Check.that(missing.isEmpty(), "%d acknowledged messages not delivered", missing.size());
    });
  }
}
