package conformance;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Producers send without a pause while the broker is killed by SIGKILL at random moments and started again on its store.
 * In the end every acknowledged message is at the place its answer promised, queue offsets have no gap, nothing is there that was
 * not sent, and a consumer that lived through it all has seen every acknowledged message.
 * Arguments: directory for logs, for stores, cycles, seed, flush mode.
 */
public final class KillNine {
  private static final int QUEUES = 4;
  private static final int SENDERS = 4;
  private static final String TOPIC = "T_kill_nine";

  /** What an answer promised. */
  private record Ack(long number, int queue, long offset, String offsetMsgId, int crc) {}

  private final Cluster cluster;
  private final Cluster.Broker broker;
  private final Random random;
  private final ConcurrentLinkedQueue<Ack> acks = new ConcurrentLinkedQueue<>();
  private final AtomicInteger acked = new AtomicInteger();
  private final AtomicInteger refused = new AtomicInteger();
  private final AtomicLong next = new AtomicLong();
  private final AtomicBoolean running = new AtomicBoolean(true);
  private final Set<Long> consumed = ConcurrentHashMap.newKeySet();
  private final ConcurrentLinkedQueue<Throwable> wrong = new ConcurrentLinkedQueue<>();
  private final long bodySeed;

  private KillNine(Cluster cluster, long seed, String flush) throws Exception {
    this.cluster = cluster;
    this.random = new Random(seed);
    this.bodySeed = seed;
    // Small files: crashes must also fall on the moments when files roll.
    broker = cluster.addBroker("kill-nine", Map.of("flushDiskType", flush, "mappedFileSizeCommitLog", String.valueOf(4 << 20),
        "mappedFileSizeConsumeQueue", "40000", "maxMessageSize", "1048576"));
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = System.out;
    Runtime.getRuntime().addShutdownHook(new Thread(ServerProcess::killAll));
    Path dir = Path.of(args[0]);
    int cycles = Integer.parseInt(args[2]);
    long seed = Long.parseLong(args[3]);
    out.println("seed " + seed + ", " + cycles + " cycles, " + args[4]);
    long begin = System.nanoTime();
    Cluster cluster = new Cluster(dir, Path.of(args[1]));
    Throwable problem = null;
    try {
      new KillNine(cluster, seed, args[4]).run(cycles, out);
    } catch (Exception | AssertionError e) {
      problem = e;
      try (PrintWriter trace = new PrintWriter(Files.newBufferedWriter(dir.resolve("failure.txt")))) {
        e.printStackTrace(trace);
        cluster.brokers.forEach(b -> trace.println("log of " + b.name + ": " + b.process.log));
      }
    }
    String seconds = String.format(Locale.ROOT, "%.1f", (System.nanoTime() - begin) / 1e9);
    out.println((problem == null ? "PASS " : "FAIL ") + "kill9/" + args[4] + " " + seconds
        + (problem == null ? "" : " seed " + seed + ": " + String.valueOf(problem.getMessage()).replaceAll("\\s+", " ")));
    out.println((problem == null ? 1 : 0) + " passed, " + (problem == null ? 0 : 1) + " failed");
    out.flush();
    Runtime.getRuntime().exit(problem == null ? 0 : 1);
  }

  /** The body is made from the number, so that nobody has to remember it. */
  private byte[] body(long number) {
    Random r = new Random(bodySeed * 31 + number);
    int kind = r.nextInt(100);
    byte[] body = new byte[kind < 2 ? 20_000 + r.nextInt(200_000) : kind < 20 ? r.nextInt(8_000) + 1 : r.nextInt(600) + 1];
    r.nextBytes(body);
    return body;
  }

  private static int crc(byte[] bytes) {
    CRC32 crc = new CRC32();
    crc.update(bytes);
    return (int) crc.getValue();
  }

  private Message make(long number) {
    Message message = new Message(TOPIC, "t" + number % 3, "key" + number, body(number));
    message.putUserProperty(Mail.NUMBER, String.valueOf(number));
    return message;
  }

  private void run(int cycles, PrintStream out) throws Exception {
    cluster.namesrv.start();
    broker.start();
    List<Thread> threads = new ArrayList<>();
    try (Bed bed = new Bed(cluster, "kill9")) {
      bed.api().createTopic(broker.addr(), "TBW102", new TopicConfig(TOPIC, QUEUES, QUEUES, 6), Bed.CALL_MS);
      Check.settles(30_000, () -> Routes.route(bed.api(), TOPIC));
      consumer(bed);
      for (int i = 0; i < SENDERS; i++) {
        Thread thread = new Thread(new Sender(bed, i), "sender" + i);
        thread.start();
        threads.add(thread);
      }
      for (int cycle = 1; cycle <= cycles; cycle++) {
        int before = acked.get();
        Check.eventually(75_000, "sends are acknowledged in cycle " + cycle, () -> acked.get() > before);
        int lifeMs = 50 + random.nextInt(2_000);
        Thread.sleep(lifeMs);
        broker.process.kill();
        out.println("cycle " + cycle + ": " + (acked.get() - before) + " acknowledged, killed after " + lifeMs + " ms");
        out.flush();
        long[] promised = promisedEnds();
        broker.start();
        for (int queue = 0; queue < QUEUES; queue++) {
          MessageQueue where = new MessageQueue(TOPIC, broker.name, queue);
          long end = bed.tool().maxOffset(where);
          Check.that(end >= promised[queue], "cycle %d: queue %d ends at %d, but %d was acknowledged", cycle, queue, end,
              promised[queue] - 1);
        }
      }
      int before = acked.get();
      Check.eventually(75_000, "sends after the last cycle", () -> acked.get() > before + 50);
      running.set(false);
      for (Thread thread : threads) {
        thread.join();
      }
      out.println(acked.get() + " acknowledged, " + refused.get() + " sends refused");
      verify(bed, out);
    } finally {
      running.set(false);
    }
    cluster.close();
  }

