package conformance;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Ordered consumption, which rests on the locks of the broker. */
final class OrderScenarios {
  private OrderScenarios() {}

  static void register(Suite suite) {
    suite.add("order_one_consumer", OrderScenarios::one);
    suite.add("order_kept_when_one_leaves", OrderScenarios::leave);
  }

  /** Notes the order within each queue, and that no queue is ever in two hands. */
  static final class Ledger {
    final Map<Integer, List<MessageExt>> byQueue = new HashMap<>();
    final Map<Integer, AtomicInteger> inside = new ConcurrentHashMap<>();
    final ConcurrentLinkedQueue<String> problems = new ConcurrentLinkedQueue<>();
    private int suspensions;

    MessageListenerOrderly listener(String who, Map<String, Integer> shares) {
      return (List<MessageExt> messages, ConsumeOrderlyContext context) -> {
        for (MessageExt message : messages) {
          AtomicInteger count = inside.computeIfAbsent(message.getQueueId(), q -> new AtomicInteger());
          if (count.incrementAndGet() != 1) {
            problems.add("queue " + message.getQueueId() + " is consumed twice at once, now by " + who);
          }
          try {
            Thread.sleep(2);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          count.decrementAndGet();
          synchronized (this) {
            if (suspensions == 0 && message.getQueueOffset() == 3) {
              suspensions++;
              return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            shares.merge(who, 1, Integer::sum);
            byQueue.computeIfAbsent(message.getQueueId(), q -> new ArrayList<>()).add(message);
          }
        }
        return ConsumeOrderlyStatus.SUCCESS;
      };
    }

    synchronized int size() {
      return byQueue.values().stream().mapToInt(List::size).sum();
    }

    synchronized void check(List<Message> sent) {
      Check.that(problems.isEmpty(), "%s", problems);
      List<MessageExt> all = new ArrayList<>();
      byQueue.forEach((queue, messages) -> {
        long next = 0;
        for (MessageExt message : messages) {
          Check.equal(next++, message.getQueueOffset(), "order in queue " + queue);
        }
        all.addAll(messages);
      });
      // The one suspended message comes back unchanged, so reconsumeTimes is the only thing not to compare.
      Check.sameSet(Mail.numbers(sent), Mail.numbers(all), "messages");
    }
  }

  static DefaultMQPushConsumer start(Bed bed, String group, String topic, MessageListenerOrderly listener) throws Exception {
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.setSuspendCurrentQueueTimeMillis(100);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(listener);
    consumer.start();
    return consumer;
  }

  static List<Message> sendInOrder(DefaultMQProducer producer, String topic, int count) throws Exception {
    List<Message> sent = Mail.make(topic, "ordered", count);
    for (int i = 0; i < count; i++) {
      producer.send(sent.get(i), (queues, message, arg) -> queues.get((int) arg % queues.size()), i);
    }
    return sent;
  }

  static void one(Bed bed) throws Exception {
    String topic = bed.topic(4);
    Ledger ledger = new Ledger();
    List<Message> sent = sendInOrder(bed.producer(), topic, 120);
    start(bed, bed.name("G"), topic, ledger.listener("one", new HashMap<>()));
    Check.eventually(75_000, "120 messages in order", () -> ledger.size() >= 120);
    ledger.check(sent);
  }

  static void leave(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    DefaultMQProducer producer = bed.producer();
    Ledger ledger = new Ledger();
    Map<String, Integer> shares = new HashMap<>();
    DefaultMQPushConsumer first = start(bed, group, topic, ledger.listener("first", shares));
    DefaultMQPushConsumer second = start(bed, group, topic, ledger.listener("second", shares));
    PushScenarios.awaitQueues(first, topic, 2);
    PushScenarios.awaitQueues(second, topic, 2);
    List<Message> sent = new ArrayList<>(sendInOrder(producer, topic, 80));
    Check.eventually(75_000, "80 messages in order", () -> ledger.size() >= 80);
    Check.equal(2, shares.size(), "consumers that had messages");
    // The leaver gives its locks back; the other one has all four queues soon after, not after a minute.
    second.shutdown();
    PushScenarios.awaitQueues(first, topic, 4);
    sent.addAll(sendInOrder(producer, topic, 80));
    Check.eventually(75_000, "160 messages in order", () -> ledger.size() >= 160);
    ledger.check(sent);
  }
}
