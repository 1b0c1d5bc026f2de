package conformance;

import com.alibaba.fastjson.JSONObject;
import com.sun.management.GarbageCollectionNotificationInfo;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;
import javax.management.NotificationEmitter;
import javax.management.openmbean.CompositeData;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Many queues side by side, each idle for a random time before its next message, and one real consumer of one kind: how long after a message was
 * stored is it at the listener. What this JVM itself was late by (its generator, its garbage collector, a thread that only sleeps) is
 * measured beside, and told for each of the slowest deliveries. The last line is a JSON object.
 * Arguments: name server, broker, kind (push, orderly, lite, tag, sql), queues, longest pause in ms, messages, seed.
 */
public final class Sparse {
  private static final int WARM_ROUNDS = 10;
  private static final long HICCUP_NS = 1_000_000;
  private static final String NUMBER = "n";

  /** A time in which this JVM did not do what it should have: both ends by the clock of nanoTime. */
  private record Stall(String what, long from, long to) {}

  private record Delivery(int number, long sentNs, long tookNs, long storedMs) {}

  private final String namesrv;
  private final String kind;
  private final int queues;
  private final long idleNs;
  private final int count;
  private final Random random;
  private final String topic;
  private final int warm;
  private final AtomicLongArray sentNs;
  private final AtomicLongArray lagNs;
  private final AtomicLongArray got;
  private final AtomicInteger delivered = new AtomicInteger();
  private final AtomicInteger duplicates = new AtomicInteger();
  private final AtomicInteger foreign = new AtomicInteger();
  private final AtomicInteger refused = new AtomicInteger();
  private final ConcurrentLinkedQueue<Delivery> deliveries = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<Stall> stalls = new ConcurrentLinkedQueue<>();
  private volatile boolean running = true;

  private Sparse(String[] args) {
    namesrv = args[0];
    kind = args[2];
    queues = Integer.parseInt(args[3]);
    idleNs = Long.parseLong(args[4]) * 1_000_000;
    count = Integer.parseInt(args[5]);
    random = new Random(Long.parseLong(args[6]));
    topic = "sparse_" + kind;
    warm = WARM_ROUNDS * queues;
    sentNs = new AtomicLongArray(warm + count);
    lagNs = new AtomicLongArray(warm + count);
    got = new AtomicLongArray(warm + count);
  }

  public static void main(String[] args) throws Exception {
    int status = 1;
    try {
      new Sparse(args).run(args[1]);
      status = 0;
    } catch (Exception | AssertionError e) {
      System.err.println("Exception: " + e);
    }
    // Clients take seconds to say good-bye.
    Runtime.getRuntime().halt(status);
  }

  private void configure(ClientConfig client) {
    client.setNamesrvAddr(namesrv);
    client.setClientIP("127.0.0.1");
    client.setVipChannelEnabled(false);
    client.setPollNameServerInterval(1_000);
  }

  private void run(String broker) throws Exception {
    DefaultMQProducer producer = new DefaultMQProducer("sparse_producer");
    configure(producer);
    producer.setSendMsgTimeout(10_000);
    producer.setRetryTimesWhenSendAsyncFailed(0);
    producer.start();
    producer.getDefaultMQProducerImpl().getMqClientFactory().getMQClientAPIImpl()
        .createTopic(broker, "TBW102", new TopicConfig(topic, queues, queues, 6), 5_000);
    List<MessageQueue> where = routeOf(producer);
    consume();
    watchMyself();
    for (int number = 0; number < warm; number++) {
      // A queue that has no consumer yet would only lengthen the warm-up.
      send(producer, where.get(number % queues), number, System.nanoTime());
      if (number % queues == queues - 1) {
        awaitDelivered(number + 1 - queues, 10_000);
        LockSupport.parkNanos(50_000_000);
      }
    }
    if (awaitDelivered(warm, 30_000) < warm) {
      throw new IllegalStateException("only " + delivered + " of " + warm + " messages of the warm-up were delivered within 30 s");
    }
    System.gc();
    LockSupport.parkNanos(2_000_000_000);
    deliveries.clear();
    stalls.clear();
    System.out.println("ready");
    System.out.flush();
    long start = System.nanoTime();
    generate(producer, where, start);
    long seconds = (System.nanoTime() - start) / 1_000_000_000;
    awaitDelivered(warm + count, 30_000);
    LockSupport.parkNanos(200_000_000);
    running = false;
    report(start, seconds);
  }

