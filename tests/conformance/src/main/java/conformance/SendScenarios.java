package conformance;

import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageId;
import org.apache.rocketmq.common.message.MessageQueue;

/** Sends of every kind, read back queue by queue. */
final class SendScenarios {
  private SendScenarios() {}

  static void register(Suite suite) {
    suite.add("send_sync", SendScenarios::sync);
    suite.add("send_async", SendScenarios::async);
    suite.add("send_oneway", SendScenarios::oneway);
    suite.add("send_batch", SendScenarios::batch);
    suite.add("send_to_explicit_queue", SendScenarios::explicitQueue);
    suite.add("send_with_selector", SendScenarios::selector);
    suite.add("send_queue_id_out_of_range", SendScenarios::queueOutOfRange);
    suite.add("send_body_1_mib", SendScenarios::oneMebibyte);
    suite.add("send_body_too_large", SendScenarios::tooLarge);
    suite.add("send_properties_too_large", SendScenarios::propertiesTooLarge);
    suite.add("send_compressed_body", SendScenarios::compressed);
    suite.add("send_utf8_properties", SendScenarios::utf8);
    suite.add("send_empty_tag_and_keys", SendScenarios::bare);
    suite.add("send_creates_unknown_topic", SendScenarios::autoCreate);
    suite.add("topic_permissions", SendScenarios::permissions);
    suite.add("send_concurrently_one_connection", SendScenarios::concurrently);
  }

