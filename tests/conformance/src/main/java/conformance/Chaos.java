package conformance;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.common.TopicConfig;

/**
 * Two brokers, one restarted and one killed again and again, and the name server too, while a producer sends and consumers join, leave
 * and are killed. Then nothing that was acknowledged is lost, ordered queues were delivered in order, and every duplicate has a cause.
 * Arguments: directory for logs, for stores, seconds of chaos, seed, messages a second.
 */
public final class Chaos {
  private static final int MEMBERS_MAX = 4;
  private static final long DRAIN_MS = 120_000;

  /** A client in a JVM of its own. */
  private final class Member {
    final String name;
    final Path journal;
    final Process process;

    Member(String kind, String name, String... more) throws Exception {
      this.name = name;
      journal = dir.resolve(name + ".journal");
      List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx160m",
          "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Duser.home=" + dir.resolve(name + ".home"),
          "-Drocketmq.client.logRoot=" + dir.resolve(name + ".home"), "-Drocketmq.client.logLevel=WARN",
          // A rebalance and a renewal of locks each second instead of each twenty: the rig is short.
          "-Drocketmq.client.rebalance.waitInterval=1000", "-Drocketmq.client.rebalance.lockInterval=1000", "-cp",
          System.getProperty("java.class.path"), ChaosMember.class.getName(), kind, cluster.namesrvAddr(), journal.toString(), name));
      command.addAll(List.of(more));
      process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(dir.resolve(name + ".log").toFile()).start();
      CHILDREN.add(process);
    }

    boolean isReady() throws Exception {
      return Files.exists(journal) && !Files.readAllLines(journal).isEmpty();
    }
  }

  private static final List<Process> CHILDREN = new ArrayList<>();

  private final Path dir;
  private final Random random;
  private final int seconds;
  private final int rate;
  private final long seed;
  private final PrintStream out;
  private final Cluster cluster;
  private final Cluster.Broker restarted;
  private final Cluster.Broker killed;
  private final ChaosJournal books = new ChaosJournal();
  private final List<Member> consumers = new ArrayList<>();
  private final List<Member> everybody = new ArrayList<>();
  private int serial;

  private Chaos(String[] args, PrintStream out) throws Exception {
    dir = Path.of(args[0]);
    seconds = Integer.parseInt(args[2]);
    seed = Long.parseLong(args[3]);
    rate = Integer.parseInt(args[4]);
    random = new Random(seed);
    this.out = out;
    cluster = new Cluster(dir, Path.of(args[1]));
    Map<String, String> keys = Map.of("flushConsumerOffsetInterval", "1000", "mappedFileSizeCommitLog", String.valueOf(16 << 20),
        "mappedFileSizeConsumeQueue", "40000");
    restarted = cluster.addBroker("chaos-restarted", keys);
    killed = cluster.addBroker("chaos-killed", keys);
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = System.out;
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      CHILDREN.forEach(Process::destroyForcibly);
      ServerProcess.killAll();
    }));
    long begin = System.nanoTime();
    String problem = null;
    try {
      new Chaos(args, out).run();
    } catch (Exception | AssertionError e) {
      problem = String.valueOf(e.getMessage());
      e.printStackTrace();
    }
    out.printf(Locale.ROOT, "%s chaos %.1f%s%n", problem == null ? "PASS" : "FAIL", (System.nanoTime() - begin) / 1e9,
        problem == null ? "" : " seed " + args[3] + ": " + problem.replaceAll("\\s+", " "));
    out.println((problem == null ? 1 : 0) + " passed, " + (problem == null ? 0 : 1) + " failed");
    out.flush();
    Runtime.getRuntime().exit(problem == null ? 0 : 1);
  }

  private void run() throws Exception {
    out.println("seed " + seed + ", " + seconds + " s");
    cluster.namesrv.start();
    restarted.start();
    killed.start();
    Bed bed = new Bed(cluster, "chaos");
    for (String topic : new String[] {ChaosMember.PLAIN, ChaosMember.ORDERED}) {
      for (Cluster.Broker broker : cluster.brokers) {
        bed.api().createTopic(broker.addr(), "TBW102", new TopicConfig(topic, ChaosMember.QUEUES, ChaosMember.QUEUES, 6), Bed.CALL_MS);
      }
      Check.settles(60_000, () -> Check.equal(2 * ChaosMember.QUEUES, bed.tool().fetchPublishMessageQueues(topic).size(), "queues"));
    }
    join();
    join();
    Member producer = new Member("produce", "producer", String.valueOf(rate), String.valueOf(seed));
    everybody.add(producer);
    for (Member member : everybody) {
      Check.eventually(60_000, member.name + " is ready", member::isReady);
    }
    chaos();
    producer.process.destroy();
    if (!producer.process.waitFor(60, TimeUnit.SECONDS)) {
      throw new IllegalStateException("the producer does not end");
    }
    drain();
    report();
    cluster.close();
    Check.that(books.problems.isEmpty(), "%d problems, first: %s", books.problems.size(), books.problems.stream().limit(3).toList());
  }

  private interface Step {
    void run() throws Exception;
  }

  private void event(String kind, String who, Step step) throws Exception {
    long from = System.nanoTime();
    step.run();
    books.events.add(new ChaosJournal.Event(kind, who, from, System.nanoTime()));
  }

  /** One step for a broker, one for a consumer, in turns; now and then the name server. */
  private void chaos() throws Exception {
    long end = System.nanoTime() + seconds * 1_000_000_000L;
    for (int turn = 0; System.nanoTime() < end; turn++) {
      Thread.sleep(300 + random.nextInt(1_500));
      if (turn % 2 == 0) {
        event("killed", killed.name, () -> {
          killed.process.kill();
          Thread.sleep(random.nextInt(1_000));
          killed.start();
        });
      } else {
        event("stopped", restarted.name, restarted::restart);
      }
      Thread.sleep(300 + random.nextInt(1_500));
      if (turn % 5 == 3) {
        event("killed", "namesrv", () -> {
          cluster.namesrv.kill();
          cluster.namesrv.start();
        });
      }
      // At least one consumer stays; the others come and go.
      if (consumers.size() < 2 || consumers.size() < MEMBERS_MAX && random.nextInt(3) == 0) {
        join();
      } else {
        Member gone = consumers.remove(random.nextInt(consumers.size()));
        if (turn % 2 == 0) {
          event("killed", gone.name, () -> gone.process.destroyForcibly().waitFor());
        } else {
          event("left", gone.name, () -> {
            gone.process.destroy();
            if (!gone.process.waitFor(60, TimeUnit.SECONDS)) {
              throw new IllegalStateException(gone.name + " does not leave");
            }
          });
        }
      }
    }
  }

  private void join() throws Exception {
    event("joined", "consumer" + ++serial, () -> {
      Member member = new Member("consume", "consumer" + serial);
      consumers.add(member);
      everybody.add(member);
    });
  }

  private void read(ChaosJournal into) throws Exception {
    for (Member member : everybody) {
      if (Files.exists(member.journal)) {
        into.read(member.name, Files.readAllLines(member.journal));
      }
    }
  }

  /** Until the consumers that are left have everything that was acknowledged. */
  private void drain() throws Exception {
    long begin = System.nanoTime();
    while (true) {
      ChaosJournal now = new ChaosJournal();
      read(now);
      if (now.missing().isEmpty() || System.nanoTime() - begin > DRAIN_MS * 1_000_000) {
        break;
      }
      Thread.sleep(300);
    }
    out.printf(Locale.ROOT, "everything delivered %.1f s after the last send%n", (System.nanoTime() - begin) / 1e9);
    // What would come twice now has the time to.
    Thread.sleep(2_000);
    for (Member member : consumers) {
      event("left", member.name, () -> {
        member.process.destroy();
        member.process.waitFor(60, TimeUnit.SECONDS);
      });
    }
    read(books);
  }

  private void report() throws Exception {
    books.judge();
    Map<String, Long> kinds = new java.util.TreeMap<>();
    books.events.forEach(e -> kinds.merge((e.who().startsWith("consumer") ? "consumer" : e.who()) + " " + e.kind(), 1L, Long::sum));
    out.println("events: " + kinds);
    long delivered = books.deliveries.values().stream().mapToLong(List::size).sum();
    out.println(books.acknowledged.size() + " acknowledged after " + books.tries + " tries, " + books.deliveries.size() + " places delivered, "
        + delivered + " deliveries, " + books.missing().size() + " lost");
    books.causes.forEach((cause, count) -> out.printf(Locale.ROOT, "%7d %s%s%n", count, cause,
        books.longestBack.get(cause) > 0 ? String.format(Locale.ROOT, " (at most %.2f s before)", books.longestBack.get(cause) / 1e9) : ""));
    for (String problem : books.problems) {
      out.println("problem: " + problem);
    }
  }
}
