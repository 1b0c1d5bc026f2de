package conformance;

import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.command.MQAdminStartup;
import org.apache.rocketmq.tools.command.SubCommand;
import org.apache.rocketmq.tools.command.offset.GetConsumerStatusCommand;
import org.apache.rocketmq.tools.command.offset.ResetOffsetByTimeOldCommand;

/**
 * The same commands of the real mqadmin against two makes of server in the same state: their outputs have the same lines once numbers, addresses, ids and
 * times are out of them. Arguments: directory for logs, for stores, then patterns of labels.
 * NAMESRV_CMD and BROKER_CMD name one make, OTHER_NAMESRV_CMD and OTHER_BROKER_CMD the other, which is right by definition.
 */
public final class AdminShapes {
  private static final String TOPIC = "T_shapes";
  private static final String OTHER_TOPIC = "T_shapes_other";
  private static final String GROUP = "G_shapes";
  private static final String SOURCE = "G_shapes_source";
  private static final String TARGET = "G_shapes_target";
  private static final String BROKER = "broker-shapes";
  private static final int MESSAGES = 20;
  private static final Pattern BRACES = Pattern.compile("\\{([^{}]*)\\}");

  private final Map<String, SubCommand> commands = new LinkedHashMap<>();
  private final Path dir;
  private final Path stores;
  private final List<String> patterns;

  private AdminShapes(Path dir, Path stores, List<String> patterns) throws Exception {
    this.dir = dir;
    this.stores = stores;
    this.patterns = patterns;
    MQAdminStartup.initCommand();
    // The releases have different names for it.
    Field list = Arrays.stream(MQAdminStartup.class.getDeclaredFields()).filter(f -> List.class.isAssignableFrom(f.getType())).findFirst().orElseThrow();
    list.setAccessible(true);
    for (Object command : (List<?>) list.get(null)) {
      commands.put(((SubCommand) command).commandName(), (SubCommand) command);
    }
    // They are there, but have no name in the program.
    for (SubCommand command : List.of(new GetConsumerStatusCommand(), new ResetOffsetByTimeOldCommand())) {
      commands.put(command.commandName(), command);
    }
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = System.out;
    Runtime.getRuntime().addShutdownHook(new Thread(ServerProcess::killAll));
    AdminShapes shapes = new AdminShapes(Path.of(args[0]), Path.of(args[1]), Arrays.asList(args).subList(2, args.length));
    Map<String, String> theirs = shapes.outputs("other", "OTHER_NAMESRV_CMD", "OTHER_BROKER_CMD");
    Map<String, String> ours = shapes.outputs("ours", "NAMESRV_CMD", "BROKER_CMD");
    Map<String, String> known = new LinkedHashMap<>();
    for (String line : Files.readAllLines(Path.of(System.getProperty("shapes.differs")))) {
      if (!line.startsWith("#") && line.contains(": ")) {
        known.put(line.substring(0, line.indexOf(": ")), line.substring(line.indexOf(": ") + 2));
      }
    }
    int failed = 0;
    int skipped = 0;
    for (String label : theirs.keySet()) {
      TreeSet<String> missing = lines(label, theirs.get(label));
      TreeSet<String> extra = lines(label, ours.getOrDefault(label, ""));
      TreeSet<String> same = new TreeSet<>(missing);
      same.retainAll(extra);
      Files.writeString(shapes.dir.resolve(label.replace(' ', '_') + ".other.txt"), theirs.get(label));
      Files.writeString(shapes.dir.resolve(label.replace(' ', '_') + ".ours.txt"), ours.getOrDefault(label, ""));
      missing.removeAll(same);
      extra.removeAll(same);
      // More keys than Apache's are no fault.
      boolean good = missing.isEmpty() && (extra.isEmpty() || label.equals("brokerStatus"));
      if (!good && known.containsKey(label)) {
        skipped++;
        out.println("SKIP " + label + ": " + known.get(label));
        continue;
      }
      failed += good ? 0 : 1;
      out.println((good ? "PASS " : "FAIL ") + label);
      missing.stream().limit(12).forEach(line -> out.println("    - " + line));
      extra.stream().limit(12).forEach(line -> out.println("    + " + line));
    }
    out.println(theirs.size() - failed - skipped + " passed, " + failed + " failed, " + skipped + " skipped");
    out.flush();
    Runtime.getRuntime().halt(failed == 0 ? 0 : 1);
  }

