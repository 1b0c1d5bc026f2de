package conformance;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Messages that can be recognised: each has its number in the property "mail", and a body, key, tag and properties made
 * from that number. A received message is compared with the one that was sent in all that a sender can set.
 */
final class Mail {
  static final String NUMBER = "mail";
  private static final AtomicInteger NEXT = new AtomicInteger();
  private static final Map<String, Message> SENT = new ConcurrentHashMap<>();

  private Mail() {}

  static Message make(String topic, String tag) {
    return make(topic, tag, null);
  }

  static Message make(String topic, String tag, byte[] body) {
    String number = String.valueOf(NEXT.incrementAndGet());
    byte[] content = body != null ? body : ("body of message " + number).getBytes(StandardCharsets.UTF_8);
    Message message = new Message(topic, tag, "k" + number, content);
    message.putUserProperty(NUMBER, number);
    message.putUserProperty("color", Integer.parseInt(number) % 2 == 0 ? "green" : "red");
    message.setFlag(Integer.parseInt(number) * 3);
    SENT.put(number, message);
    return message;
  }

  static List<Message> make(String topic, String tag, int count) {
    List<Message> messages = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      messages.add(make(topic, tag));
    }
    return messages;
  }

  static byte[] noise(int size, long seed) {
    byte[] bytes = new byte[size];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  static String number(Message message) {
    return message.getUserProperty(NUMBER);
  }

  static List<String> numbers(List<? extends Message> messages) {
    List<String> result = new ArrayList<>();
    messages.forEach(m -> result.add(number(m)));
    return result;
  }

  /** What was received under this number is what was sent under it. */
  static void verify(MessageExt got) {
    String number = number(got);
    Check.that(number != null, "a message without a number: %s", got);
    Message sent = SENT.get(number);
    Check.that(sent != null, "a message nobody sent: %s", got);
    String what = "message " + number + " ";
    Check.equal(sent.getTopic(), got.getTopic(), what + "topic");
    Check.equal(sent.getTags(), got.getTags(), what + "tags");
    Check.equal(sent.getKeys(), got.getKeys(), what + "keys");
    Check.equal(sent.getFlag(), got.getFlag(), what + "flag");
    Check.bytes(sent.getBody(), got.getBody(), what + "body");
    // Whatever a sender put in is there; the broker and client may add entries of their own.
    for (Map.Entry<String, String> property : new TreeMap<>(sent.getProperties()).entrySet()) {
      Check.equal(property.getValue(), got.getProperty(property.getKey()), what + "property " + property.getKey());
    }
    Check.equal(0, got.getReconsumeTimes(), what + "reconsumeTimes");
    Check.that(got.getBornTimestamp() > 0 && got.getStoreTimestamp() >= got.getBornTimestamp() - 1000,
        "%sborn at %d, stored at %d", what, got.getBornTimestamp(), got.getStoreTimestamp());
    Check.that(got.getCommitLogOffset() >= 0 && got.getStoreSize() > 0, "%sphysical offset %d, size %d", what,
        got.getCommitLogOffset(), got.getStoreSize());
  }

  static void verifyAll(List<? extends Message> sent, List<MessageExt> got) {
    Check.sameSet(numbers(sent), numbers(got), "messages");
    got.forEach(Mail::verify);
  }
}