  private List<MessageQueue> routeOf(DefaultMQProducer producer) throws Exception {
    long end = System.nanoTime() + 30_000_000_000L;
    while (true) {
      try {
        List<MessageQueue> found = new ArrayList<>(producer.fetchPublishMessageQueues(topic));
        if (found.size() == queues) {
          Collections.sort(found);
          return found;
        }
      } catch (Exception e) {
        if (System.nanoTime() > end) {
          throw e;
        }
      }
      Thread.sleep(100);
    }
  }

  private void generate(DefaultMQProducer producer, List<MessageQueue> where, long start) throws Exception {
    PriorityQueue<long[]> turns = new PriorityQueue<>(Comparator.comparingLong(turn -> turn[0]));
    for (int queue = 0; queue < queues; queue++) {
      turns.add(new long[] {start + pause(), queue});
    }
    for (int number = warm; number < warm + count; number++) {
      long[] turn = turns.poll();
      for (long left = turn[0] - System.nanoTime(); left > 0; left = turn[0] - System.nanoTime()) {
        LockSupport.parkNanos(left);
      }
      send(producer, where.get((int) turn[1]), number, turn[0]);
      turns.add(new long[] {turn[0] + pause(), turn[1]});
    }
  }

  private long pause() {
    return (long) (random.nextDouble() * idleNs);
  }

  private void send(DefaultMQProducer producer, MessageQueue queue, int number, long dueNs) throws Exception {
    Message message = new Message(topic, "hit", "", new byte[64]);
    message.putUserProperty("kind", "hit");
    message.putUserProperty(NUMBER, Integer.toString(number));
    long now = System.nanoTime();
    sentNs.set(number, now);
    lagNs.set(number, now - dueNs);
    producer.send(message, queue, new SendCallback() {
      @Override
      public void onSuccess(SendResult result) {}

      @Override
      public void onException(Throwable e) {
        refused.incrementAndGet();
      }
    });
  }

  private void take(List<MessageExt> messages) {
    long now = System.nanoTime();
    long wall = System.currentTimeMillis();
    for (MessageExt message : messages) {
      String text = message.getUserProperty(NUMBER);
      if (text == null) {
        foreign.incrementAndGet();
        continue;
      }
      int number = Integer.parseInt(text);
      if (got.getAndIncrement(number) > 0) {
        duplicates.incrementAndGet();
        continue;
      }
      deliveries.add(new Delivery(number, sentNs.get(number), now - sentNs.get(number), wall - message.getStoreTimestamp()));
      delivered.incrementAndGet();
    }
  }

  private int awaitDelivered(int wanted, long limitMs) throws InterruptedException {
    long end = System.nanoTime() + limitMs * 1_000_000;
    while (delivered.get() < wanted && System.nanoTime() < end) {
      Thread.sleep(20);
    }
    return delivered.get();
  }