  /** The different lines of an output without what changes from run to run. */
  private static TreeSet<String> lines(String label, String output) {
    TreeSet<String> result = new TreeSet<>();
    for (String line : output.split("\n")) {
      String text = line.replaceAll("(?:/?\\d+\\.\\d+\\.\\d+\\.\\d+)@[^\\s,\"]+", "CLIENT")
          .replaceAll("/?(?:127\\.0\\.0\\.1|\\d+\\.\\d+\\.\\d+\\.\\d+):\\d+", "ADDRESS").replaceAll("\\b\\d+\\.\\d+\\.\\d+\\.\\d+\\b", "HOST")
          .replaceAll("\\b[0-9A-F]{24,}\\b", "ID").replaceAll("\\d{4}-\\d\\d-\\d\\d[ T,#]\\d\\d:\\d\\d:\\d\\d(?:[:.,]\\d{3})?", "TIME")
          .replaceAll("\\bV\\d+_\\d+_\\d+(?:_SNAPSHOT)?\\b", "VERSION").replaceAll("(?:^|(?<=[\\s:=]))/[\\w./-]*(?:shapes|/tmp)[\\w./-]*", "PATH")
          .replaceAll("\\b\\d+ms\\b", "#ms").replaceAll("(?<![\\w%])-?\\d+(?:\\.\\d+)?(?:E-?\\d+)?(?![\\w%])", "#").replaceAll("\\s+", " ").trim();
      // Properties come out of a hash table.
      text = BRACES.matcher(text).replaceAll(m -> Matcher.quoteReplacement(
          "{" + Arrays.stream(m.group(1).split(", ")).sorted().collect(Collectors.joining(", ")) + "}"));
      if (text.isEmpty() || text.startsWith("at ") || text.startsWith("...")) {
        continue;
      }
      // The empty queue of the retry topic has a row when an offset of it was committed: Apache says that there is none until a pull
      // of it came back empty, MerlinMQ says 0 at once.
      if (label.startsWith("consumerProgress") && text.startsWith("%RETRY%")) {
        continue;
      }
      // Keys only: values are those of another program.
      if (label.startsWith("brokerStatus") || label.startsWith("getNamesrvConfig") || label.startsWith("consumerStatus")) {
        text = text.replaceAll("[:=].*", "").replaceAll("#.*", "").replaceAll("_/.*", "").trim();
      }
      result.add(text);
    }
    return result;
  }

  private final class Side {
    final Cluster cluster;
    final Cluster.Broker broker;
    final Map<String, String> outputs = new LinkedHashMap<>();
    final List<String> open = new ArrayList<>();
    final AdminTool tool;

    Side(String name, String namesrvCommand, String brokerCommand) throws Exception {
      cluster = new Cluster(dir.resolve(name), stores.resolve(name), namesrvCommand);
      broker = cluster.new Broker(BROKER, stores.resolve(name).resolve(BROKER), Map.of("traceTopicEnable", "true", "enablePropertyFilter", "true"), brokerCommand);
      cluster.brokers.add(broker);
      cluster.namesrv.start();
      broker.start();
      tool = new AdminTool(cluster.namesrvAddr());
    }

    /** Begins a command; the words are its command line. */
    void begin(String label, String... words) throws Exception {
      if (!patterns.isEmpty() && patterns.stream().noneMatch(label::contains)) {
        return;
      }
      SubCommand command = commands.get(words[0]);
      // An older mqadmin has fewer.
      if (command == null) {
        return;
      }
      tool.begin(label, command.getClass().getDeclaredConstructor().newInstance(), Arrays.copyOfRange(words, 1, words.length));
      open.add(label);
    }

    void take() {
      open.forEach(label -> outputs.put(label, output(label)));
      open.clear();
    }

    private String output(String label) {
      try {
        return tool.output(label);
      } catch (Exception | AssertionError e) {
        return "fails: " + String.valueOf(e.getMessage()).replaceAll("mqadmin [^:]*: ", "");
      }
    }

    void now(String label, String... words) throws Exception {
      begin(label, words);
      take();
    }
  }

