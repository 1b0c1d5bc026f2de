package conformance;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Options;
import org.apache.commons.cli.PosixParser;
import org.apache.rocketmq.srvutil.ServerUtil;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.command.SubCommand;

/**
 * Commands of mqadmin inside this JVM, each in a thread of its own: their clients take seconds to shut down.
 * What a command prints is found by its thread.
 */
final class AdminTool {
  private static final InheritableThreadLocal<ByteArrayOutputStream> OUTPUT = new InheritableThreadLocal<>();

  static {
    PrintStream original = System.out;
    System.setOut(new PrintStream(new OutputStream() {
      @Override
      public void write(int b) {
        ByteArrayOutputStream mine = OUTPUT.get();
        if (mine == null) {
          original.write(b);
        } else {
          mine.write(b);
        }
      }

      @Override
      public void flush() {
        original.flush();
      }
    }, true, StandardCharsets.UTF_8));
  }

  private final String namesrv;
  private final Map<String, Thread> running = new LinkedHashMap<>();
  private final Map<String, String> outputs = new ConcurrentHashMap<>();
  private final Map<String, Throwable> problems = new ConcurrentHashMap<>();

  /** The library behind the commands, which ends with the scenario. */
  static DefaultMQAdminExt client(Bed bed) throws Exception {
    DefaultMQAdminExt admin = new DefaultMQAdminExt(Bed.CALL_MS);
    bed.configure(admin);
    admin.start();
    bed.closing(admin::shutdown);
    return admin;
  }

  AdminTool(String namesrv) {
    this.namesrv = namesrv;
    System.setProperty("rocketmq.namesrv.addr", namesrv);
  }

  /** Begins a command; its output is asked for by the label. */
  AdminTool begin(String label, SubCommand command, String... arguments) throws Exception {
    List<String> words = new ArrayList<>(Arrays.asList(arguments));
    words.add("-n");
    words.add(namesrv);
    Thread thread = new Thread(() -> {
      ByteArrayOutputStream output = new ByteArrayOutputStream();
      OUTPUT.set(output);
      try {
        SubCommand attempt = command;
        while (!execute(attempt, words)) {
          output.reset();
          attempt = command.getClass().getDeclaredConstructor().newInstance();
        }
      } catch (Throwable e) {
        problems.put(label, e);
      }
      outputs.put(label, output.toString(StandardCharsets.UTF_8));
    }, "mqadmin " + command.commandName());
    running.put(label, thread);
    synchronized (AdminTool.class) {
      thread.start();
      Thread.sleep(40);
    }
    return this;
  }

  /**
   * False when the command has to be run anew: the commands name their clients by the millisecond, and of two that were held up and
   * begin in the same one, the second finds its name taken before it has asked anything.
   */
  private static boolean execute(SubCommand command, List<String> words) throws Exception {
    Options options = command.buildCommandlineOptions(ServerUtil.buildCommandlineOptions(new Options()));
    CommandLine line = new PosixParser().parse(options, words.toArray(new String[0]));
    try {
      command.execute(line, options, null);
      return true;
    } catch (Exception e) {
      if (!String.valueOf(e.getCause()).contains("has created already")) {
        throw e;
      }
      Thread.sleep(ThreadLocalRandom.current().nextInt(5, 100));
      return false;
    }
  }

  /** What the command printed; fails when it failed. */
  String output(String label) throws Exception {
    running.get(label).join();
    Throwable problem = problems.get(label);
    if (problem != null) {
      throw new Check.Failed("mqadmin " + label + ": " + problem + " " + problem.getCause(), problem);
    }
    return outputs.get(label);
  }

  String run(SubCommand command, String... arguments) throws Exception {
    String label = command.commandName() + "#" + running.size();
    begin(label, command, arguments);
    return output(label);
  }

  /** Output of a command has a line with all these words, in this order. */
  static void line(String output, String... words) {
    for (String line : output.split("\n")) {
      int at = 0;
      for (String word : words) {
        at = at < 0 ? at : line.indexOf(word, at);
      }
      if (at >= 0) {
        return;
      }
    }
    throw new Check.Failed("no line with " + Arrays.toString(words) + " in: " + output, null);
  }
}
