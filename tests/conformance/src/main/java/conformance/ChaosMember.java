package conformance;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * A client of the chaos rig in a JVM of its own, so that it can be killed. What happens to it stands in a file, a line for each message, written
 * before the client goes on: the lines of a killed process are still there. Times are of the clock all processes of a machine share.
 * Arguments: consume or produce, name server, the file, a name; a producer also: messages a second, seed.
 */
public final class ChaosMember {
  static final String PLAIN = "T_chaos_plain";
  static final String ORDERED = "T_chaos_ordered";
  static final int QUEUES = 4;
  private static final int PLAIN_SENDERS = 3;

  private final FileChannel journal;
  private final String namesrv;
  private final String name;
  private volatile boolean running = true;

  private ChaosMember(String[] args) throws IOException {
    namesrv = args[1];
    journal = FileChannel.open(Path.of(args[2]), StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
    name = args[3];
  }

  public static void main(String[] args) throws Exception {
    ChaosMember member = new ChaosMember(args);
    if (args[0].equals("consume")) {
      member.consume();
    } else {
      member.produce(Integer.parseInt(args[4]), Long.parseLong(args[5]));
    }
  }

  private void note(String line) {
    try {
      journal.write(ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8)));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private void configure(ClientConfig client) {
    client.setNamesrvAddr(namesrv);
    client.setClientIP("127.0.0.1");
    client.setInstanceName(name);
    client.setVipChannelEnabled(false);
    client.setPollNameServerInterval(1_000);
    client.setHeartbeatBrokerInterval(1_000);
    client.setPersistConsumerOffsetInterval(1_000);
  }

  static byte[] body(String topic, long number) {
    Random r = new Random(topic.hashCode() * 31L + number);
    byte[] body = new byte[r.nextInt(400) + 1];
    r.nextBytes(body);
    return body;
  }

  // ---- consuming

  private void consume() throws Exception {
    List<DefaultMQPushConsumer> consumers = new ArrayList<>();
    for (String topic : new String[] {PLAIN, ORDERED}) {
      DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("G_" + topic);
      configure(consumer);
      consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
      consumer.setConsumeThreadMin(4);
      consumer.setConsumeThreadMax(4);
      consumer.setSuspendCurrentQueueTimeMillis(100);
      consumer.subscribe(topic, "*");
      if (topic.equals(PLAIN)) {
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
          take(topic, messages);
          return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
      } else {
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
          take(topic, messages);
          return ConsumeOrderlyStatus.SUCCESS;
        });
      }
      consumer.start();
      consumers.add(consumer);
    }
    CountDownLatch over = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      consumers.forEach(DefaultMQPushConsumer::shutdown);
      note("left " + System.nanoTime());
      over.countDown();
    }));
    note("joined " + System.nanoTime());
    over.await();
  }

  private void take(String topic, List<MessageExt> messages) {
    for (MessageExt message : messages) {
      long begin = System.nanoTime();
      long number = Long.parseLong(String.valueOf(message.getUserProperty(Mail.NUMBER)));
      if (!message.getTopic().equals(topic) || !java.util.Arrays.equals(body(topic, number), message.getBody())) {
        note("wrong " + message);
      }
      if (topic.equals(ORDERED)) {
        pause(1);
      }
      note("got " + topic + " " + message.getBrokerName() + " " + message.getQueueId() + " " + message.getQueueOffset() + " " + number + " "
          + message.getReconsumeTimes() + " " + begin + " " + System.nanoTime());
    }
  }

  private static void pause(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  // ---- producing

  private void produce(int rate, long seed) throws Exception {
    List<Thread> threads = new ArrayList<>();
    AtomicLong next = new AtomicLong();
    DefaultMQProducer producer = new DefaultMQProducer("P_chaos");
    configure(producer);
    producer.setSendMsgTimeout(2_000);
    // Sent again by this class instead of by the client, in the same way, so that each try can be counted.
    producer.setRetryTimesWhenSendFailed(0);
    producer.start();
    List<MessageQueue> queues = new ArrayList<>(producer.fetchPublishMessageQueues(ORDERED));
    Collections.sort(queues);
    int pauseMs = Math.max(1, 1000 * (PLAIN_SENDERS + queues.size()) / rate);
    for (int i = 0; i < PLAIN_SENDERS; i++) {
      threads.add(new Thread(() -> {
        while (running) {
          send(producer, PLAIN, next.incrementAndGet(), null);
          pause(pauseMs);
        }
      }));
    }
    for (MessageQueue queue : queues) {
      // The numbers of a queue go up by one; the next is sent when this one was acknowledged.
      threads.add(new Thread(() -> {
        for (long number = 1; running; number++) {
          send(producer, ORDERED, number, queue);
          pause(pauseMs);
        }
      }));
    }
    threads.forEach(Thread::start);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      running = false;
      try {
        for (Thread thread : threads) {
          thread.join();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      note("left " + System.nanoTime());
    }));
    for (Thread thread : threads) {
      thread.join();
    }
  }

  /** Until it is acknowledged, or the rig ends. */
  private void send(DefaultMQProducer producer, String topic, long number, MessageQueue queue) {
    Message message = new Message(topic, "t", "k" + number, body(topic, number));
    message.putUserProperty(Mail.NUMBER, String.valueOf(number));
    String where = queue == null ? "-" : queue.getBrokerName() + ":" + queue.getQueueId();
    for (int tries = 1; ; tries++) {
      long begin = System.nanoTime();
      try {
        SendResult result = queue == null ? producer.send(message) : producer.send(message, queue);
        if (result.getSendStatus() == SendStatus.SEND_OK) {
          note("sent " + topic + " " + result.getMessageQueue().getBrokerName() + " " + result.getMessageQueue().getQueueId() + " "
              + result.getQueueOffset() + " " + number + " " + tries + " " + begin + " " + System.nanoTime());
          return;
        }
        note("refused " + topic + " " + number + " " + where + " " + result.getSendStatus());
      } catch (Exception e) {
        note("refused " + topic + " " + number + " " + where + " " + e.getClass().getSimpleName());
      }
      if (!running) {
        return;
      }
      pause(50);
    }
  }
}
