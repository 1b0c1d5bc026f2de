package upstream;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/** A name server or broker as a child process; its log and properties lie in the directory of the run. */
final class Server {
  private static final long READY_MS = 90_000;
  private static final List<Server> ALL = new ArrayList<>();
  private static boolean ending;

  final int port;
  private final String name;
  private final Path log;
  private final Process process;

  private Server(String name, int port, Path log, Process process) {
    this.name = name;
    this.port = port;
    this.log = log;
    this.process = process;
  }

  static Path directory() {
    return Path.of(System.getProperty("upstream.out"));
  }

  /** Does not wait: several are started side by side. */
  static Server start(String name, String variable, int port, Properties properties, String... arguments) {
    try {
      Path file = directory().resolve(name + ".properties");
      StringBuilder text = new StringBuilder();
      new TreeMap<>(properties).forEach((key, value) -> text.append(key).append('=').append(value).append('\n'));
      String extra = System.getenv(variable.replace("_CMD", "_EXTRA"));
      if (extra != null) {
        text.append(extra.trim().replaceAll("\\s+", "\n")).append('\n');
      }
      Files.writeString(file, text);
      List<String> command = new ArrayList<>(Arrays.asList(System.getenv(variable).trim().split("\\s+")));
      command.addAll(List.of("-c", file.toString()));
      command.addAll(List.of(arguments));
      Path log = directory().resolve(name + ".log");
      ProcessBuilder builder = new ProcessBuilder(command);
      builder.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
      builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
      builder.environment().put("PEER_HOME", Files.createDirectories(directory().resolve(name + ".home")).toString());
      builder.environment().put("TMPDIR", System.getProperty("java.io.tmpdir"));
      synchronized (ALL) {
        if (ending) {
          throw new IllegalStateException("the run is ending");
        }
        Server server = new Server(name, port, log, builder.start());
        ALL.add(server);
        return server;
      }
    } catch (IOException e) {
      throw new IllegalStateException("cannot start " + name, e);
    }
  }

  Server await() {
    long end = System.nanoTime() + READY_MS * 1_000_000;
    while (!accepts(port)) {
      if (!process.isAlive() || System.nanoTime() > end) {
        throw new IllegalStateException(name + (process.isAlive() ? " does not accept on port " + port : " has ended") + ", see " + log);
      }
      sleep(30);
    }
    return this;
  }

  boolean alive() {
    return process.isAlive();
  }

  void stop() {
    process.destroy();
    try {
      if (!process.waitFor(30, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new IllegalStateException(name + " did not end within 30 s of SIGTERM, see " + log);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  static void awaitAll() {
    List<Server> all;
    synchronized (ALL) {
      all = new ArrayList<>(ALL);
    }
    all.stream().filter(Server::alive).forEach(Server::await);
  }

  static void killAll() {
    synchronized (ALL) {
      ending = true;
      ALL.forEach(server -> server.process.destroyForcibly());
    }
  }

  /** A port with which all port + offset are free. */
  static int freePort(int... offsets) {
    while (true) {
      int port = ThreadLocalRandom.current().nextInt(11_000, 30_000);
      if (Arrays.stream(offsets).allMatch(offset -> free(port + offset))) {
        return port;
      }
    }
  }

  private static boolean free(int port) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private static boolean accepts(int port) {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 300);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private static void sleep(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }
}
