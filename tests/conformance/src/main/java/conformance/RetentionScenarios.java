package conformance;

import java.nio.charset.StandardCharsets;
import java.text.SimpleDateFormat;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * A broker with small segments that expire at once. Apache's looks for expired files a minute after its start, so the broker is
 * started, and given its messages, before all other scenarios. Where a queue no longer begins at 0, the wish of a new group for the
 * place to begin counts.
 */
final class RetentionScenarios {
  private static final String NAME = "old_files_deleted_then_consume_from";
  private static final String TOPIC = "T_retention";
  private static final int EXPIRING = 300;
  private static final int SEGMENT_BITS = 20;

  private static Cluster.Broker broker;

  private RetentionScenarios() {}

  static void register(Suite suite) {
    suite.prepare(NAME, RetentionScenarios::prepare);
    suite.add(NAME, RetentionScenarios::consume);
  }

  private static void prepare(Bed bed) throws Exception {
    String always = IntStream.range(0, 24).mapToObj(h -> String.format("%02d", h)).collect(Collectors.joining(";"));
    // A cluster of its own keeps it out of the other scenarios.
    broker = bed.cluster.new Broker("broker-old", Map.of("brokerClusterName", "RetentionCluster", "autoCreateTopicEnable", "false",
        "mappedFileSizeCommitLog", String.valueOf(1 << SEGMENT_BITS), "fileReservedTime", "0", "deleteWhen", always,
        "cleanResourceInterval", "1000"));
    broker.start();
    bed.createTopic(broker, TOPIC, 1, 6);
    DefaultMQProducer producer = bed.producer();
    for (int i = 0; i < EXPIRING; i++) {
      producer.send(Mail.make(TOPIC, "old", ("old " + i + " ".repeat(3800)).getBytes(StandardCharsets.UTF_8)));
      if (i % 100 == 0) {
        producer.send(Mail.make(TOPIC, "old", Mail.noise(400_000, i)));
      }
    }
  }

  private static void consume(Bed bed) throws Exception {
    // An earlier scenario restarts the name server, which forgets every broker until it registers again, every 30 s.
    Check.settles(75_000, () -> Check.that(Routes.route(bed.api(), TOPIC).contains(broker.name), "%s in the route of %s",
        broker.name, TOPIC));
    DefaultMQProducer producer = bed.producer();
    MessageQueue queue = producer.fetchPublishMessageQueues(TOPIC).get(0);
    Check.eventually(80_000, "the first segment expires", () -> producer.minOffset(queue) > 0);
    // The last segment always stays; wait until the deletion has come to it.
    long[] min = {-1};
    Check.settles(60_000, () -> {
      min[0] = producer.minOffset(queue);
      List<MessageExt> left = bed.readAll(TOPIC);
      Check.equal(left.get(left.size() - 1).getCommitLogOffset() >> SEGMENT_BITS, left.get(0).getCommitLogOffset() >> SEGMENT_BITS,
          "segments of the first and last message");
      Check.equal(min[0], left.get(0).getQueueOffset(), "lowest offset");
    });
    PullResult tooSmall = bed.pull(bed.name("G")).pull(queue, "*", 0, 10);
    Check.equal(PullStatus.OFFSET_ILLEGAL, tooSmall.getPullStatus(), "pull of a deleted offset");
    Check.equal(min[0], tooSmall.getNextBeginOffset(), "corrected offset");
    List<MessageExt> rest = bed.readAll(TOPIC);
    Check.equal(min[0], rest.get(0).getQueueOffset(), "the first message left");
    rest.forEach(Mail::verify);

    // The client gives the time in whole seconds.
    long second = (System.currentTimeMillis() / 1000 + 2) * 1000;
    Thread.sleep(second - System.currentTimeMillis() + 50);
    List<Message> recent = Mail.make(TOPIC, "recent", 10);
    PushScenarios.send(producer, recent);
    Check.equal(EXPIRING + EXPIRING / 100L, producer.searchOffset(queue, second), "offset by time");

    Inbox fromLast = start(bed, ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET, second);
    Inbox fromTime = start(bed, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP, second);
    Inbox fromFirst = start(bed, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, second);
    Inbox.expect(recent, fromTime);
    Check.settles(60_000, () -> Check.equal(rest.size() + 10, fromFirst.size(), "messages from the first offset"));
    // By now the third one has asked for its offset as well.
    List<Message> last = Mail.make(TOPIC, "last", 5);
    PushScenarios.send(producer, last);
    Inbox.expect(last, fromLast);
    List<Message> both = new ArrayList<>(recent);
    both.addAll(last);
    Inbox.expect(both, fromTime);
    broker.stop();
  }

  private static Inbox start(Bed bed, ConsumeFromWhere where, long second) throws Exception {
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = bed.newPush(bed.name("G"));
    consumer.setConsumeFromWhere(where);
    consumer.setConsumeTimestamp(new SimpleDateFormat("yyyyMMddHHmmss").format(new Date(second)));
    consumer.subscribe(TOPIC, "*");
    consumer.registerMessageListener(inbox);
    consumer.start();
    PushScenarios.awaitQueues(consumer, TOPIC, 1);
    return inbox;
  }
}
