package conformance;

import java.util.Arrays;
import java.util.Collection;
import java.util.Objects;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.apache.rocketmq.client.exception.MQBrokerException;

/** Assertions that say what was expected and what was there, and waits for conditions. */
final class Check {
  static final class Failed extends AssertionError {
    Failed(String message, Throwable cause) {
      super(message, cause);
    }
  }

  interface Action {
    void run() throws Exception;
  }

  private Check() {}

  static void that(boolean good, String message, Object... args) {
    if (!good) {
      throw new Failed(args.length == 0 ? message : String.format(message, args), null);
    }
  }

  static void equal(Object expected, Object actual, String what) {
    if (!Objects.equals(expected, actual)) {
      throw new Failed(what + ": expected <" + expected + "> but was <" + actual + ">", null);
    }
  }

  static void bytes(byte[] expected, byte[] actual, String what) {
    if (!Arrays.equals(expected, actual)) {
      int at = Arrays.mismatch(expected, actual == null ? new byte[0] : actual);
      throw new Failed(what + ": " + expected.length + " bytes expected, "
          + (actual == null ? "none" : actual.length + " bytes") + " there, first difference at " + at, null);
    }
  }

  /** The same elements without regard to order; the message names only what differs. */
  static void sameSet(Collection<String> expected, Collection<String> actual, String what) {
    TreeSet<String> missing = new TreeSet<>(expected);
    missing.removeAll(actual);
    TreeSet<String> unknown = new TreeSet<>(actual);
    unknown.removeAll(expected);
    that(missing.isEmpty() && unknown.isEmpty(), "%s: missing %s, not expected %s", what, missing, unknown);
    equal(expected.size(), actual.size(), what + ": number of elements (duplicates?)");
  }

  /** Waits until the condition holds; what() describes the state when it never does. */
  static void eventually(long limitMs, String what, Callable<Boolean> condition) throws Exception {
    long end = System.nanoTime() + limitMs * 1_000_000;
    while (true) {
      if (condition.call()) {
        return;
      }
      if (System.nanoTime() > end) {
        throw new Failed("not within " + limitMs + " ms: " + what, null);
      }
      Thread.sleep(20);
    }
  }

  /** Like eventually(), but the reason is the last failure of the assertion itself. */
  static void settles(long limitMs, Action assertion) throws Exception {
    long end = System.nanoTime() + limitMs * 1_000_000;
    while (true) {
      try {
        assertion.run();
        return;
      } catch (Exception | Failed e) {
        if (System.nanoTime() > end) {
          throw new Failed("still after " + limitMs + " ms: " + e, e);
        }
      }
      Thread.sleep(50);
    }
  }

  static <T extends Throwable> T fails(Class<T> type, String what, Action action) {
    try {
      action.run();
    } catch (Throwable e) {
      if (type.isInstance(e)) {
        return type.cast(e);
      }
      throw new Failed(what + ": expected " + type.getSimpleName() + " but got " + e, e);
    }
    throw new Failed(what + ": expected " + type.getSimpleName() + " but it succeeded", null);
  }

  static MQBrokerException brokerSays(int code, String what, Action action) {
    MQBrokerException e = fails(MQBrokerException.class, what, action);
    if (e.getResponseCode() != code) {
      throw new Failed(what + ": expected response code " + code + " but got " + e.getResponseCode() + " "
          + e.getErrorMessage(), e);
    }
    return e;
  }
}
