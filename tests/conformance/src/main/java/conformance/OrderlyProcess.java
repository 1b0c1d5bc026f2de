package conformance;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/** An ordered consumer in a process of its own, to be killed: prints a line with queue and offset for each message. */
final class OrderlyProcess {
  private OrderlyProcess() {}

  static DefaultMQPushConsumer consumer(String namesrv, String group, String topic, String instance, MessageListenerOrderly listener)
      throws Exception {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
    consumer.setNamesrvAddr(namesrv);
    consumer.setClientIP("127.0.0.1");
    consumer.setInstanceName(instance);
    consumer.setVipChannelEnabled(false);
    consumer.setHeartbeatBrokerInterval(1_000);
    consumer.setPersistConsumerOffsetInterval(500);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.setPullBatchSize(8);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(listener);
    consumer.start();
    return consumer;
  }

  public static void main(String[] args) throws Exception {
    consumer(args[0], args[1], args[2], "killed", (List<MessageExt> messages, ConsumeOrderlyContext context) -> {
      for (MessageExt message : messages) {
        System.out.println("got " + message.getQueueId() + " " + message.getQueueOffset());
        try {
          Thread.sleep(5);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
      }
      System.out.flush();
      return ConsumeOrderlyStatus.SUCCESS;
    });
    Thread.sleep(600_000);
  }
}
