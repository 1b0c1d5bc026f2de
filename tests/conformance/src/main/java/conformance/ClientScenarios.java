package conformance;

import java.lang.reflect.Field;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;

/** Routes, connections, and what the broker knows of its clients. */
final class ClientScenarios {
  private ClientScenarios() {}

  static void register(Suite suite) {
    suite.add("topic_route", ClientScenarios::route);
    suite.add("vip_channel", ClientScenarios::vip);
    suite.add("connections_until_unregister", ClientScenarios::unregister);
    suite.add("dead_client_is_forgotten", ClientScenarios::dead);
    suite.add("topic_deleted", ClientScenarios::deleted);
  }

  static void route(Bed bed) throws Exception {
    String topic = bed.name("T");
    bed.createTopic(bed.broker, topic, 5, 6);
    var route = bed.api().getTopicRouteInfoFromNameServer(topic, Bed.CALL_MS);
    Check.equal(1, route.getBrokerDatas().size(), "brokers");
    var broker = route.getBrokerDatas().get(0);
    Check.equal(bed.broker.name, broker.getBrokerName(), "broker name");
    Check.equal(Cluster.CLUSTER_NAME, broker.getCluster(), "cluster");
    Check.equal(Map.of(0L, bed.broker.addr()), broker.getBrokerAddrs(), "addresses");
    Check.equal(1, route.getQueueDatas().size(), "queue data");
    var queues = route.getQueueDatas().get(0);
    Check.equal(bed.broker.name, queues.getBrokerName(), "broker of the queues");
    Check.equal(5, queues.getReadQueueNums(), "read queues");
    Check.equal(5, queues.getWriteQueueNums(), "write queues");
    Check.equal(6, queues.getPerm(), "permission");
    MQClientException unknown = Check.fails(MQClientException.class, "route of an unknown topic",
        () -> bed.api().getTopicRouteInfoFromNameServer(bed.name("Unknown"), Bed.CALL_MS));
    Check.equal(17, unknown.getResponseCode(), "code for an unknown topic");
  }

  /** Addresses this client has a connection to. */
  @SuppressWarnings("unchecked")
  private static List<String> connections(DefaultMQProducer producer) throws Exception {
    Object remoting = Bed.api(producer).getRemotingClient();
    Field tables = remoting.getClass().getDeclaredField("channelTables");
    tables.setAccessible(true);
    return List.copyOf(((Map<String, ?>) tables.get(remoting)).keySet());
  }

  static void vip(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.newProducer();
    producer.setVipChannelEnabled(true);
    producer.start();
    List<Message> sent = Mail.make(topic, "vip", 10);
    PushScenarios.send(producer, sent);
    String fast = "127.0.0.1:" + (bed.broker.port - 2);
    Check.that(connections(producer).contains(fast), "a connection to %s, there are %s", fast, connections(producer));
    Mail.verifyAll(sent, bed.readAll(topic));
  }

  static void unregister(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "a || b", new Inbox());
    String id = consumer.buildMQClientId();
    Check.settles(30_000, () -> {
      var known = bed.api().getConsumerConnectionList(bed.broker.addr(), group, Bed.CALL_MS);
      Check.equal(1, known.getConnectionSet().size(), "connections of the group");
      Check.equal(id, known.getConnectionSet().iterator().next().getClientId(), "client id");
      Check.equal("CONSUME_PASSIVELY", known.getConsumeType().name(), "consume type");
      Check.equal("CLUSTERING", known.getMessageModel().name(), "message model");
      Check.equal("CONSUME_FROM_FIRST_OFFSET", known.getConsumeFromWhere().name(), "consume from where");
      Check.equal("a || b", known.getSubscriptionTable().get(topic).getSubString(), "subscription");
    });
    Check.equal(List.of(id), bed.api().getConsumerIdListByGroup(bed.broker.addr(), group, Bed.CALL_MS), "consumer ids");
    consumer.shutdown();
    Check.settles(20_000, () -> Check.brokerSays(206, "connections after unregister",
        () -> bed.api().getConsumerConnectionList(bed.broker.addr(), group, Bed.CALL_MS)));

    DefaultMQProducer producer = bed.producer();
    producer.send(Mail.make(topic, "x"));
    String producerGroup = producer.getProducerGroup();
    Check.settles(30_000, () -> Check.equal(1, bed.api().getProducerConnectionList(bed.broker.addr(), producerGroup,
        Bed.CALL_MS).getConnectionSet().size(), "connections of the producer group"));
    producer.shutdown();
    Check.settles(20_000, () -> Check.fails(Exception.class, "producer connections after unregister",
        () -> bed.api().getProducerConnectionList(bed.broker.addr(), producerGroup, Bed.CALL_MS)));
  }

  /** A client whose connection just breaks is gone as well, and its queues pass on. */
  static void dead(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer stays = PushScenarios.start(bed, group, topic, "*", inbox);
    PushScenarios.awaitQueues(stays, topic, 4);
    DefaultMQPushConsumer dies = PushScenarios.start(bed, group, topic, "*", new Inbox());
    PushScenarios.awaitQueues(stays, topic, 2);
    var factory = dies.getDefaultMQPushConsumerImpl().getmQClientFactory();
    // Only the sockets are closed: nothing tells the broker.
    factory.getMQClientAPIImpl().getRemotingClient().shutdown();
    PushScenarios.awaitQueues(stays, topic, 4);
    List<Message> sent = Mail.make(topic, "x", 20);
    PushScenarios.send(bed.producer(), sent);
    Inbox.expect(sent, inbox);
  }

  static void deleted(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    PushScenarios.send(producer, Mail.make(topic, "x", 4));
    bed.api().deleteTopicInBroker(bed.broker.addr(), topic, Bed.CALL_MS);
    // The 5.x client takes cluster, topic; the 4.9 client takes topic, cluster. The wrong order names a cluster that does not exist
    // and deletes nothing.
    Release.deleteTopicInNameServer(bed.api(), bed.cluster.namesrvAddr(), topic);
    bed.api().deleteTopicInNameServer(bed.cluster.namesrvAddr(), topic, Cluster.CLUSTER_NAME, Bed.CALL_MS);
    Check.settles(30_000, () -> Check.fails(MQClientException.class, "route of a deleted topic",
        () -> bed.api().getTopicRouteInfoFromNameServer(topic, Bed.CALL_MS)));
    // A topic of the same name begins at offset 0 again.
    bed.createTopic(bed.broker, topic, 2, 6);
    Message again = Mail.make(topic, "x");
    DefaultMQProducer fresh = bed.producer();
    Check.equal(0L, fresh.send(again).getQueueOffset(), "offset in the new topic");
    Mail.verifyAll(List.of(again), bed.readAll(topic));
  }
}
