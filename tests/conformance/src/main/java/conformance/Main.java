package conformance;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs the scenarios of one client release against one cluster of processes.
 * Arguments: directory for logs, directory for stores, then patterns of scenario names (none: all).
 */
public final class Main {
  private static final long SCENARIO_MS = Long.getLong("conformance.scenario.ms", 300_000);

  private Main() {}

  public static void main(String[] args) throws Exception {
    PrintStream out = System.out;
    Runtime.getRuntime().addShutdownHook(new Thread(ServerProcess::killAll));
    if (args.length == 1 && args[0].equals("--list")) {
      Suite.all().scenarios.keySet().forEach(out::println);
      return;
    }
    int status = run(Path.of(args[0]), Path.of(args[1]), List.of(args).subList(2, args.length), out);
    out.flush();
    // Client libraries leave threads behind.
    Runtime.getRuntime().exit(status);
  }

  private static int run(Path dir, Path stores, List<String> patterns, PrintStream out) throws Exception {
    int passed = 0;
    int failed = 0;
    Cluster cluster = new Cluster(dir, stores);
    try {
      cluster.namesrv.start();
      cluster.addBroker("broker-a", Map.of()).start();
    } catch (Exception | AssertionError e) {
      e.printStackTrace();
      out.println("FAIL start 0.0 " + line(e));
      out.println("0 passed, 1 failed");
      return 1;
    }
    Suite suite = Suite.all();
    suite.scenarios.keySet().removeIf(name -> !patterns.isEmpty() && patterns.stream().noneMatch(name::contains));
    int skipped = 0;
    for (String name : System.getProperty("conformance.not.yet", "").split(",")) {
      if (suite.scenarios.remove(name) != null) {
        skipped++;
        out.println("SKIP " + Release.NAME + "/" + name + " 0.0 not-yet.txt");
      }
    }
    for (Map.Entry<String, Suite.Scenario> preparation : suite.preparations.entrySet()) {
      if (suite.scenarios.containsKey(preparation.getKey())) {
        Throwable problem = attempt(cluster, preparation.getKey(), preparation.getValue());
        if (problem != null) {
          problem.printStackTrace();
          suite.scenarios.put(preparation.getKey(), bed -> {
            throw new IllegalStateException("preparation failed", problem);
          });
        }
      }
    }
    for (Map.Entry<String, Suite.Scenario> scenario : suite.scenarios.entrySet()) {
      String name = scenario.getKey();
      long begin = System.nanoTime();
      Throwable problem = attempt(cluster, name, scenario.getValue());
      String seconds = String.format(Locale.ROOT, "%.1f", (System.nanoTime() - begin) / 1e9);
      if (problem == null) {
        passed++;
        out.println("PASS " + Release.NAME + "/" + name + " " + seconds);
      } else {
        failed++;
        out.println("FAIL " + Release.NAME + "/" + name + " " + seconds + " " + line(problem));
        try (PrintWriter trace = new PrintWriter(Files.newBufferedWriter(dir.resolve(name + ".failure.txt")))) {
          problem.printStackTrace(trace);
          cluster.brokers.forEach(b -> trace.println("log of " + b.name + ": " + b.process.log));
        }
      }
      out.flush();
      if (!revive(cluster)) {
        break;
      }
    }
    try {
      cluster.close();
    } catch (Exception e) {
      failed++;
      out.println("FAIL " + Release.NAME + "/stop 0.0 " + line(e));
    }
    out.println(passed + " passed, " + failed + " failed" + (skipped > 0 ? ", " + skipped + " skipped" : ""));
    return failed == 0 && passed > 0 ? 0 : 1;
  }

  private static Throwable attempt(Cluster cluster, String name, Suite.Scenario scenario) {
    CompletableFuture<Throwable> outcome = new CompletableFuture<>();
    Bed bed = new Bed(cluster, name);
    Thread thread = new Thread(() -> {
      try {
        scenario.run(bed);
        outcome.complete(null);
      } catch (Throwable e) {
        outcome.complete(e);
      } finally {
        bed.close();
      }
    }, name);
    thread.start();
    try {
      Throwable result = outcome.get(SCENARIO_MS, TimeUnit.MILLISECONDS);
      thread.join(30_000);
      return result;
    } catch (TimeoutException e) {
      Throwable stuck = new IllegalStateException("not done within " + SCENARIO_MS + " ms");
      stuck.setStackTrace(thread.getStackTrace());
      thread.interrupt();
      return stuck;
    } catch (Exception e) {
      return e;
    }
  }

  /** A scenario that lost its broker must not take the following ones with it. */
  private static boolean revive(Cluster cluster) {
    try {
      if (!cluster.namesrv.alive()) {
        System.err.println("the name server is gone, starting it again");
        cluster.namesrv.start();
      }
      Cluster.Broker broker = cluster.brokers.get(0);
      if (!broker.process.alive()) {
        System.err.println("broker-a is gone, starting it again");
        broker.start();
      }
      for (Cluster.Broker other : cluster.brokers.subList(1, cluster.brokers.size())) {
        other.stop();
      }
      cluster.brokers.subList(1, cluster.brokers.size()).clear();
      return true;
    } catch (Exception | AssertionError e) {
      e.printStackTrace();
      return false;
    }
  }

  private static String line(Throwable e) {
    String text = e instanceof Check.Failed ? e.getMessage() : e.toString();
    text = String.valueOf(text).replaceAll("\\s+", " ");
    return text.length() > 400 ? text.substring(0, 400) + "..." : text;
  }
}
