package conformance;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** A second broker, flushing synchronously and creating no topics by itself. */
final class ClusterScenarios {
  private ClusterScenarios() {}

  static void register(Suite suite) {
    suite.add("second_broker_sync_flush", ClusterScenarios::secondBroker);
    suite.add("name_server_restart", ClusterScenarios::nameServerRestart);
  }

  static void secondBroker(Bed bed) throws Exception {
    Cluster.Broker second = bed.cluster.addBroker("broker-b",
        Map.of("flushDiskType", "SYNC_FLUSH", "autoCreateTopicEnable", "false"));
    second.start();
    String topic = bed.name("T");
    bed.createTopic(bed.broker, topic, 2, 6);
    bed.createTopic(second, topic, 3, 6);
    Check.settles(30_000, () -> Check.equal(Set.of(bed.broker.name, second.name), Routes.route(bed.api(), topic), "route"));
    DefaultMQProducer producer = bed.producer();
    Inbox inbox = new Inbox();
    PushScenarios.awaitQueues(PushScenarios.start(bed, bed.name("G"), topic, "*", inbox), topic, 5);
    List<Message> sent = Mail.make(topic, "x", 50);
    Map<String, Integer> spread = new HashMap<>();
    Set<MessageQueue> used = new HashSet<>();
    for (Message message : sent) {
      SendResult result = producer.send(message);
      Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "send status");
      spread.merge(result.getMessageQueue().getBrokerName(), 1, Integer::sum);
      used.add(result.getMessageQueue());
    }
    Check.equal(5, used.size(), "queues used");
    Check.that(spread.get(bed.broker.name) >= 15 && spread.get(second.name) >= 15, "spread of the sends: %s", spread);
    Inbox.expect(sent, inbox);
    Mail.verifyAll(sent, bed.readAll(topic));

    Message nowhere = Mail.make(bed.name("Unknown"), "x");
    Check.brokerSays(17, "unknown topic on a broker without autoCreateTopicEnable",
        () -> producer.send(nowhere, new MessageQueue(nowhere.getTopic(), second.name, 0)));

    // Synchronous flush: what was acknowledged is there even if the process gets no time to say goodbye.
    List<Message> safe = Mail.make(topic, "sync", 20);
    for (Message message : safe) {
      producer.send(message, new MessageQueue(topic, second.name, 0));
    }
    second.process.kill();
    second.start();
    Check.settles(75_000, () -> {
      List<MessageExt> got = bed.readAll(topic);
      got.removeIf(m -> !"sync".equals(m.getTags()));
      Mail.verifyAll(safe, got);
    });

    // It leaves: the route forgets it and sends go to the other one.
    second.stop();
    Check.settles(60_000, () -> Check.equal(Set.of(bed.broker.name), Routes.route(bed.api(), topic), "route after the stop"));
    List<Message> rest = Mail.make(topic, "x", 10);
    PushScenarios.send(bed.producer(), rest);
  }

  /** The name server keeps nothing: brokers register again by themselves. */
  static void nameServerRestart(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    producer.send(Mail.make(topic, "x"));
    bed.cluster.namesrv.stop();
    // Known routes go on working without a name server.
    PushScenarios.send(producer, Mail.make(topic, "x", 5));
    bed.cluster.namesrv.start();
    // Brokers register every 30 s.
    Check.settles(75_000, () -> Check.equal(Set.of(bed.broker.name), Routes.route(bed.api(), topic), "route"));
    PushScenarios.send(bed.producer(), Mail.make(topic, "x", 5));
  }
}
