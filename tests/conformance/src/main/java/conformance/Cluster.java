package conformance;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A name server and its brokers. Every broker has a store directory of its own, kept over its restarts. */
final class Cluster implements AutoCloseable {
  static final String CLUSTER_NAME = "ConformanceCluster";

  final class Broker {
    final String name;
    final int port;
    final Path store;
    final ServerProcess process;

    Broker(String name, Map<String, String> extra) throws Exception {
      this(name, stores.resolve(name), extra);
    }

    Broker(String name, Path store, Map<String, String> extra) throws Exception {
      this(name, store, extra, "BROKER_CMD");
    }

    /** The command of the broker is the value of an environment variable. */
    Broker(String name, Path store, Map<String, String> extra, String variable) throws Exception {
      this.name = name;
      this.store = store;
      port = Ports.pick(-2, 0, 1);
      Map<String, String> keys = new LinkedHashMap<>();
      keys.put("brokerClusterName", CLUSTER_NAME);
      keys.put("brokerName", name);
      keys.put("brokerId", "0");
      keys.put("brokerIP1", "127.0.0.1");
      keys.put("listenPort", String.valueOf(port));
      keys.put("haListenPort", String.valueOf(port + 1));
      keys.put("namesrvAddr", namesrvAddr());
      keys.put("storePathRootDir", store.toString());
      keys.put("storePathCommitLog", store.resolve("commitlog").toString());
      keys.put("autoCreateTopicEnable", "true");
      // Apache's default is false.
      keys.put("enablePropertyFilter", "true");
      keys.put("flushDiskType", "ASYNC_FLUSH");
      // Small files: the suite runs on small disks, and rolling to the next segment gets its share.
      keys.put("mappedFileSizeCommitLog", String.valueOf(32 << 20));
      // A slow machine is not an overloaded broker.
      keys.put("waitTimeMillsInSendQueue", "10000");
      keys.put("deleteWhen", "04");
      keys.put("diskMaxUsedSpaceRatio", "95");
      // Apache's timer wheel is written out every second, 400 MB of it; nothing here uses it.
      keys.put("timerFlushIntervalMs", "60000");
      keys.putAll(extra);
      keys.putAll(words("BROKER_EXTRA"));
      process = new ServerProcess(name, dir, port, variable, keys, "-n", namesrvAddr());
    }

    String addr() {
      return "127.0.0.1:" + port;
    }

    void start() throws Exception {
      process.start();
      Check.settles(75_000, () -> Check.that(Routes.brokers(namesrvAddr()).contains(name + "@" + addr()),
          "broker %s is registered, see %s", name, process.log));
    }

    void stop() throws Exception {
      process.stop();
    }

    void restart() throws Exception {
      stop();
      start();
    }
  }

  final Path dir;
  final Path stores;
  final ServerProcess namesrv;
  final List<Broker> brokers = new ArrayList<>();

  Cluster(Path dir, Path stores) throws Exception {
    this(dir, stores, "NAMESRV_CMD");
  }

  /** The command of the name server is the value of an environment variable. */
  Cluster(Path dir, Path stores, String variable) throws Exception {
    this.dir = Files.createDirectories(dir);
    this.stores = Files.createDirectories(stores);
    int port = Ports.pick(0);
    Map<String, String> keys = new LinkedHashMap<>();
    keys.put("listenPort", String.valueOf(port));
    keys.put("kvConfigPath", dir.resolve("kvConfig.json").toString());
    keys.put("configStorePath", dir.resolve("namesrv.store.properties").toString());
    keys.putAll(words("NAMESRV_EXTRA"));
    namesrv = new ServerProcess("namesrv", dir, port, variable, keys);
  }

  String namesrvAddr() {
    return "127.0.0.1:" + namesrv.port;
  }

  Broker addBroker(String name, Map<String, String> extra) throws Exception {
    Broker broker = new Broker(name, extra);
    brokers.add(broker);
    return broker;
  }

  /** Brokers first, so that they can take their leave of the name server. */
  @Override
  public void close() throws Exception {
    Exception first = null;
    for (Broker broker : brokers) {
      try {
        broker.stop();
      } catch (Exception e) {
        first = first == null ? e : first;
      }
    }
    namesrv.stop();
    if (first != null) {
      throw first;
    }
  }

  private static Map<String, String> words(String variable) {
    Map<String, String> result = new LinkedHashMap<>();
    String text = System.getenv(variable);
    if (text != null && !text.isBlank()) {
      for (String word : text.trim().split("\\s+")) {
        int equals = word.indexOf('=');
        result.put(word.substring(0, equals), word.substring(equals + 1));
      }
    }
    return result;
  }
}
