package conformance;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** What only the 5.x client can do. */
final class ModernScenarios {
  private ModernScenarios() {}

  static void register(Suite suite) {
    suite.add("heartbeat_v2", ModernScenarios::heartbeatV2);
    suite.add("compression_types", ModernScenarios::compressionTypes);
    suite.add("send_batch_async", ModernScenarios::autoBatch);
  }

  /** The second heartbeat carries only a fingerprint; the broker must still know the client and its subscriptions. */
  static void heartbeatV2(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setUseHeartbeatV2(true);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "a");
    consumer.registerMessageListener(inbox);
    consumer.start();
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
    Check.settles(15_000, () -> Check.that(bed.api().getConsumerConnectionList(bed.broker.addr(), group, Bed.CALL_MS)
        .getSubscriptionTable().containsKey(other), "new subscription is known to the broker"));
    List<Message> more = Mail.make(topic, "a", 5);
    PushScenarios.send(producer, more);
    List<Message> all = new ArrayList<>(sent);
    all.addAll(more);
    Inbox.expect(all, inbox);
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
