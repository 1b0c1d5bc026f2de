package conformance;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;

/** What is particular to the 4.9 client. */
final class Release {
  static final String NAME = "4.9";

  private Release() {}

  static void register(Suite suite) {}

  static void broadcast(DefaultMQPushConsumer consumer) {
    consumer.setMessageModel(MessageModel.BROADCASTING);
  }

  /** This client has no such query. */
  static List<MessageExt> byTag(Bed bed, String topic, String tag, int max) {
    throw new UnsupportedOperationException();
  }

  static void deleteTopicInNameServer(MQClientAPIImpl api, String namesrv, String topic) throws Exception {
    api.deleteTopicInNameServer(namesrv, topic, Cluster.CLUSTER_NAME, Bed.CALL_MS);
  }
}
