package conformance;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Collects what a push consumer is given. */
final class Inbox implements MessageListenerConcurrently {
  private final List<MessageExt> got = new ArrayList<>();

  @Override
  public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> messages, ConsumeConcurrentlyContext context) {
    synchronized (got) {
      got.addAll(messages);
      got.notifyAll();
    }
    return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
  }

  List<MessageExt> all() {
    synchronized (got) {
      return new ArrayList<>(got);
    }
  }

  int size() {
    synchronized (got) {
      return got.size();
    }
  }

  /** Wakes at the arrival itself, so that latencies can be taken. */
  boolean awaitSize(int size, long limitMs) throws InterruptedException {
    long end = System.nanoTime() + limitMs * 1_000_000;
    synchronized (got) {
      while (got.size() < size) {
        long left = (end - System.nanoTime()) / 1_000_000;
        if (left <= 0) {
          return false;
        }
        got.wait(left);
      }
      return true;
    }
  }

  /** Exactly these messages arrive, each once, and after a moment of quiet still nothing else. */
  static void expect(List<? extends Message> sent, Inbox... inboxes) throws Exception {
    Set<String> wanted = new HashSet<>(Mail.numbers(sent));
    Check.settles(75_000, () -> {
      Set<String> missing = new HashSet<>(wanted);
      for (Inbox inbox : inboxes) {
        missing.removeAll(Mail.numbers(inbox.all()));
      }
      Check.that(missing.isEmpty(), "%d of %d messages not delivered, first %s", missing.size(), wanted.size(),
          missing.stream().sorted().limit(5).toList());
    });
    Thread.sleep(300);
    List<MessageExt> got = new ArrayList<>();
    for (Inbox inbox : inboxes) {
      got.addAll(inbox.all());
    }
    Mail.verifyAll(sent, got);
  }
}