  /** What every good answer must have; returns the message id of the broker. */
  static MessageId checkResult(Bed bed, Message message, SendResult result) throws Exception {
    Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "send status");
    Check.equal(MessageClientIDSetter.getUniqID(message), result.getMsgId(), "msgId is the unique key");
    Check.equal(message.getTopic(), result.getMessageQueue().getTopic(), "topic of the answer");
    Check.equal("DefaultRegion", result.getRegionId(), "region");
    Check.equal(true, result.isTraceOn(), "trace switch");
    MessageId id = MessageDecoder.decodeMessageId(result.getOffsetMsgId());
    Check.equal(new InetSocketAddress("127.0.0.1", bed.broker.port), id.getAddress(), "address in offsetMsgId");
    Check.that(id.getOffset() >= 0, "offset in offsetMsgId: %d", id.getOffset());
    return id;
  }

  static void sync(Bed bed) throws Exception {
    String topic = bed.topic(4);
    DefaultMQProducer producer = bed.producer();
    Map<Integer, Long> next = new HashMap<>();
    Map<String, MessageId> ids = new HashMap<>();
    Map<String, SendResult> results = new HashMap<>();
    List<Message> sent = Mail.make(topic, "tagA", 40);
    for (Message message : sent) {
      SendResult result = producer.send(message);
      ids.put(Mail.number(message), checkResult(bed, message, result));
      results.put(Mail.number(message), result);
      int queue = result.getMessageQueue().getQueueId();
      Check.equal(next.getOrDefault(queue, 0L), result.getQueueOffset(), "queue offset in queue " + queue);
      next.put(queue, result.getQueueOffset() + 1);
    }
    Check.equal(Set.of(0, 1, 2, 3), next.keySet(), "round robin reaches every queue");
    List<MessageExt> got = bed.readAll(topic);
    Mail.verifyAll(sent, got);
    for (MessageExt message : got) {
      String number = Mail.number(message);
      SendResult result = results.get(number);
      Check.equal(result.getQueueOffset(), message.getQueueOffset(), "queue offset of " + number);
      Check.equal(result.getMessageQueue().getQueueId(), message.getQueueId(), "queue of " + number);
      Check.equal(ids.get(number).getOffset(), message.getCommitLogOffset(), "physical offset of " + number);
      Check.equal(result.getMsgId(), message.getMsgId(), "unique key of " + number);
      Check.equal(bed.broker.port, ((InetSocketAddress) message.getStoreHost()).getPort(), "store host of " + number);
      Check.equal("127.0.0.1", ((InetSocketAddress) message.getBornHost()).getAddress().getHostAddress(), "born host");
      Check.equal("true", message.getProperty("WAIT"), "property WAIT");
    }
  }

  static void async(Bed bed) throws Exception {
    String topic = bed.topic(4);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "async", 200);
    Map<String, SendResult> results = new ConcurrentHashMap<>();
    ConcurrentLinkedQueue<Throwable> problems = new ConcurrentLinkedQueue<>();
    CountDownLatch done = new CountDownLatch(sent.size());
    for (Message message : sent) {
      producer.send(message, new SendCallback() {
        @Override
        public void onSuccess(SendResult result) {
          results.put(Mail.number(message), result);
          done.countDown();
        }

        @Override
        public void onException(Throwable e) {
          problems.add(e);
          done.countDown();
        }
      });
    }
    Check.that(done.await(60, TimeUnit.SECONDS), "%d of %d callbacks missing", done.getCount(), sent.size());
    Check.that(problems.isEmpty(), "asynchronous sends failed: %s", problems);
    for (Message message : sent) {
      checkResult(bed, message, results.get(Mail.number(message)));
    }
    List<MessageExt> got = bed.readAll(topic);
    Mail.verifyAll(sent, got);
    for (MessageExt message : got) {
      Check.equal(results.get(Mail.number(message)).getQueueOffset(), message.getQueueOffset(), "queue offset");
    }
  }

  static void oneway(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    List<MessageQueue> queues = producer.fetchPublishMessageQueues(topic);
    List<Message> sent = Mail.make(topic, "oneway", 60);
    for (int i = 0; i < sent.size(); i++) {
      switch (i % 3) {
        case 0 -> producer.sendOneway(sent.get(i));
        case 1 -> producer.sendOneway(sent.get(i), queues.get(1));
        default -> producer.sendOneway(sent.get(i), (all, message, arg) -> all.get((int) arg), 0);
      }
    }
    Check.eventually(30_000, "60 one-way messages stored", () -> bed.countStored(queues) == 60);
    Mail.verifyAll(sent, bed.readAll(topic));
  }

  static void batch(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = new ArrayList<>();
    Map<String, String> idOf = new HashMap<>();
    Map<Integer, Long> next = new HashMap<>();
    for (int round = 0; round < 6; round++) {
      List<Message> some = Mail.make(topic, "batch" + round, 1 + 7 * round);
      SendResult result = producer.send(some);
      Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status of a batch");
      int queue = result.getMessageQueue().getQueueId();
      Check.equal(next.getOrDefault(queue, 0L), result.getQueueOffset(), "first queue offset of a batch");
      next.put(queue, result.getQueueOffset() + some.size());
      String[] unique = result.getMsgId().split(",");
      String[] ids = result.getOffsetMsgId().split(",");
      Check.equal(some.size(), unique.length, "number of unique ids");
      Check.equal(some.size(), ids.length, "number of broker ids");
      for (int i = 0; i < some.size(); i++) {
        Check.equal(MessageClientIDSetter.getUniqID(some.get(i)), unique[i], "unique id in a batch");
        idOf.put(Mail.number(some.get(i)), ids[i]);
      }
      sent.addAll(some);
    }
    List<MessageExt> got = bed.readAll(topic);
    Mail.verifyAll(sent, got);
    for (MessageExt message : got) {
      MessageId id = MessageDecoder.decodeMessageId(idOf.get(Mail.number(message)));
      Check.equal(id.getOffset(), message.getCommitLogOffset(), "physical offset in the id of a batch");
    }
    // Messages of one batch keep their order in the queue.
    for (int queue = 0; queue < 2; queue++) {
      int last = 0;
      for (MessageExt message : got) {
        if (message.getQueueId() == queue) {
          int number = Integer.parseInt(Mail.number(message));
          Check.that(number > last, "order in queue %d: %d after %d", queue, number, last);
          last = number;
        }
      }
    }
  }

  static void explicitQueue(Bed bed) throws Exception {
    String topic = bed.topic(4);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "q", 20);
    for (int i = 0; i < sent.size(); i++) {
      SendResult result = producer.send(sent.get(i), new MessageQueue(topic, bed.broker.name, 2));
      Check.equal(2, result.getMessageQueue().getQueueId(), "queue");
      Check.equal((long) i, result.getQueueOffset(), "queue offset");
    }
    List<MessageExt> got = bed.readAll(topic);
    Mail.verifyAll(sent, got);
    Check.equal(Mail.numbers(sent), Mail.numbers(got), "order in the queue");
    for (int queue : new int[] {0, 1, 3}) {
      Check.equal(0L, producer.maxOffset(new MessageQueue(topic, bed.broker.name, queue)), "other queues are empty");
    }
  }

  static void selector(Bed bed) throws Exception {
    String topic = bed.topic(4);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "s", 24);
    Set<Integer> used = new HashSet<>();
    for (int i = 0; i < sent.size(); i++) {
      SendResult result = producer.send(sent.get(i), (queues, message, arg) -> {
        Check.equal(4, queues.size(), "queues offered to the selector");
        return queues.get((int) arg % 4);
      }, i);
      used.add(result.getMessageQueue().getQueueId());
      Check.equal((long) (i / 4), result.getQueueOffset(), "queue offset");
    }
    Check.equal(4, used.size(), "queues used");
    Mail.verifyAll(sent, bed.readAll(topic));
  }

  static void queueOutOfRange(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    Check.brokerSays(29, "send to queue 99", () -> producer.send(Mail.make(topic, "x"), new MessageQueue(topic, bed.broker.name, 99)));
    SendResult result = producer.send(Mail.make(topic, "x"), new MessageQueue(topic, bed.broker.name, 1));
    Check.equal(0L, result.getQueueOffset(), "the refused message took no offset");
  }

  static void oneMebibyte(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      sent.add(Mail.make(topic, "big", Mail.noise(1 << 20, i)));
      producer.send(sent.get(i));
    }
    Mail.verifyAll(sent, bed.readAll(topic));
  }

  static void tooLarge(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQProducer producer = bed.newProducer();
    producer.setMaxMessageSize(16 << 20);
    producer.setCompressMsgBodyOverHowmuch(64 << 20);
    producer.start();
    Check.brokerSays(13, "a body of 4 MiB and one byte", () -> producer.send(Mail.make(topic, "big", Mail.noise((4 << 20) + 1, 7))));
    Message largest = Mail.make(topic, "big", Mail.noise((4 << 20) - 1024, 8));
    SendResult result = producer.send(largest);
    Check.equal(0L, result.getQueueOffset(), "the refused message took no offset");
    Mail.verifyAll(List.of(largest), bed.readAll(topic));
  }

  static void propertiesTooLarge(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQProducer producer = bed.producer();
    Message message = Mail.make(topic, "x");
    message.putUserProperty("wide", "w".repeat(33_000));
    Check.brokerSays(13, "properties beyond 32767 bytes", () -> producer.send(message));
    Message fits = Mail.make(topic, "x");
    fits.putUserProperty("wide", "w".repeat(30_000));
    producer.send(fits);
    Mail.verifyAll(List.of(fits), bed.readAll(topic));
  }

  static void compressed(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQProducer producer = bed.producer();
    byte[] text = "compress me, please; ".repeat(4000).getBytes(StandardCharsets.UTF_8);
    List<Message> sent = new ArrayList<>(List.of(Mail.make(topic, "c", text), Mail.make(topic, "c", Arrays.copyOf(text, 4097)),
        Mail.make(topic, "c", Arrays.copyOf(text, 4095))));
    for (Message message : sent) {
      producer.send(message);
    }
    List<MessageExt> got = bed.readAll(topic);
    Mail.verifyAll(sent, got);
    Check.that(got.get(0).getStoreSize() < text.length / 2, "stored %d bytes of %d", got.get(0).getStoreSize(), text.length);
    Check.that(got.get(2).getStoreSize() > 4095, "a small body is left alone");
    // A push consumer of the same release sees the plain body too.
    var inbox = new Inbox();
    var consumer = bed.newPush(bed.name("G"));
    consumer.setConsumeFromWhere(org.apache.rocketmq.common.consumer.ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "c");
    consumer.registerMessageListener(inbox);
    consumer.start();
    Inbox.expect(sent, inbox);
  }

  static void utf8(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQProducer producer = bed.producer();
    Message message = Mail.make(topic, "标签", "正文 тело σώμα 🐦".getBytes(StandardCharsets.UTF_8));
    message.putUserProperty("城市", "杭州");
    message.putUserProperty("emoji", "🦉🪶");
    message.putUserProperty("quotes", "a \"b\" {c} \\ d: e, f");
    message.setKeys(List.of("ключ1", "ключ2"));
    producer.send(message);
    MessageExt got = bed.readAll(topic).get(0);
    Mail.verify(got);
    Check.equal("杭州", got.getUserProperty("城市"), "property");
    Check.equal("ключ1 ключ2", got.getKeys(), "keys");
  }

  static void bare(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQProducer producer = bed.producer();
    SendResult result = producer.send(new Message(topic, "x".getBytes(StandardCharsets.UTF_8)));
    MessageExt got = bed.readAll(topic).get(0);
    Check.equal(null, got.getTags(), "tags");
    Check.equal(null, got.getKeys(), "keys");
    Check.equal(0, got.getFlag(), "flag");
    Check.bytes(new byte[] {'x'}, got.getBody(), "body");
    Check.equal(result.getMsgId(), got.getMsgId(), "id");
  }

  static void autoCreate(Bed bed) throws Exception {
    String topic = bed.name("Fresh");
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "auto", 16);
    for (Message message : sent) {
      checkResult(bed, message, producer.send(message));
    }
    Check.settles(30_000, () -> Check.that(Routes.route(bed.api(), topic).contains(bed.broker.name), "route of %s", topic));
    var data = bed.api().getTopicRouteInfoFromNameServer(topic, Bed.CALL_MS).getQueueDatas().get(0);
    Check.equal(4, data.getReadQueueNums(), "read queues of an auto-created topic");
    Check.equal(4, data.getWriteQueueNums(), "write queues of an auto-created topic");
    Check.equal(6, data.getPerm(), "permission of an auto-created topic");
    Mail.verifyAll(sent, bed.readAll(topic));
  }

  /** The permission of a topic binds producers through the route, consumers also in the broker. */
  static void permissions(Bed bed) throws Exception {
    String readOnly = bed.topic(2, 4);
    DefaultMQProducer producer = bed.producer();
    Check.fails(MQClientException.class, "no queue to publish to",
        () -> producer.send(Mail.make(readOnly, "x")));
    Check.equal(0L, producer.maxOffset(new MessageQueue(readOnly, bed.broker.name, 0)), "nothing stored");
    String writeOnly = bed.topic(1, 2);
    producer.send(Mail.make(writeOnly, "x"));
    Check.brokerSays(16, "pull from a topic without read permission",
        () -> bed.pull(bed.name("G")).pull(new MessageQueue(writeOnly, bed.broker.name, 0), "*", 0, 10));
  }

  /** Many threads share one connection: answers find their requests, and offsets stay dense. */
  static void concurrently(Bed bed) throws Exception {
    String topic = bed.topic(3);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Collections.synchronizedList(new ArrayList<>());
    Set<String> places = ConcurrentHashMap.newKeySet();
    ConcurrentLinkedQueue<Throwable> problems = new ConcurrentLinkedQueue<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      Thread thread = new Thread(() -> {
        try {
          for (int n = 0; n < 100; n++) {
            Message message = Mail.make(topic, "t" + n % 3);
            SendResult result = producer.send(message);
            Check.equal(MessageClientIDSetter.getUniqID(message), result.getMsgId(), "unique key");
            places.add(result.getMessageQueue().getQueueId() + ":" + result.getQueueOffset());
            sent.add(message);
          }
        } catch (Throwable e) {
          problems.add(e);
        }
      });
      thread.start();
      threads.add(thread);
    }
    for (Thread thread : threads) {
      thread.join();
    }
    Check.that(problems.isEmpty(), "sends failed: %s", problems);
    Check.equal(800, places.size(), "distinct places in queues");
    Mail.verifyAll(sent, bed.readAll(topic));
  }
}
