package conformance;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;

/** What is particular to the 5.x client. */
final class Release {
  static final String NAME = "5.5";

  private Release() {}

  static void register(Suite suite) {
    ModernScenarios.register(suite);
    AdminScenarios.register(suite);
    OffsetScenarios.register(suite);
    RetryAdminScenarios.register(suite);
    BatchQueueScenarios.register(suite);
  }

  static void broadcast(DefaultMQPushConsumer consumer) {
    consumer.setMessageModel(MessageModel.BROADCASTING);
  }

  /** The newest messages of a topic with this tag. */
  static List<MessageExt> byTag(Bed bed, String topic, String tag, int max) throws Exception {
    return AdminTool.client(bed).queryMessage(null, topic, tag, max, 0, Long.MAX_VALUE, "T", null).getMessageList();
  }

  static void deleteTopicInNameServer(MQClientAPIImpl api, String namesrv, String topic) throws Exception {
    api.deleteTopicInNameServer(namesrv, Cluster.CLUSTER_NAME, topic, Bed.CALL_MS);
  }
}
