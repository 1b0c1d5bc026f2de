package conformance;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Topics with queue.type=BatchCQ: a batch is one record, which the client takes apart. On a broker of its own. */
final class BatchQueueScenarios {
  private BatchQueueScenarios() {}

  static void register(Suite suite) {
    suite.add("batch_queue_whole_batches", BatchQueueScenarios::wholeBatches);
  }

  private static TopicConfig config(String topic, int queues, String type) {
    TopicConfig config = new TopicConfig(topic, queues, queues, 6);
    config.setAttributes(Map.of("+queue.type", type));
    return config;
  }

  private static void wholeBatches(Bed bed) throws Exception {
    Cluster.Broker broker = bed.cluster.new Broker("broker-batch", Map.of("brokerClusterName", "BatchCluster",
        "maxTransferCountOnMessageInMemory", "1000"));
    bed.closing(broker::stop);
    broker.start();
    String topic = bed.name("T");
    bed.api().createTopic(broker.addr(), "TBW102", config(topic, 2, "BatchCQ"), Bed.CALL_MS);
    Check.settles(10_000, () -> Check.that(Routes.route(bed.api(), topic).contains(broker.name), "the topic has a route"));
    MessageQueue queue = new MessageQueue(topic, broker.name, 0);
    DefaultMQPullConsumer reader = bed.pull(bed.name("G"));
    Check.equal(-1L, reader.minOffset(queue), "lowest offset of an empty batch queue");
    Check.equal(0L, reader.maxOffset(queue), "highest offset of an empty batch queue");
    refuseAnotherType(bed, broker, topic);

    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = bed.newPush(bed.name("G"));
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(inbox);
    consumer.start();

    DefaultMQProducer producer = bed.producer();
    List<Message> sent = new ArrayList<>();
    List<Long> bases = new ArrayList<>();
    for (int round = 0; round < 20; round++) {
      bases.add((long) sent.size());
      sent.addAll(sendBatch(producer, queue, 1 + 5 * (round % 4), sent.size()));
      if (round % 7 == 6) {
        Message single = Mail.make(topic, "single");
        Check.equal((long) sent.size(), producer.send(single, queue).getQueueOffset(), "queue offset of a single message");
        sent.add(single);
      }
    }
    Check.settles(30_000, () -> Check.equal((long) sent.size(), reader.maxOffset(queue), "highest offset"));
    verify(sent, Bed.readQueue(reader, queue));
    Check.settles(60_000, () -> Check.sameSet(Mail.numbers(sent), Mail.numbers(inbox.all()), "what the push consumer got"));
    fromTheMidst(reader, queue, bases);
    Check.equal(0L, reader.searchOffset(queue, System.currentTimeMillis() - 600_000), "offset of ten minutes ago");
    sent.addAll(wakes(producer, reader, queue, sent.size()));

    broker.restart();
    Check.settles(75_000, () -> verify(sent, Bed.readQueue(reader, queue)));
    sent.addAll(sendBatch(producer, queue, 9, sent.size()));
    Check.settles(30_000, () -> verify(sent, Bed.readQueue(reader, queue)));
    Check.settles(60_000, () -> Check.sameSet(Mail.numbers(sent), Mail.numbers(inbox.all()), "what the push consumer got"));
    Check.equal(sent.size(), inbox.size(), "each message once");
  }

  private static void refuseAnotherType(Bed bed, Cluster.Broker broker, String topic) throws Exception {
    try {
      bed.api().createTopic(broker.addr(), "TBW102", config(topic, 2, "SimpleCQ"), Bed.CALL_MS);
    } catch (MQClientException | MQBrokerException refusal) {
      Check.that(refusal.getMessage().contains("queue.type"), "the refusal names the attribute: %s", refusal.getMessage());
      return;
    }
    Check.that(false, "the queue type of a topic was changed");
  }

  /** One id for all of the batch: it is one record. */
  private static List<Message> sendBatch(DefaultMQProducer producer, MessageQueue queue, int count, long offset)
      throws Exception {
    List<Message> some = Mail.make(queue.getTopic(), "batch", count);
    SendResult result = producer.send(some, queue);
    Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status");
    Check.equal(offset, result.getQueueOffset(), "first queue offset");
    Check.equal(1, result.getMsgId().split(",").length, "number of unique ids");
    Check.equal(1, result.getOffsetMsgId().split(",").length, "number of broker ids");
    return some;
  }

  private static void verify(List<Message> sent, List<MessageExt> got) {
    Check.equal(Mail.numbers(sent), Mail.numbers(got), "messages in order");
    for (int i = 0; i < sent.size(); i++) {
      Check.equal((long) i, got.get(i).getQueueOffset(), "queue offset");
      Check.bytes(sent.get(i).getBody(), got.get(i).getBody(), "body at " + i);
      Check.equal(sent.get(i).getFlag(), got.get(i).getFlag(), "flag at " + i);
      Check.equal(MessageClientIDSetter.getUniqID(sent.get(i)), MessageClientIDSetter.getUniqID(got.get(i)), "id at " + i);
    }
  }

  /** A pull that begins in the midst of a batch gets all of it, and goes on behind it. */
  private static void fromTheMidst(DefaultMQPullConsumer reader, MessageQueue queue, List<Long> bases) throws Exception {
    long base = bases.get(3);
    long next = bases.get(4);
    Check.equal(16L, next - base, "size of the batch");
    PullResult result = reader.pull(queue, "*", base + 5, 16);
    Check.equal(PullStatus.FOUND, result.getPullStatus(), "status of a pull from the midst");
    Check.equal(base, result.getMsgFoundList().get(0).getQueueOffset(), "first offset of a pull from the midst");
    Check.equal(16, result.getMsgFoundList().size(), "messages of a pull from the midst");
    Check.equal(next, result.getNextBeginOffset(), "next offset of a pull from the midst");
  }

  private static List<Message> wakes(DefaultMQProducer producer, DefaultMQPullConsumer reader, MessageQueue queue, long end)
      throws Exception {
    CompletableFuture<PullResult> waiting = CompletableFuture.supplyAsync(() -> {
      try {
        return reader.pullBlockIfNotFound(queue, "*", end, 32);
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    });
    Thread.sleep(500);
    List<Message> late = sendBatch(producer, queue, 4, end);
    PullResult woken = waiting.get(14, TimeUnit.SECONDS);
    Check.equal(PullStatus.FOUND, woken.getPullStatus(), "the pull that waited");
    Check.equal(Mail.numbers(late), Mail.numbers(woken.getMsgFoundList()), "what it was woken for");
    return late;
  }
}