  private long[] promisedEnds() {
    long[] ends = new long[QUEUES];
    for (Ack ack : acks) {
      ends[ack.queue] = Math.max(ends[ack.queue], ack.offset + 1);
    }
    return ends;
  }

  /** Single sends; every second sender now and then sends a batch. */
  private final class Sender implements Runnable {
    private final DefaultMQProducer producer;
    private final boolean batches;

    Sender(Bed bed, int index) throws Exception {
      producer = bed.newProducer();
      producer.setSendMsgTimeout(2_000);
      // A message sent twice would be right, but here every copy has its own answer to be checked.
      producer.setRetryTimesWhenSendFailed(0);
      producer.start();
      batches = index % 2 == 1;
    }

    @Override
    public void run() {
      int turn = 0;
      while (running.get()) {
        try {
          if (batches && ++turn % 10 == 0) {
            batch();
          } else {
            single();
          }
        } catch (Exception e) {
          refused.incrementAndGet();
          pause();
        }
      }
    }

    private void single() throws Exception {
      Message message = make(next.incrementAndGet());
      note(List.of(message), producer.send(message));
    }

    private void batch() throws Exception {
      List<Message> messages = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        messages.add(make(next.incrementAndGet()));
      }
      note(messages, producer.send(messages));
    }

    private void note(List<Message> messages, SendResult result) {
      // FLUSH_DISK_TIMEOUT is no promise; anything else the client calls a success is one.
      if (result.getSendStatus() != SendStatus.SEND_OK) {
        refused.incrementAndGet();
        return;
      }
      String[] ids = result.getOffsetMsgId().split(",");
      for (int i = 0; i < messages.size(); i++) {
        Message message = messages.get(i);
        acks.add(new Ack(Long.parseLong(Mail.number(message)), result.getMessageQueue().getQueueId(), result.getQueueOffset() + i,
            ids[i], crc(message.getBody())));
        acked.incrementAndGet();
      }
    }

    private void pause() {
      try {
        Thread.sleep(20);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private void consumer(Bed bed) throws Exception {
    DefaultMQPushConsumer consumer = bed.newPush(bed.name("G"));
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(TOPIC, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt message : messages) {
        try {
          consumed.add(check(message));
        } catch (Throwable e) {
          wrong.add(e);
        }
      }
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
  }

  /** The message is one that was sent, to the last byte; returns its number. */
  private long check(MessageExt message) {
    String text = Mail.number(message);
    Check.that(text != null, "a message without a number at %d:%d", message.getQueueId(), message.getQueueOffset());
    long number = Long.parseLong(text);
    Check.that(number >= 1 && number <= next.get(), "number %d was never sent", number);
    Check.bytes(body(number), message.getBody(), "body of message " + number);
    Check.equal("t" + number % 3, message.getTags(), "tag of message " + number);
    Check.equal("key" + number, message.getKeys(), "key of message " + number);
    return number;
  }

  private void verify(Bed bed, PrintStream out) throws Exception {
    DefaultMQPullConsumer reader = bed.pull(bed.name("G"));
    long[][] numbers = new long[QUEUES][];
    Set<Long> seen = new HashSet<>();
    int total = 0;
    for (int queue = 0; queue < QUEUES; queue++) {
      numbers[queue] = readQueue(reader, new MessageQueue(TOPIC, broker.name, queue));
      total += numbers[queue].length;
      for (long number : numbers[queue]) {
        Check.that(seen.add(number), "message %d is there twice", number);
      }
    }
    for (Ack ack : acks) {
      Check.that(ack.offset < numbers[ack.queue].length, "message %d was promised %d:%d, the queue ends at %d", ack.number, ack.queue,
          ack.offset, numbers[ack.queue].length);
      Check.equal(ack.number, numbers[ack.queue][(int) ack.offset], "message promised at " + ack.queue + ":" + ack.offset);
      Check.equal(ack.crc, crc(body(ack.number)), "checksum");
    }
    // Some by the id of their answer.
    Ack[] all = acks.toArray(new Ack[0]);
    for (int i = 0; i < all.length; i += Math.max(1, all.length / 200)) {
      Check.equal(all[i].number, check(bed.tool().viewMessage(TOPIC, all[i].offsetMsgId)), "message by its id");
    }
    out.println(total + " messages in the queues, " + (total - all.length) + " of them without an answer");
    Check.settles(75_000, () -> {
      long missing = Arrays.stream(all).filter(a -> !consumed.contains(a.number)).count();
      Check.equal(0L, missing, "acknowledged messages the push consumer has not seen");
    });
    Check.that(wrong.isEmpty(), "the push consumer was given %s", wrong);
  }

  private long[] readQueue(DefaultMQPullConsumer reader, MessageQueue queue) throws Exception {
    Check.equal(0L, reader.minOffset(queue), "minOffset of " + queue);
    long[] numbers = new long[Math.toIntExact(reader.maxOffset(queue))];
    long at = 0;
    while (at < numbers.length) {
      PullResult result = reader.pull(queue, "*", at, 32);
      Check.equal(PullStatus.FOUND, result.getPullStatus(), "pull of " + queue + " at " + at + " of " + numbers.length);
      for (MessageExt message : result.getMsgFoundList()) {
        Check.equal(at, message.getQueueOffset(), "offsets of " + queue + " have no gap");
        if (at < numbers.length) {
          numbers[(int) at] = check(message);
        }
        at++;
      }
    }
    return numbers;
  }
}
