package conformance;

import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageId;

/** Single messages by id and by key. */
final class QueryScenarios {
  private QueryScenarios() {}

  static void register(Suite suite) {
    suite.add("view_by_offset_id", QueryScenarios::byOffsetId);
    suite.add("view_by_unique_key", QueryScenarios::byUniqueKey);
    suite.add("query_by_key", QueryScenarios::byKey);
    suite.add("query_key_limits", QueryScenarios::limits);
  }

  static void byOffsetId(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    for (int i = 0; i < 5; i++) {
      Message message = Mail.make(topic, "x");
      SendResult result = producer.send(message);
      MessageExt got = producer.viewMessage(topic, result.getOffsetMsgId());
      Mail.verify(got);
      Check.equal(Mail.number(message), Mail.number(got), "the message of this id");
      Check.equal(result.getQueueOffset(), got.getQueueOffset(), "queue offset");
      Check.equal(result.getMessageQueue().getQueueId(), got.getQueueId(), "queue");
    }
    MessageId id = MessageDecoder.decodeMessageId(producer.send(Mail.make(topic, "x")).getOffsetMsgId());
    String wrong = MessageDecoder.createMessageId(id.getAddress(), id.getOffset() + 1_000_000_000L);
    Check.fails(Exception.class, "an id beyond the log", () -> {
      if (producer.viewMessage(topic, wrong) != null) {
        throw new Check.Failed("a message where there is none", null);
      }
      throw new MQClientException("no message", null);
    });
  }

  static void byUniqueKey(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "x", 10);
    List<String> ids = new ArrayList<>();
    for (Message message : sent) {
      ids.add(producer.send(message).getMsgId());
    }
    for (int i = 0; i < ids.size(); i++) {
      String id = ids.get(i);
      List<MessageExt> found = new ArrayList<>();
      // The index follows the log at some distance.
      Check.settles(60_000, () -> found.add(producer.viewMessage(topic, id)));
      Check.equal(Mail.number(sent.get(i)), Mail.number(found.get(0)), "message of this unique key");
      Mail.verify(found.get(0));
    }
  }

  static void byKey(Bed bed) throws Exception {
    String topic = bed.topic(2);
    DefaultMQProducer producer = bed.producer();
    long begin = System.currentTimeMillis() - 60_000;
    List<Message> sent = Mail.make(topic, "x", 6);
    for (Message message : sent) {
      message.setKeys(List.of("all-of-" + topic, "k" + Mail.number(message)));
      producer.send(message);
    }
    long end = System.currentTimeMillis() + 60_000;
    Check.settles(60_000, () -> {
      QueryResult all = producer.queryMessage(topic, "all-of-" + topic, 32, begin, end);
      Mail.verifyAll(sent, all.getMessageList());
      Check.that(all.getIndexLastUpdateTimestamp() > begin, "time of the index: %d", all.getIndexLastUpdateTimestamp());
    });
    for (Message message : sent) {
      // The keys of a message come to the index one by one.
      Check.settles(60_000, () -> Mail.verifyAll(List.of(message),
          producer.queryMessage(topic, "k" + Mail.number(message), 32, begin, end).getMessageList()));
    }
  }

  static void limits(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String key = "many-of-" + topic;
    DefaultMQProducer producer = bed.producer();
    long begin = System.currentTimeMillis() - 60_000;
    for (Message message : Mail.make(topic, "x", 12)) {
      message.setKeys(key);
      producer.send(message);
    }
    long end = System.currentTimeMillis() + 60_000;
    Check.settles(60_000, () -> Check.equal(12, producer.queryMessage(topic, key, 32, begin, end).getMessageList().size(), "all"));
    Check.equal(5, producer.queryMessage(topic, key, 5, begin, end).getMessageList().size(), "five of twelve");
    Check.fails(MQClientException.class, "a key nobody used", () -> producer.queryMessage(topic, "nobody", 32, begin, end));
    Check.fails(MQClientException.class, "a time before",
        () -> producer.queryMessage(topic, key, 32, begin - 7_200_000, begin - 3_600_000));
  }
}
