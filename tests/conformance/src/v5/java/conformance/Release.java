package conformance;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;

/** What is particular to the 5.x client. */
final class Release {
  static final String NAME = "5.5";

  private Release() {}

  static void register(Suite suite) {
    ModernScenarios.register(suite);
    AdminScenarios.register(suite);
  }

  static void broadcast(DefaultMQPushConsumer consumer) {
    consumer.setMessageModel(MessageModel.BROADCASTING);
  }

  static void deleteTopicInNameServer(MQClientAPIImpl api, String namesrv, String topic) throws Exception {
    api.deleteTopicInNameServer(namesrv, Cluster.CLUSTER_NAME, topic, Bed.CALL_MS);
  }
}
