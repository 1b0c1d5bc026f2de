package conformance;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** What one scenario works with: names of its own, clients that are shut down when it ends, and the cluster. */
final class Bed implements AutoCloseable {
  /** Of a call that is answered at once: a client's own 3 s are less than a busy machine may stand still. */
  static final long CALL_MS = 15_000;
  private static final AtomicInteger SERIAL = new AtomicInteger();

  final Cluster cluster;
  /** The broker every scenario may use; it is restarted, but never with another configuration. */
  final Cluster.Broker broker;
  private final String prefix;
  private final Deque<AutoCloseable> open = new ArrayDeque<>();

  Bed(Cluster cluster, String scenario) {
    this.cluster = cluster;
    this.broker = cluster.brokers.get(0);
    this.prefix = scenario;
  }

  /** A name no other scenario uses. */
  String name(String kind) {
    return kind + "_" + prefix + "_" + SERIAL.incrementAndGet();
  }

  <T extends AutoCloseable> T closing(T resource) {
    open.push(resource);
    return resource;
  }

  /** A topic that exists on the first broker and is in the route. */
  String topic(int queues) throws Exception {
    return topic(queues, 6);
  }

  String topic(int queues, int perm) throws Exception {
    String topic = name("T");
    createTopic(broker, topic, queues, perm);
    return topic;
  }

  void createTopic(Cluster.Broker where, String topic, int queues, int perm) throws Exception {
    api().createTopic(where.addr(), "TBW102", new TopicConfig(topic, queues, queues, perm), CALL_MS);
    Check.settles(30_000, () -> Check.that(Routes.route(api(), topic).contains(where.name), "%s in the route of %s",
        where.name, topic));
  }

  /** A started producer that belongs to the harness and lives as long as the suite. */
  DefaultMQProducer tool() throws Exception {
    return Routes.tool(cluster.namesrvAddr());
  }

  MQClientAPIImpl api() throws Exception {
    return api(tool());
  }

  static MQClientAPIImpl api(DefaultMQProducer producer) {
    return producer.getDefaultMQProducerImpl().getMqClientFactory().getMQClientAPIImpl();
  }

  void configure(ClientConfig client) {
    client.setNamesrvAddr(cluster.namesrvAddr());
    client.setClientIP("127.0.0.1");
    client.setInstanceName("c" + SERIAL.incrementAndGet());
    client.setVipChannelEnabled(false);
    client.setMqClientApiTimeout((int) CALL_MS);
    // Route changes must not cost half a minute; heartbeats likewise after a restart.
    client.setPollNameServerInterval(1_000);
    client.setHeartbeatBrokerInterval(1_000);
    client.setPersistConsumerOffsetInterval(1_000);
  }

  DefaultMQProducer newProducer() {
    DefaultMQProducer producer = new DefaultMQProducer(name("P"));
    configure(producer);
    producer.setSendMsgTimeout(10_000);
    closing(producer::shutdown);
    return producer;
  }

  DefaultMQProducer producer() throws Exception {
    DefaultMQProducer producer = newProducer();
    producer.start();
    return producer;
  }

  DefaultMQPushConsumer newPush(String group) {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
    configure(consumer);
    consumer.setConsumeThreadMin(4);
    consumer.setConsumeThreadMax(4);
    closing(consumer::shutdown);
    return consumer;
  }

  DefaultMQPullConsumer pull(String group) throws Exception {
    DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(group);
    configure(consumer);
    consumer.start();
    closing(consumer::shutdown);
    return consumer;
  }

  DefaultLitePullConsumer newLite(String group) {
    DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group);
    configure(consumer);
    closing(consumer::shutdown);
    return consumer;
  }

  private static final Map<String, DefaultMQPullConsumer> READERS = new HashMap<>();

  /** Every message of the topic, read queue by queue from the lowest offset; asserts that offsets have no gap. */
  List<MessageExt> readAll(String topic) throws Exception {
    DefaultMQPullConsumer reader = READERS.get(cluster.namesrvAddr());
    if (reader == null) {
      reader = new DefaultMQPullConsumer("G_harness");
      configure(reader);
      reader.start();
      READERS.put(cluster.namesrvAddr(), reader);
    }
    List<MessageExt> all = new ArrayList<>();
    for (MessageQueue queue : reader.fetchSubscribeMessageQueues(topic)) {
      all.addAll(readQueue(reader, queue));
    }
    return all;
  }

  static List<MessageExt> readQueue(DefaultMQPullConsumer reader, MessageQueue queue) throws Exception {
    List<MessageExt> all = new ArrayList<>();
    long next = reader.minOffset(queue);
    long end = reader.maxOffset(queue);
    while (next < end) {
      PullResult result = reader.pull(queue, "*", next, 32);
      Check.equal(PullStatus.FOUND, result.getPullStatus(), "pull of " + queue + " at " + next + " of " + end);
      for (MessageExt message : result.getMsgFoundList()) {
        Check.equal(next, message.getQueueOffset(), "offset of the next message of " + queue);
        next++;
        all.add(message);
      }
      Check.equal(next, result.getNextBeginOffset(), "nextBeginOffset of " + queue);
      Check.that(result.getMaxOffset() >= end, "maxOffset %d of a pull below %d", result.getMaxOffset(), end);
    }
    return all;
  }

  /** Sum over all queues of max - min. */
  long countStored(Collection<MessageQueue> queues) throws Exception {
    long sum = 0;
    for (MessageQueue queue : queues) {
      sum += tool().maxOffset(queue) - tool().minOffset(queue);
    }
    return sum;
  }

  /** A client takes seconds to shut down: that happens beside the next scenarios. */
  @Override
  public void close() {
    while (!open.isEmpty()) {
      AutoCloseable resource = open.pop();
      Thread thread = new Thread(() -> {
        try {
          resource.close();
        } catch (Exception e) {
          System.err.println("closing a client: " + e);
        }
      }, "close");
      thread.setDaemon(true);
      thread.start();
    }
  }
}
