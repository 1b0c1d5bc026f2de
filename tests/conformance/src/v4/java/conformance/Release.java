package conformance;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;

/** What is particular to the 4.9 client. */
final class Release {
  static final String NAME = "4.9";

  private Release() {}

  static void register(Suite suite) {}

  static void broadcast(DefaultMQPushConsumer consumer) {
    consumer.setMessageModel(MessageModel.BROADCASTING);
  }
}
