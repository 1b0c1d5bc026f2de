package conformance;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Light queues (LMQ): one message in many queues, on a broker of its own that has them. */
final class LightScenarios {
  private static final String DISPATCH = "INNER_MULTI_DISPATCH";
  private static final String OFFSETS = "INNER_MULTI_QUEUE_OFFSET";

  private LightScenarios() {}

  static void register(Suite suite) {
    suite.add("light_queues_one_message_in_many_queues", LightScenarios::many);
  }

  private static Message light(String topic, String names) {
    Message message = Mail.make(topic, "x");
    message.putUserProperty(DISPATCH, names);
    return message;
  }

  /** The bodies of a light queue, pulled one by one; each record says its place in it. */
  private static List<String> read(DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
    List<String> numbers = new ArrayList<>();
    long end = consumer.maxOffset(queue);
    for (long next = consumer.minOffset(queue); next < end;) {
      PullResult result = consumer.pull(queue, "*", next, 32);
      Check.equal(PullStatus.FOUND, result.getPullStatus(), "pull of " + queue + " at " + next);
      for (MessageExt message : result.getMsgFoundList()) {
        List<String> names = List.of(message.getProperty(DISPATCH).split(","));
        String[] offsets = message.getProperty(OFFSETS).split(",");
        Check.equal(String.valueOf(next), offsets[names.indexOf(queue.getTopic())], "place in " + queue.getTopic());
        Mail.verify(message);
        numbers.add(Mail.number(message));
        next++;
      }
      Check.equal(next, result.getNextBeginOffset(), "nextBeginOffset of " + queue);
    }
    return numbers;
  }

  private static void many(Bed bed) throws Exception {
    Cluster.Broker broker = bed.closing(new Closing(bed.cluster.new Broker("broker-light", Map.of("brokerClusterName",
        "LightCluster", "enableLmq", "true", "enableMultiDispatch", "true")))).broker;
    broker.start();
    String topic = bed.name("T");
    bed.createTopic(broker, topic, 2, 6);
    DefaultMQProducer producer = bed.producer();
    DefaultMQPullConsumer consumer = new DefaultMQPullConsumer("%LMQ%group");
    bed.configure(consumer);
    // The route of a light queue is nowhere: the client knows the broker by the ordinary topic.
    consumer.setRegisterTopics(Set.of(topic));
    consumer.start();
    bed.closing(consumer::shutdown);
    MessageQueue a = new MessageQueue("%LMQ%a", broker.name, 0);
    MessageQueue b = new MessageQueue("%LMQ%b", broker.name, 0);
    List<String> inA = new ArrayList<>();
    List<String> inB = new ArrayList<>();
    for (int i = 0; i < 60; i++) {
      boolean both = i % 3 == 0;
      Message message = light(topic, both ? "%LMQ%a,%LMQ%b" : "%LMQ%a");
      producer.send(message, new MessageQueue(topic, broker.name, i % 2));
      inA.add(Mail.number(message));
      if (both) {
        inB.add(Mail.number(message));
      }
    }
    Check.settles(20_000, () -> Check.equal(inA, read(consumer, a), "messages in a"));
    Check.settles(20_000, () -> Check.equal(inB, read(consumer, b), "messages in b"));
    Check.equal(30L, consumer.maxOffset(new MessageQueue(topic, broker.name, 0)), "the topic's own queue");
    Check.equal(0L, consumer.searchOffset(a, System.currentTimeMillis() - 600_000), "offset of ten minutes ago");

    // A pull that waits in a light queue wakes for a message to the ordinary topic.
    CompletableFuture<PullResult> waiting = CompletableFuture.supplyAsync(() -> {
      try {
        return consumer.pullBlockIfNotFound(b, "*", 20, 10);
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    });
    Thread.sleep(500);
    Message late = light(topic, "%LMQ%b");
    producer.send(late, new MessageQueue(topic, broker.name, 1));
    PullResult woken = waiting.get(14, TimeUnit.SECONDS);
    Check.equal(PullStatus.FOUND, woken.getPullStatus(), "the pull that waited");
    Check.equal(Mail.number(late), Mail.number(woken.getMsgFoundList().get(0)), "what it was woken for");
    inB.add(Mail.number(late));

    // Straight to a light queue that nobody has named before: its topic needs no creation.
    MessageQueue c = new MessageQueue("%LMQ%c", broker.name, 0);
    Message direct = Mail.make(c.getTopic(), "x");
    SendResult placed = producer.send(direct, c);
    Check.equal(0L, placed.getQueueOffset(), "offset of the first message sent to c");
    Check.settles(30_000, () -> Mail.verifyAll(List.of(direct), Bed.readQueue(consumer, c)));

    Check.settles(20_000, () -> {
      consumer.updateConsumeOffset(a, 42);
      consumer.getOffsetStore().persist(a);
      Check.equal(42L, consumer.fetchConsumeOffset(a, true), "committed offset");
    });
    broker.restart();
    Check.settles(75_000, () -> Check.equal(inA, read(consumer, a), "messages in a after a restart"));
    Check.equal(inB, read(consumer, b), "messages in b after a restart");
    Check.equal(42L, consumer.fetchConsumeOffset(a, true), "committed offset after a restart");
    String file = Files.readString(Path.of(broker.store.toString(), "config", "lmqConsumerOffset.json")).replaceAll("\\s", "");
    Check.that(file.contains("\"%LMQ%a@%LMQ%group\":42"), "the offset in lmqConsumerOffset.json: %s", file.replace("%", "%%"));
    String topics = Files.readString(Path.of(broker.store.toString(), "config", "topics.json"));
    Check.that(!topics.contains("\"%LMQ%"), "light queues stand in topics.json");
    Message next = light(topic, "%LMQ%b,%LMQ%a");
    producer.send(next, new MessageQueue(topic, broker.name, 0));
    inA.add(Mail.number(next));
    inB.add(Mail.number(next));
    Check.settles(30_000, () -> Check.equal(inA, read(consumer, a), "messages in a"));
    Check.settles(30_000, () -> Check.equal(inB, read(consumer, b), "messages in b"));
  }

  private record Closing(Cluster.Broker broker) implements AutoCloseable {
    @Override
    public void close() throws Exception {
      broker.stop();
    }
  }
}
