package upstream;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.junit.runner.Description;
import org.junit.runner.JUnitCore;
import org.junit.runner.Request;
import org.junit.runner.manipulation.Filter;
import org.junit.runner.notification.Failure;
import org.junit.runner.notification.RunListener;

/**
 * Runs the named methods of Apache's test classes, all in this JVM and so all on one cluster.
 * Arguments: file with class#method lines, how often a failed method is tried again, then patterns of names (none: all).
 */
public final class Main {
  private static final String ROOT = "org.apache.rocketmq.test.";
  private static final long CLASS_MS = 600_000;

  private final PrintStream out;
  private final int retries;
  private int passed;
  private int failed;

  private Main(PrintStream out, int retries) {
    this.out = out;
    this.retries = retries;
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = System.out;
    // What tests print belongs to the log, not to the results.
    System.setOut(System.err);
    Runtime.getRuntime().addShutdownHook(new Thread(Server::killAll));
    List<String> patterns = List.of(args).subList(2, args.length);
    Map<String, Set<String>> wanted = new LinkedHashMap<>();
    for (String line : Files.readAllLines(Path.of(args[0]))) {
      String name = line.replaceAll("#( .*)?$", "").trim();
      if (name.contains("#") && (patterns.isEmpty() || patterns.stream().anyMatch(name::contains))) {
        String[] parts = name.split("#");
        wanted.computeIfAbsent(parts[0], c -> new LinkedHashSet<>()).add(parts[1]);
      }
    }
    Main main = new Main(out, Integer.parseInt(args[1]));
    for (Map.Entry<String, Set<String>> entry : wanted.entrySet()) {
      main.runClass(entry.getKey(), entry.getValue());
    }
    out.println(main.passed + " passed, " + main.failed + " failed");
    out.flush();
    Runtime.getRuntime().halt(haltAfterServers(main.failed == 0 && main.passed > 0 ? 0 : 1));
  }

  private static int haltAfterServers(int status) {
    Server.killAll();
    return status;
  }

  private void runClass(String name, Set<String> methods) throws Exception {
    Set<String> left = new LinkedHashSet<>(methods);
    for (int attempt = 0; attempt <= retries && !left.isEmpty(); attempt++) {
      Results results = runOnce(name, left);
      for (String method : List.copyOf(left)) {
        String why = results.why.get(method);
        String seconds = String.format(Locale.ROOT, "%.1f", results.seconds.getOrDefault(method, 0.0));
        if (why == null && results.seconds.containsKey(method)) {
          passed++;
          out.println("PASS " + name + "#" + method + " " + seconds + (attempt > 0 ? " at try " + (attempt + 1) : ""));
          left.remove(method);
        } else if (attempt == retries) {
          failed++;
          String reason = why != null ? why : results.why.getOrDefault("", "did not run or did not end");
          out.println("FAIL " + name + "#" + method + " " + seconds + " " + reason);
        }
      }
      out.flush();
    }
  }

  private static final class Results extends RunListener {
    final Map<String, Long> begin = new HashMap<>();
    final Map<String, Double> seconds = new HashMap<>();
    final Map<String, String> why = new HashMap<>();

    @Override
    public synchronized void testStarted(Description test) {
      begin.put(test.getMethodName(), System.nanoTime());
      System.err.println("==== " + test);
    }

    @Override
    public synchronized void testFinished(Description test) {
      seconds.put(test.getMethodName(), (System.nanoTime() - begin.get(test.getMethodName())) / 1e9);
    }

    @Override
    public synchronized void testFailure(Failure failure) {
      String method = failure.getDescription().getMethodName();
      System.err.println("==== failed: " + failure.getDescription());
      failure.getException().printStackTrace();
      String text = String.valueOf(failure.getException()).replaceAll("\\s+", " ");
      why.put(method == null ? "" : method, text.length() > 300 ? text.substring(0, 300) + "..." : text);
    }
  }

  private static Results runOnce(String name, Set<String> methods) throws Exception {
    Results results = new Results();
    Thread thread = new Thread(() -> {
      try {
        JUnitCore core = new JUnitCore();
        core.addListener(results);
        core.run(Request.aClass(Class.forName(ROOT + name)).filterWith(new Filter() {
          @Override
          public boolean shouldRun(Description test) {
            return test.isTest() ? methods.contains(test.getMethodName()) : test.getChildren().stream().anyMatch(this::shouldRun);
          }

          @Override
          public String describe() {
            return "methods that must pass";
          }
        }));
      } catch (Throwable e) {
        e.printStackTrace();
        synchronized (results) {
          results.why.put("", e.toString());
        }
      }
    }, name);
    thread.setDaemon(true);
    thread.start();
    thread.join(CLASS_MS);
    if (thread.isAlive()) {
      Throwable where = new IllegalStateException(name + " not done within " + CLASS_MS + " ms");
      where.setStackTrace(thread.getStackTrace());
      where.printStackTrace();
    }
    return results;
  }
}
