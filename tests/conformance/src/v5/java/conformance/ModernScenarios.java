package conformance;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.netty.NettyRemotingClient;

/** What only the 5.x client can do. */
final class ModernScenarios {
  private ModernScenarios() {}

  static void register(Suite suite) {
    suite.add("heartbeat_v2", ModernScenarios::heartbeatV2);
    suite.add("compression_types", ModernScenarios::compressionTypes);
    suite.add("send_batch_async", ModernScenarios::autoBatch);
    suite.add("group_namespace_v2", ModernScenarios::namespaceV2);
    suite.add("message_types", ModernScenarios::messageTypes);
    suite.add("heartbeat_v2_after_reconnecting", ModernScenarios::reconnect);
    suite.add("order_kept_when_connections_break", ModernScenarios::orderOverBreaks);
  }

  /** A consumer of tag a whose heartbeats carry only a fingerprint once the broker knows it. */
  private static DefaultMQPushConsumer fingerprinting(Bed bed, String group, String topic, Inbox inbox) throws Exception {
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setUseHeartbeatV2(true);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "a");
    consumer.registerMessageListener(inbox);
    consumer.start();
    return consumer;
  }

  /** The second heartbeat carries only a fingerprint; the broker must still know the client and its subscriptions. */
  static void heartbeatV2(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = fingerprinting(bed, group, topic, inbox);
    DefaultMQProducer producer = bed.newProducer();
    producer.setUseHeartbeatV2(true);
    producer.start();
    List<Message> sent = Mail.make(topic, "a", 20);
    PushScenarios.send(producer, sent);
    PushScenarios.send(producer, Mail.make(topic, "b", 5));
    Inbox.expect(sent, inbox);
    // Heartbeats go every second.
    Thread.sleep(3_500);
    var known = bed.api().getConsumerConnectionList(bed.broker.addr(), group, Bed.CALL_MS);
    Check.equal("a", known.getSubscriptionTable().get(topic).getSubString(), "subscription");
    // A second subscription changes the fingerprint and must arrive.
    String other = bed.topic(2);
    consumer.subscribe(other, "*");
    Check.settles(30_000, () -> Check.that(bed.api().getConsumerConnectionList(bed.broker.addr(), group, Bed.CALL_MS)
        .getSubscriptionTable().containsKey(other), "new subscription is known to the broker"));
    List<Message> more = Mail.make(topic, "a", 5);
    PushScenarios.send(producer, more);
    List<Message> all = new ArrayList<>(sent);
    all.addAll(more);
    Inbox.expect(all, inbox);
  }

  /** A client that loses its connection and makes another one keeps its locks: no queue is ever consumed by two at once. */
  static void orderOverBreaks(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    DefaultMQProducer producer = bed.producer();
    OrderScenarios.Ledger ledger = new OrderScenarios.Ledger();
    Map<String, Integer> shares = new HashMap<>();
    DefaultMQPushConsumer first = OrderScenarios.start(bed, group, topic, ledger.listener("first", shares));
    DefaultMQPushConsumer second = OrderScenarios.start(bed, group, topic, ledger.listener("second", shares));
    PushScenarios.awaitQueues(first, topic, 2);
    PushScenarios.awaitQueues(second, topic, 2);
    List<Message> sent = new ArrayList<>();
    for (int round = 0; round < 6; round++) {
      sent.addAll(OrderScenarios.sendInOrder(producer, topic, 40));
      var factory = (round % 2 == 0 ? first : second).getDefaultMQPushConsumerImpl().getmQClientFactory();
      ((NettyRemotingClient) factory.getMQClientAPIImpl().getRemotingClient()).closeChannels(List.of(bed.broker.addr()));
      Thread.sleep(500);
    }
    Check.eventually(100_000, "240 messages in order", () -> ledger.size() >= 240);
    ledger.check(sent);
  }

  /** Version 2 goes in two header fields of each request, which a broker passes over: names are as the application gives them. */
  static void namespaceV2(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.newProducer();
    producer.setNamespaceV2("INST2");
    producer.start();
    Inbox inbox = new Inbox();
    String group = bed.name("G");
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setNamespaceV2("INST2");
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(inbox);
    consumer.start();
    List<Message> sent = Mail.make(topic, "x", 10);
    PushScenarios.send(producer, sent);
    Inbox.expect(sent, inbox);
    Check.equal(1, bed.api().getConsumerIdListByGroup(bed.broker.addr(), group, Bed.CALL_MS).size(), "members of the group");
  }

  private static void createTyped(Bed bed, String topic, String type) throws Exception {
    TopicConfig config = new TopicConfig(topic, 1, 1, 6);
    config.getAttributes().put("+message.type", type);
    bed.api().createTopic(bed.broker.addr(), "TBW102", config, Bed.CALL_MS);
  }

  /** The type of a topic is kept and told; mixed ones are refused unless allowed; the broker takes any message in any of them. */
  static void messageTypes(Bed bed) throws Exception {
    DefaultMQProducer producer = bed.producer();
    for (String type : List.of("NORMAL", "FIFO", "DELAY", "TRANSACTION")) {
      String topic = bed.name("T" + type);
      createTyped(bed, topic, type);
      Check.settles(30_000, () -> Check.that(Routes.route(bed.api(), topic).contains(bed.broker.name), "%s in the route", topic));
      Check.equal(type, bed.api().getTopicConfig(bed.broker.addr(), topic, Bed.CALL_MS).getTopicMessageType().getValue(), "type");
      Message message = Mail.make(topic, "x");
      producer.send(message);
      Mail.verifyAll(List.of(message), bed.readAll(topic));
    }
    String mixed = bed.name("TMIXED");
    Exception refused = Check.fails(Exception.class, "a topic for mixed messages", () -> createTyped(bed, mixed, "MIXED"));
    Check.that(String.valueOf(refused.getMessage()).contains("MIXED message type is not supported."), "refused with %s", refused);
  }

  /**
   * A group whose only member lost its connection must be served again soon, though the member sends only fingerprints. Apache's
   * broker never asks for the subscriptions again, and the consumer gets nothing more.
   */
  static void reconnect(Bed bed) throws Exception {
    if (GroupScenarios.ownNumbers(bed).isEmpty()) {
      return;
    }
    String topic = bed.topic(2);
    String group = bed.name("G");
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = fingerprinting(bed, group, topic, inbox);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "a", 10);
    PushScenarios.send(producer, sent);
    Inbox.expect(sent, inbox);
    Thread.sleep(2_500);
    var remoting = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getMQClientAPIImpl().getRemotingClient();
    ((NettyRemotingClient) remoting).closeChannels(List.of(bed.broker.addr()));
    List<Message> more = Mail.make(topic, "a", 10);
    PushScenarios.send(producer, more);
    sent.addAll(more);
    Inbox.expect(sent, inbox);
    Check.settles(30_000, () -> Check.equal("a", bed.api().getConsumerConnectionList(bed.broker.addr(), group, Bed.CALL_MS)
        .getSubscriptionTable().get(topic).getSubString(), "subscription"));
  }

  static void compressionTypes(Bed bed) throws Exception {
    String topic = bed.topic(1);
    byte[] text = "all work and no play; ".repeat(2000).getBytes(StandardCharsets.UTF_8);
    List<Message> sent = new ArrayList<>();
    for (CompressionType type : CompressionType.values()) {
      DefaultMQProducer producer = bed.newProducer();
      producer.setCompressType(type);
      producer.start();
      Message message = Mail.make(topic, type.name(), text);
      producer.send(message);
      sent.add(message);
    }
    List<MessageExt> got = bed.readAll(topic);
    Mail.verifyAll(sent, got);
    for (MessageExt message : got) {
      Check.that(message.getStoreSize() < text.length / 2, "%s stored in %d bytes", message.getTags(), message.getStoreSize());
    }
  }

  /** The producer gathers single sends into batches by itself. */
  static void autoBatch(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.newProducer();
    producer.setAutoBatch(true);
    producer.start();
    List<Message> sent = Mail.make(topic, "auto", 30);
    for (Message message : sent) {
      producer.send(message);
    }
    Mail.verifyAll(sent, bed.readAll(topic));
  }
}
