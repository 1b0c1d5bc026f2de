package conformance;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** A producer asks, a consumer answers, the broker carries the answer to the producer that asked. */
final class ReplyScenarios {
  /** The question itself must be sent within it. */
  private static final long ASK_MS = 5_000;

  private ReplyScenarios() {}

  static void register(Suite suite) {
    suite.add("reply_sync", ReplyScenarios::sync);
    suite.add("reply_async", ReplyScenarios::async);
    suite.add("reply_too_late", ReplyScenarios::late);
    suite.add("reply_to_one_that_left", ReplyScenarios::left);
  }

  private static byte[] answerTo(Message request) {
    return ("answer to " + new String(request.getBody(), StandardCharsets.UTF_8)).getBytes(StandardCharsets.UTF_8);
  }

  /** Answers when the gate is open; what answering gave, or threw, is in the queue. */
  private static BlockingQueue<Object> replier(Bed bed, String topic, CountDownLatch gate) throws Exception {
    BlockingQueue<Object> outcomes = new LinkedBlockingQueue<>();
    DefaultMQProducer producer = bed.producer();
    DefaultMQPushConsumer consumer = bed.newPush(bed.name("G"));
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
      for (MessageExt request : messages) {
        try {
          gate.await();
          Message reply = MessageUtil.createReplyMessage(request, answerTo(request));
          outcomes.add(producer.send(reply, 10_000));
        } catch (Exception e) {
          outcomes.add(e);
        }
      }
      return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    });
    consumer.start();
    PushScenarios.awaitQueues(consumer, topic, 2);
    return outcomes;
  }

  static void sync(Bed bed) throws Exception {
    String topic = bed.topic(2);
    BlockingQueue<Object> outcomes = replier(bed, topic, new CountDownLatch(0));
    DefaultMQProducer first = bed.producer();
    DefaultMQProducer second = bed.producer();
    for (int i = 0; i < 10; i++) {
      // Two producers ask in turn: each gets the answer to its own question.
      Message question = Mail.make(topic, "ask");
      Message answer = (i % 2 == 0 ? first : second).request(question, 60_000);
      Check.bytes(answerTo(question), answer.getBody(), "answer");
      Check.equal(question.getProperty("CORRELATION_ID"), answer.getProperty("CORRELATION_ID"), "correlation");
      Check.that(answer.getProperty("PUSH_REPLY_TIME") != null, "the broker says when it pushed: %s", answer.getProperties());
      Check.that(answer.getProperty("ARRIVE_TIME") != null, "the client says when it came: %s", answer.getProperties());
    }
    for (int i = 0; i < 10; i++) {
      Object outcome = outcomes.poll(60, TimeUnit.SECONDS);
      Check.that(!(outcome instanceof Exception) && outcome != null, "the replier was told %s", outcome);
    }
    // storeReplyMessageEnable is on unless set: the answers are there to be read.
    String replies = Cluster.CLUSTER_NAME + "_REPLY_TOPIC";
    Check.settles(60_000, () -> Check.that(bed.readAll(replies).size() >= 10, "%d replies stored", bed.readAll(replies).size()));
    Check.that(bed.readAll(replies).stream().allMatch(m -> m.getProperty("CORRELATION_ID") != null), "stored with their correlation");
  }

  static void async(Bed bed) throws Exception {
    String topic = bed.topic(2);
    replier(bed, topic, new CountDownLatch(0));
    DefaultMQProducer producer = bed.producer();
    CompletableFuture<Message> future = new CompletableFuture<>();
    Message question = Mail.make(topic, "ask");
    producer.request(question, new RequestCallback() {
      @Override
      public void onSuccess(Message message) {
        // The client calls this a first time, without an answer, when the question has been sent.
        if (message != null) {
          future.complete(message);
        }
      }

      @Override
      public void onException(Throwable e) {
        future.completeExceptionally(e);
      }
    }, 60_000);
    Check.bytes(answerTo(question), future.get(60, TimeUnit.SECONDS).getBody(), "answer");
  }

  static void late(Bed bed) throws Exception {
    String topic = bed.topic(2);
    CountDownLatch gate = new CountDownLatch(1);
    BlockingQueue<Object> outcomes = replier(bed, topic, gate);
    DefaultMQProducer producer = bed.producer();
    Check.fails(RequestTimeoutException.class, "an answer that comes after the time is over",
        () -> producer.request(Mail.make(topic, "ask"), ASK_MS));
    gate.countDown();
    // The producer is there and takes the late answer, which nobody waits for.
    Object outcome = outcomes.poll(60, TimeUnit.SECONDS);
    Check.that(outcome != null && !(outcome instanceof Exception), "the late replier was told %s", outcome);
  }

  static void left(Bed bed) throws Exception {
    String topic = bed.topic(2);
    CountDownLatch gate = new CountDownLatch(1);
    BlockingQueue<Object> outcomes = replier(bed, topic, gate);
    DefaultMQProducer producer = bed.producer();
    Check.fails(RequestTimeoutException.class, "no answer yet", () -> producer.request(Mail.make(topic, "ask"), ASK_MS));
    String id = producer.buildMQClientId();
    producer.shutdown();
    gate.countDown();
    Object outcome = outcomes.poll(60, TimeUnit.SECONDS);
    Check.that(outcome instanceof Exception, "the replier was told %s", outcome);
    Throwable cause = ((Exception) outcome).getCause() == null ? (Exception) outcome : ((Exception) outcome).getCause();
    Check.that(String.valueOf(cause.getMessage()).contains("push reply message fail, channel of <" + id + "> not found."),
        "the replier was told %s", cause);
  }
}
