import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Sends ten messages to a new topic and consumes them in a new group: an unchanged RocketMQ client against MerlinMQ. */
public class Demo {
  private static final int COUNT = 10;

  public static void main(String[] args) throws Exception {
    String nameserver = args.length > 0 ? args[0] : "127.0.0.1:9876";
    String run = Long.toString(System.currentTimeMillis(), 36);
    String topic = "DemoTopic";

    DefaultMQProducer producer = new DefaultMQProducer("demo_producer");
    producer.setNamesrvAddr(nameserver);
    producer.start();
    Set<String> waiting = ConcurrentHashMap.newKeySet();
    for (int i = 0; i < COUNT; i++) {
      String body = "hello " + i + " of run " + run;
      waiting.add(body);
      SendResult result = producer.send(new Message(topic, "demo", body.getBytes(StandardCharsets.UTF_8)), 10_000);
      if (result.getSendStatus() != SendStatus.SEND_OK) throw new IllegalStateException("send answered " + result);
      System.out.printf("sent     %-24s queue %d offset %d%n", body, result.getMessageQueue().getQueueId(), result.getQueueOffset());
    }

    CountDownLatch done = new CountDownLatch(COUNT);
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("demo_consumer_" + run);
    consumer.setNamesrvAddr(nameserver);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "demo");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt message : messages) {
        String body = new String(message.getBody(), StandardCharsets.UTF_8);
        if (!waiting.remove(body)) continue;  // of an earlier demo
        System.out.printf("consumed %-24s queue %d offset %d%n", body, message.getQueueId(), message.getQueueOffset());
        done.countDown();
      }
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    boolean all = done.await(60, TimeUnit.SECONDS);
    consumer.shutdown();
    producer.shutdown();
    if (!all) {
      System.err.println("not consumed within 60 s: " + waiting);
      System.exit(1);
    }
    System.out.println("ten sent, ten consumed");
    System.exit(0);
  }
}