  private Map<String, String> outputs(String name, String namesrvCommand, String brokerCommand) throws Exception {
    Side side = new Side(name, namesrvCommand, brokerCommand);
    Bed bed = new Bed(side.cluster, "shapes");
    bed.createTopic(side.broker, TOPIC, 4, 6);
    bed.createTopic(side.broker, OTHER_TOPIC, 2, 6);
    DefaultMQProducer producer = new DefaultMQProducer("P_shapes", true, null);
    bed.configure(producer);
    producer.setSendMsgTimeout(10_000);
    producer.start();
    Inbox inbox = new Inbox();
    Inbox sourceInbox = new Inbox();
    DefaultMQPushConsumer consumer = PushScenarios.start(bed, GROUP, TOPIC, "a || b", inbox);
    DefaultMQPushConsumer source = PushScenarios.start(bed, SOURCE, TOPIC, "*", sourceInbox);
    SendResult last = null;
    for (int i = 0; i < MESSAGES; i++) {
      Message message = new Message(TOPIC, "a", "key" + i % 4, "body".getBytes(StandardCharsets.UTF_8));
      last = producer.send(message, new MessageQueue(TOPIC, BROKER, i % 4));
    }
    Check.eventually(60_000, "everything is consumed", () -> inbox.size() >= MESSAGES && sourceInbox.size() >= MESSAGES);
    source.shutdown();
    var mine = consumer.getDefaultMQPushConsumerImpl();
    Check.eventually(60_000, "the consumer has its four queues and that of its retry topic",
        () -> mine.getRebalanceImpl().getProcessQueueTable().size() >= 5);
    mine.persistConsumerOffset();
    String unique = last.getMsgId();
    Check.settles(30_000, () -> bed.tool().viewMessage(TOPIC, unique));
    // The client gathers traces for some seconds; the last message has its own among them.
    Check.settles(60_000, () -> Check.that(!bed.tool().queryMessage("RMQ_SYS_TRACE_TOPIC", unique, 32, 0, Long.MAX_VALUE).getMessageList().isEmpty(),
        "the trace of the last message"));
    // The offset of the retry topic, which a first pull makes.
    Thread.sleep(6_500);
    // What is active is counted from samples, one each ten seconds.
    DefaultMQAdminExt admin = AdminTool.client(bed);
    for (String topic : List.of(TOPIC, "RMQ_SYS_TRACE_TOPIC")) {
      Check.settles(60_000, () -> Check.that(admin.viewBrokerStatsData(side.broker.addr(), "TOPIC_PUT_NUMS", topic).getStatsMinute()
          .getSum() > 0, "messages to %s within a minute", topic));
    }
    reads(side, consumer, last, unique);
    filterData(bed, side);
    online(side, consumer, last, unique);
    writes(side);
    offline(side);
    consumer.shutdown();
    producer.shutdown();
    side.cluster.close();
    return side.outputs;
  }

  private void filterData(Bed bed, Side side) throws Exception {
    DefaultMQPushConsumer consumer = bed.newPush("G_shapes_sql");
    consumer.subscribe(TOPIC, MessageSelector.bySql("a > 3 AND b IN ('x', 'it''s')"));
    consumer.registerMessageListener(new Inbox());
    consumer.start();
    Check.settles(30_000, () -> bed.api().getConsumerConnectionList(side.broker.addr(), "G_shapes_sql", Bed.CALL_MS));
    side.now("queryCq -g sql", "queryCq", "-t", TOPIC, "-q", "0", "-i", "0", "-c", "3", "-b", side.broker.addr(), "-g", "G_shapes_sql");
    consumer.shutdown();
  }

