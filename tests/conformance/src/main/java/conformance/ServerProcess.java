package conformance;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * One name server or broker as a child process.
 * Its standard output and error are appended to DIR/NAME.log, its properties are DIR/NAME.properties.
 */
final class ServerProcess {
  private static final long READY_MS = Long.getLong("conformance.ready.ms", 60_000);
  private static final long STOP_MS = 60_000;
  private static final List<ServerProcess> ALL = new ArrayList<>();

  final String name;
  final int port;
  final Path log;
  private final Path dir;
  private final List<String> command;
  private Process process;

  ServerProcess(String name, Path dir, int port, String variable, Map<String, String> properties, String... arguments)
      throws IOException {
    this.name = name;
    this.dir = dir;
    this.port = port;
    this.log = dir.resolve(name + ".log");
    String words = System.getenv(variable);
    if (words == null || words.isBlank()) {
      throw new IllegalStateException(variable + " is not set");
    }
    Path file = dir.resolve(name + ".properties");
    StringBuilder text = new StringBuilder();
    properties.forEach((key, value) -> text.append(key).append('=').append(value).append('\n'));
    Files.createDirectories(dir);
    Files.writeString(file, text);
    command = new ArrayList<>(Arrays.asList(words.trim().split("\\s+")));
    command.add("-c");
    command.add(file.toString());
    command.addAll(Arrays.asList(arguments));
    synchronized (ALL) {
      ALL.add(this);
    }
  }

  void start() throws Exception {
    note("start " + command);
    ProcessBuilder builder = new ProcessBuilder(command);
    Path home = Files.createDirectories(dir.resolve(name + ".home"));
    String callerDir = System.getenv("CALLER_DIR");
    if (callerDir != null) {
      builder.directory(Path.of(callerDir).toFile());
    }
    builder.environment().put("PEER_HOME", home.toString());
    builder.environment().put("TMPDIR", home.toString());
    builder.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
    process = builder.start();
    Check.eventually(READY_MS, name + " accepts connections on port " + port + ", see " + log, () -> {
      if (!process.isAlive()) {
        throw new IllegalStateException(name + " ended with status " + process.exitValue() + ", see " + log);
      }
      return Ports.accepts(port);
    });
  }

  boolean alive() {
    return process != null && process.isAlive();
  }

  long pid() {
    return process.pid();
  }

  /** SIGTERM and wait: an orderly stop. Anything but an end within a minute is an error. */
  void stop() throws Exception {
    if (!alive()) {
      return;
    }
    note("SIGTERM");
    process.destroy();
    if (!process.waitFor(STOP_MS, TimeUnit.MILLISECONDS)) {
      kill();
      throw new IllegalStateException(name + " did not end within " + STOP_MS + " ms of SIGTERM, see " + log);
    }
    int status = process.exitValue();
    note("ended with status " + status);
    // A JVM that ran its shutdown hooks reports 143.
    if (status != 0 && status != 143) {
      throw new IllegalStateException(name + " ended with status " + status + " after SIGTERM, see " + log);
    }
  }

  void kill() throws InterruptedException {
    if (process != null) {
      note("SIGKILL");
      process.destroyForcibly();
      process.waitFor();
    }
  }

  private void note(String what) {
    try {
      Files.writeString(log, "==== conformance: " + what + "\n", StandardCharsets.UTF_8, StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    } catch (IOException e) {
      System.err.println("cannot write " + log + ": " + e);
    }
  }

  /** Ends what is still there; used when the suite leaves in any way. */
  static void killAll() {
    synchronized (ALL) {
      for (ServerProcess server : ALL) {
        if (server.alive()) {
          server.process.destroyForcibly();
        }
      }
    }
  }
}