  private void consume() throws Exception {
    if (kind.equals("lite")) {
      lite();
      return;
    }
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("sparse_" + kind);
    configure(consumer);
    switch (kind) {
      case "tag" -> consumer.subscribe(topic, "hit");
      case "sql" -> consumer.subscribe(topic, MessageSelector.bySql("kind = 'hit'"));
      default -> consumer.subscribe(topic, "*");
    }
    if (kind.equals("orderly")) {
      consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
        take(messages);
        return ConsumeOrderlyStatus.SUCCESS;
      });
    } else {
      consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
        take(messages);
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
      });
    }
    // What is sent while the consumer still asks for its offsets is no message to skip.
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.start();
    var table = consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable();
    Check.eventually(90_000, "all queues are assigned to the consumer",
        () -> table.size() >= queues && (!kind.equals("orderly") || table.values().stream().allMatch(queue -> queue.isLocked())));
  }

  /** Its threads pull with waiting, one queue at a time: fewer threads than queues would be late by design of the client. */
  private void lite() throws Exception {
    DefaultLitePullConsumer consumer = new DefaultLitePullConsumer("sparse_lite");
    configure(consumer);
    consumer.setPullThreadNums(queues);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "*");
    consumer.start();
    Thread poller = new Thread(() -> {
      while (running) {
        take(consumer.poll(1_000));
      }
    }, "poller");
    poller.setDaemon(true);
    poller.start();
    Check.eventually(90_000, "all queues are assigned to the consumer", () -> consumer.assignment().size() >= queues);
  }

  private void watchMyself() {
    Thread thread = new Thread(() -> {
      while (running) {
        long before = System.nanoTime();
        LockSupport.parkNanos(1_000_000);
        long now = System.nanoTime();
        if (now - before > 1_000_000 + HICCUP_NS) {
          stalls.add(new Stall("sleep", before + 1_000_000, now));
        }
      }
    }, "jitter");
    thread.setDaemon(true);
    thread.start();
    long jvmStart = ManagementFactory.getRuntimeMXBean().getStartTime();
    long offsetNs = System.nanoTime() - (System.currentTimeMillis() - jvmStart) * 1_000_000;
    for (GarbageCollectorMXBean collector : ManagementFactory.getGarbageCollectorMXBeans()) {
      ((NotificationEmitter) collector).addNotificationListener((notification, handback) -> {
        var info = GarbageCollectionNotificationInfo.from((CompositeData) notification.getUserData()).getGcInfo();
        stalls.add(new Stall("gc", offsetNs + info.getStartTime() * 1_000_000, offsetNs + info.getEndTime() * 1_000_000));
      }, null, null);
    }
  }

  private static double ms(long ns) {
    return Math.round(ns / 1e4) / 100.0;
  }

  private long longest(String what, long from, long to) {
    return stalls.stream().filter(s -> s.what.equals(what) && s.from <= to && s.to >= from).mapToLong(s -> s.to - s.from).max().orElse(0);
  }

  private static JSONObject quantiles(long[] sorted) {
    JSONObject result = new JSONObject(true);
    for (double q : new double[] {0.5, 0.99, 0.999, 1}) {
      int rank = (int) Math.ceil(q * sorted.length) - 1;
      result.put(q == 1 ? "max" : "p" + (q * 100 == Math.rint(q * 100) ? String.valueOf((int) (q * 100)) : String.valueOf(q * 100)),
          sorted.length == 0 ? 0 : ms(sorted[Math.max(rank, 0)]));
    }
    return result;
  }

  private void report(long start, long seconds) {
    List<Delivery> all = new ArrayList<>(deliveries);
    JSONObject out = new JSONObject(true);
    out.put("kind", kind);
    out.put("queues", queues);
    out.put("seconds", seconds);
    out.put("sent", count);
    out.put("delivered", all.size());
    out.put("lost", count - all.size());
    out.put("duplicates", duplicates.get());
    out.put("foreign", foreign.get());
    out.put("refused", refused.get());
    out.put("stored_to_delivered_ms", quantiles(all.stream().mapToLong(d -> d.storedMs * 1_000_000).sorted().toArray()));
    out.put("sent_to_delivered_ms", quantiles(all.stream().mapToLong(d -> d.tookNs).sorted().toArray()));
    long[] lag = new long[count];
    Arrays.setAll(lag, i -> lagNs.get(warm + i));
    Arrays.sort(lag);
    out.put("generator_lag_ms", quantiles(lag));
    out.put("gc_max_ms", ms(longest("gc", start, Long.MAX_VALUE)));
    out.put("sleep_late_max_ms", ms(longest("sleep", start, Long.MAX_VALUE)));
    JSONObject within = new JSONObject(true);
    for (long limit : new long[] {0, 1, 2, 5, 10, 19, 50, 100, 1000, 5000}) {
      within.put(String.valueOf(limit), all.stream().filter(d -> d.storedMs <= limit).count());
    }
    out.put("stored_to_delivered_within_ms", within);
    List<JSONObject> slowest = new ArrayList<>();
    all.stream().sorted(Comparator.comparingLong((Delivery d) -> -d.storedMs).thenComparingLong(d -> -d.tookNs)).limit(10).forEach(d -> {
      JSONObject one = new JSONObject(true);
      one.put("stored_to_delivered_ms", d.storedMs);
      one.put("sent_to_delivered_ms", ms(d.tookNs));
      one.put("at_s", ms((d.sentNs - start) / 1000));
      one.put("generator_lag_ms", ms(lagNs.get(d.number)));
      one.put("gc_ms", ms(longest("gc", d.sentNs, d.sentNs + d.tookNs)));
      one.put("sleep_late_ms", ms(longest("sleep", d.sentNs, d.sentNs + d.tookNs)));
      slowest.add(one);
    });
    out.put("slowest", slowest);
    System.out.println(out.toJSONString());
    System.out.flush();
    // Who started this looks at the process once more.
    LockSupport.parkNanos(500_000_000);
  }
}