  private void reads(Side side, DefaultMQPushConsumer consumer, SendResult last, String unique) throws Exception {
    String addr = side.broker.addr();
    side.begin("clusterList", "clusterList");
    side.begin("clusterList -m", "clusterList", "-m");
    side.begin("brokerStatus", "brokerStatus", "-b", addr);
    side.begin("brokerConsumeStats", "brokerConsumeStats", "-b", addr);
    side.begin("topicList", "topicList");
    side.begin("topicList -c", "topicList", "-c");
    side.begin("topicRoute", "topicRoute", "-t", TOPIC);
    side.begin("topicRoute none", "topicRoute", "-t", "T_shapes_none");
    side.begin("topicStatus", "topicStatus", "-t", TOPIC);
    side.begin("topicStatus none", "topicStatus", "-t", "T_shapes_none");
    side.begin("topicClusterList", "topicClusterList", "-t", TOPIC);
    side.begin("allocateMQ", "allocateMQ", "-t", TOPIC, "-i", "10.0.0.1,10.0.0.2");
    side.begin("consumerProgress", "consumerProgress");
    side.begin("consumerProgress -g", "consumerProgress", "-g", GROUP);
    side.begin("consumerProgress -g -t -s", "consumerProgress", "-g", GROUP, "-t", TOPIC, "-s", "true");
    side.begin("consumerProgress offline", "consumerProgress", "-g", SOURCE);
    side.begin("consumerProgress none", "consumerProgress", "-g", "G_shapes_none");
    side.begin("consumerConnection", "consumerConnection", "-g", GROUP);
    side.begin("consumerConnection offline", "consumerConnection", "-g", SOURCE);
    side.begin("consumerConnection none", "consumerConnection", "-g", "G_shapes_none");
    side.begin("producerConnection", "producerConnection", "-g", "P_shapes", "-t", TOPIC);
    side.begin("producerConnection none", "producerConnection", "-g", "P_none", "-t", TOPIC);
    side.begin("producer", "producer", "-b", addr);
    side.take();
    side.begin("statsAll -t", "statsAll", "-t", TOPIC);
    side.begin("statsAll -a", "statsAll", "-a");
    side.begin("getConsumerConfig", "getConsumerConfig", "-g", GROUP);
    side.begin("getConsumerConfig none", "getConsumerConfig", "-g", "G_shapes_none");
    side.begin("getNamesrvConfig", "getNamesrvConfig");
    side.begin("queryCq", "queryCq", "-t", TOPIC, "-q", "0", "-i", "0", "-c", "3", "-b", addr);
    side.begin("queryCq -g", "queryCq", "-t", TOPIC, "-q", "0", "-i", "0", "-c", "3", "-b", addr, "-g", GROUP);
    side.begin("queryMsgById", "queryMsgById", "-t", TOPIC, "-i", last.getOffsetMsgId());
    side.begin("queryMsgByUniqueKey", "queryMsgByUniqueKey", "-t", TOPIC, "-i", unique);
    side.begin("queryMsgByKey", "queryMsgByKey", "-t", TOPIC, "-k", "key1");
    side.begin("queryMsgByKey none", "queryMsgByKey", "-t", TOPIC, "-k", "no-such-key");
    side.begin("queryMsgByOffset", "queryMsgByOffset", "-t", TOPIC, "-b", BROKER, "-i", "1", "-o", "2");
    side.begin("queryMsgByOffset none", "queryMsgByOffset", "-t", TOPIC, "-b", BROKER, "-i", "1", "-o", "99");
    side.begin("queryMsgTraceById", "queryMsgTraceById", "-i", unique);
    side.begin("printMsg", "printMsg", "-t", TOPIC, "-d", "false");
    side.begin("printMsgByQueue", "printMsgByQueue", "-t", TOPIC, "-a", BROKER, "-i", "2", "-p", "true", "-d", "false");
    side.begin("consumeMessage", "consumeMessage", "-t", TOPIC, "-b", BROKER, "-i", "1", "-o", "1", "-c", "2");
    side.take();
  }

  /** What the broker asks a client that is connected. */
  private void online(Side side, DefaultMQPushConsumer consumer, SendResult last, String unique) throws Exception {
    String client = consumer.buildMQClientId();
    side.begin("consumerStatus", "consumerStatus", "-g", GROUP);
    side.begin("consumerStatus -i", "consumerStatus", "-g", GROUP, "-i", client);
    side.begin("consumerStatus offline", "consumerStatus", "-g", SOURCE);
    side.begin("getConsumerStatus", "getConsumerStatus", "-g", GROUP, "-t", TOPIC);
    side.begin("queryMsgById -g -d", "queryMsgById", "-t", TOPIC, "-i", last.getOffsetMsgId(), "-g", GROUP, "-d", client);
    side.begin("queryMsgByUniqueKey -g -d", "queryMsgByUniqueKey", "-t", TOPIC, "-i", unique, "-g", GROUP, "-d", client);
    side.take();
    side.now("resetOffsetByTime online", "resetOffsetByTime", "-g", GROUP, "-t", TOPIC, "-s", "0");
    side.now("skipAccumulatedMessage online", "skipAccumulatedMessage", "-g", GROUP, "-t", TOPIC);
  }

