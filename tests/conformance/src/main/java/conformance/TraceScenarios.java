package conformance;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageExt;

/** Clients write traces of what they send and consume into a topic, to be found by the id and keys of the message. */
final class TraceScenarios {
  private TraceScenarios() {}

  static void register(Suite suite) {
    suite.add("trace_default_topic", bed -> trace(bed, null));
    suite.add("trace_custom_topic", bed -> trace(bed, bed.topic(1)));
  }

  private static void trace(Bed bed, String traceTopic) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    String producerGroup = bed.name("P");
    DefaultMQProducer producer = new DefaultMQProducer(producerGroup, true, traceTopic);
    bed.configure(producer);
    producer.setSendMsgTimeout(10_000);
    producer.start();
    bed.closing(producer::shutdown);
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group, true, traceTopic);
    bed.configure(consumer);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
    Inbox inbox = new Inbox();
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener(inbox);
    consumer.start();
    bed.closing(consumer::shutdown);
    String where = traceTopic == null ? "RMQ_SYS_TRACE_TOPIC" : traceTopic;
    // The client sends traces once, gives up after 5 s, and tells nobody: then the next message has to do.
    List<Message> sent = new ArrayList<>();
    Check.Failed incomplete = null;
    for (int attempt = 0; attempt < 3; attempt++) {
      Message message = Mail.make(topic, "traced");
      producer.send(message);
      sent.add(message);
      Inbox.expect(sent, inbox);
      try {
        awaitTraces(bed, where, message, List.of("Pub", "SubBefore", "SubAfter", producerGroup, group));
        return;
      } catch (Check.Failed e) {
        System.err.println(where + ": " + e.getMessage());
        incomplete = e;
      }
    }
    throw incomplete;
  }

  /** Traces carry the message's id and its keys as their own keys. */
  private static void awaitTraces(Bed bed, String where, Message message, List<String> words) throws Exception {
    for (String key : List.of(MessageClientIDSetter.getUniqID(message), message.getKeys())) {
      Check.settles(40_000, () -> {
        QueryResult found = bed.tool().queryMessage(where, key, 32, 0, Long.MAX_VALUE);
        String all = found.getMessageList().stream().map(m -> new String(m.getBody(), StandardCharsets.UTF_8))
            .collect(Collectors.joining("\n"));
        for (String word : words) {
          Check.that(all.contains(word), "%s is in the traces of %s: %s", word, key, all);
        }
        for (MessageExt trace : found.getMessageList()) {
          Check.equal(where, trace.getTopic(), "topic of the trace");
        }
      });
    }
  }
}