  /** In three steps; what is in one step does not touch the same thing. */
  private void writes(Side side) throws Exception {
    String addr = side.broker.addr();
    Path topics = Files.writeString(dir.resolve("topics.json"), "[{\"topicName\":\"T_list_1\",\"readQueueNums\":2,\"writeQueueNums\":2,\"perm\":6}]");
    Path groups = Files.writeString(dir.resolve("groups.json"), "[{\"groupName\":\"G_list_1\",\"retryMaxTimes\":5}]");
    side.begin("updateTopic", "updateTopic", "-b", addr, "-t", "T_shapes_new", "-r", "4", "-w", "4");
    side.begin("updateTopic bad name", "updateTopic", "-b", addr, "-t", "T bad", "-r", "4", "-w", "4");
    side.begin("updateTopic reserved", "updateTopic", "-b", addr, "-t", "SCHEDULE_TOPIC_XXXX", "-r", "4", "-w", "4");
    side.begin("updateTopicList", "updateTopicList", "-b", addr, "-f", topics.toString());
    side.begin("updateOrderConf put", "updateOrderConf", "-t", TOPIC, "-v", BROKER + ":4", "-m", "put");
    side.begin("updateSubGroup", "updateSubGroup", "-b", addr, "-g", "G_shapes_new", "-r", "3", "-d", "false", "-o", "true");
    side.begin("updateSubGroupList", "updateSubGroupList", "-b", addr, "-f", groups.toString());
    side.begin("setConsumeMode", "setConsumeMode", "-b", addr, "-t", TOPIC, "-g", GROUP, "-m", "PULL", "-q", "0");
    side.begin("updateKvConfig", "updateKvConfig", "-s", "SHAPES", "-k", "a", "-v", "b");
    side.begin("wipeWritePerm", "wipeWritePerm", "-b", BROKER);
    side.begin("updateBrokerConfig unknown", "updateBrokerConfig", "-b", addr, "-k", "noSuchKeyAtAll", "-v", "1");
    side.begin("haStatus", "haStatus", "-b", addr);
    side.take();
    side.begin("updateTopicPerm", "updateTopicPerm", "-b", addr, "-t", "T_shapes_new", "-p", "4");
    side.begin("updateOrderConf get", "updateOrderConf", "-t", TOPIC, "-m", "get");
    side.begin("getConsumerConfig new", "getConsumerConfig", "-g", "G_shapes_new");
    side.begin("getConsumerConfig list", "getConsumerConfig", "-g", "G_list_1");
    side.begin("deleteKvConfig", "deleteKvConfig", "-s", "SHAPES", "-k", "a");
    side.begin("addWritePerm", "addWritePerm", "-b", BROKER);
    side.begin("cleanExpiredCQ", "cleanExpiredCQ", "-b", addr);
    side.take();
    side.begin("updateOrderConf delete", "updateOrderConf", "-t", TOPIC, "-m", "delete");
    side.begin("deleteSubGroup", "deleteSubGroup", "-b", addr, "-g", "G_shapes_new");
    side.begin("deleteTopic", "deleteTopic", "-c", Cluster.CLUSTER_NAME, "-t", "T_shapes_new");
    side.begin("sendMessage", "sendMessage", "-t", OTHER_TOPIC, "-p", "body", "-k", "k", "-c", "tag", "-b", BROKER, "-i", "1");
    side.begin("sendMsgStatus", "sendMsgStatus", "-b", BROKER, "-s", "16", "-c", "2");
    side.begin("checkMsgSendRT", "checkMsgSendRT", "-t", OTHER_TOPIC, "-a", "3", "-s", "16");
    side.begin("cleanUnusedTopic", "cleanUnusedTopic", "-b", addr);
    side.take();
  }

  /** Offsets of a group without members. */
  private void offline(Side side) throws Exception {
    side.begin("cloneGroupOffset", "cloneGroupOffset", "-s", SOURCE, "-d", TARGET, "-t", TOPIC, "-o", "true");
    side.begin("resetOffsetByTime none", "resetOffsetByTime", "-g", SOURCE, "-t", "T_shapes_none", "-s", "0");
    side.take();
    side.begin("resetOffsetByTime offline", "resetOffsetByTime", "-g", SOURCE, "-t", TOPIC, "-s", "0");
    side.begin("consumerProgress clone", "consumerProgress", "-g", TARGET);
    side.take();
    side.now("resetOffsetByTime now", "resetOffsetByTime", "-g", SOURCE, "-t", TOPIC, "-s", "now");
    side.now("resetOffsetByTime -q -o", "resetOffsetByTime", "-g", SOURCE, "-t", TOPIC, "-s", "0", "-b", side.broker.addr(), "-q", "1", "-o", "2");
    side.now("resetOffsetByTimeOld", "resetOffsetByTimeOld", "-g", SOURCE, "-t", TOPIC, "-s", "0", "-f", "true");
    side.now("skipAccumulatedMessage offline", "skipAccumulatedMessage", "-g", SOURCE, "-t", TOPIC);
    side.now("consumerProgress after resets", "consumerProgress", "-g", SOURCE);
  }
}
