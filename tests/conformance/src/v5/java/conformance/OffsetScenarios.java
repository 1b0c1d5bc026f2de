package conformance;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.admin.ConsumeStats;
import org.apache.rocketmq.remoting.protocol.body.BrokerStatsData;
import org.apache.rocketmq.remoting.protocol.body.CMResult;
import org.apache.rocketmq.remoting.protocol.body.ConsumeMessageDirectlyResult;
import org.apache.rocketmq.remoting.protocol.body.ConsumeStatsList;
import org.apache.rocketmq.remoting.protocol.body.ConsumerRunningInfo;
import org.apache.rocketmq.remoting.protocol.body.QueryConsumeQueueResponseBody;
import org.apache.rocketmq.remoting.protocol.body.QueueTimeSpan;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.command.broker.BrokerConsumeStatsSubCommand;
import org.apache.rocketmq.tools.command.consumer.ConsumerProgressSubCommand;
import org.apache.rocketmq.tools.command.consumer.ConsumerStatusSubCommand;
import org.apache.rocketmq.tools.command.consumer.DeleteSubscriptionGroupCommand;
import org.apache.rocketmq.tools.command.message.QueryMsgByIdSubCommand;
import org.apache.rocketmq.tools.command.message.QueryMsgByOffsetSubCommand;
import org.apache.rocketmq.tools.command.message.QueryMsgByUniqueKeySubCommand;
import org.apache.rocketmq.tools.command.offset.CloneGroupOffsetCommand;
import org.apache.rocketmq.tools.command.offset.ResetOffsetByTimeCommand;
import org.apache.rocketmq.tools.command.offset.ResetOffsetByTimeOldCommand;
import org.apache.rocketmq.tools.command.offset.SkipAccumulationSubCommand;
import org.apache.rocketmq.tools.command.queue.QueryConsumeQueueCommand;
import org.apache.rocketmq.tools.command.stats.StatsAllSubCommand;

/** Offsets moved and looked at by operators, questions handed on to clients, and the numbers behind them. */
final class OffsetScenarios {
  private static final int SYSTEM_ERROR = 1;
  private static final int CONSUMER_NOT_ONLINE = 206;

  private OffsetScenarios() {}

  static void register(Suite suite) {
    suite.add("offsets_reset_of_absent_consumers", OffsetScenarios::resetAbsent);
    suite.add("offsets_reset_of_one_queue", OffsetScenarios::resetQueue);
    suite.add("offsets_reset_by_clients", OffsetScenarios::resetByClients);
    suite.add("offsets_reset_by_tool", OffsetScenarios::resetByTool);
    suite.add("offsets_clone", OffsetScenarios::cloneOffsets);
    suite.add("offsets_go_with_group_and_topic", OffsetScenarios::deleted);
    suite.add("relay_running_info", OffsetScenarios::runningInfo);
    suite.add("relay_consume_directly", OffsetScenarios::consumeDirectly);
    suite.add("relay_consume_status", OffsetScenarios::consumeStatus);
    suite.add("stats_of_groups", OffsetScenarios::groupStats);
    suite.add("stats_of_traffic", OffsetScenarios::traffic);
    suite.add("stats_of_messages_given_back", OffsetScenarios::givenBack);
    suite.add("stats_of_a_queue", OffsetScenarios::queue);
  }

  /** Sends to each queue in turn and lets the group consume all of it. */
  private static List<Message> consumed(Bed bed, String topic, String group, int count) throws Exception {
    List<Message> sent = Mail.make(topic, "x", count);
    PushScenarios.send(bed.producer(), sent);
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "*", inbox);
    Inbox.expect(sent, inbox);
    PushScenarios.awaitConsumed(bed, consumer, topic);
    consumer.shutdown();
    return sent;
  }

  private static Map<Integer, Long> offsets(DefaultMQAdminExt admin, String group, String topic) throws Exception {
    Map<Integer, Long> out = new TreeMap<>();
    admin.examineConsumeStats(group, topic).getOffsetTable()
        .forEach((queue, wrapper) -> out.put(queue.getQueueId(), wrapper.getConsumerOffset()));
    return out;
  }

  static void resetAbsent(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    DefaultMQAdminExt admin = AdminTool.client(bed);
    consumed(bed, topic, group, 10);
    Check.settles(30_000, () -> Check.equal(Map.of(0, 5L, 1, 5L), offsets(admin, group, topic), "offsets of the group"));
    Thread.sleep(20);
    long between = System.currentTimeMillis();
    Thread.sleep(20);
    List<Message> later = Mail.make(topic, "later", 6);
    PushScenarios.send(bed.producer(), later);
    // Forward to the end, then back to a moment: nobody is there to be told.
    Check.equal(Set.of(8L), Set.copyOf(admin.resetOffsetByTimestamp(topic, group, -1, true).values()), "to the end");
    Check.equal(Map.of(0, 8L, 1, 8L), offsets(admin, group, topic), "offsets at the end");
    Check.equal(Set.of(5L), Set.copyOf(admin.resetOffsetByTimestamp(topic, group, between, true).values()), "to a moment");
    Inbox inbox = new Inbox();
    PushScenarios.start(bed, group, topic, "*", inbox);
    Inbox.expect(later, inbox);
    Check.settles(30_000, () -> Check.equal(Map.of(0, 8L, 1, 8L), offsets(admin, group, topic), "consumed again to the end"));
    MQClientException unknown = Check.fails(MQClientException.class, "reset of a group that is none",
        () -> admin.resetOffsetByTimestamp(topic, bed.name("none"), 0, true));
    Check.equal(26, unknown.getResponseCode(), "code");
    MQClientException noTopic = Check.fails(MQClientException.class, "reset in a topic that is none",
        () -> Bed.api(bed.tool()).invokeBrokerToResetOffset(bed.broker.addr(), bed.name("none"), group, 0, true, Bed.CALL_MS));
    Check.equal(17, noTopic.getResponseCode(), "code");
  }

  static void resetQueue(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    DefaultMQAdminExt admin = AdminTool.client(bed);
    consumed(bed, topic, group, 10);
    Check.settles(30_000, () -> Check.equal(Map.of(0, 5L, 1, 5L), offsets(admin, group, topic), "offsets of the group"));
    admin.resetOffsetByQueueId(bed.broker.addr(), group, topic, 1, 2);
    Check.equal(Map.of(0, 5L, 1, 2L), offsets(admin, group, topic), "one queue went back");
    Inbox inbox = new Inbox();
    PushScenarios.start(bed, group, topic, "*", inbox);
    Check.eventually(60_000, "its last three come again", () -> inbox.size() == 3);
    Check.equal(List.of(2L, 3L, 4L), inbox.all().stream().map(MessageExt::getQueueOffset).sorted().collect(Collectors.toList()), "offsets");
    MQClientException beyond = Check.fails(MQClientException.class, "an offset that the queue does not have",
        () -> Bed.api(bed.tool()).invokeBrokerToResetOffset(bed.broker.addr(), topic, group, 0, 1, 7L, Bed.CALL_MS));
    Check.equal(SYSTEM_ERROR, beyond.getResponseCode(), "code");
    Check.that(beyond.getErrorMessage().contains("Target offset 7 not in consume queue range [0-5]"), "remark: %s", beyond.getErrorMessage());
  }

  /** useServerSideResetOffset=false: the broker tells the consumers, and they commit. */
  static void resetByClients(Bed bed) throws Exception {
    Cluster.Broker broker = bed.cluster.new Broker("broker-tells", Map.of("brokerClusterName", "TellCluster",
        "autoCreateTopicEnable", "false", "useServerSideResetOffset", "false"));
    broker.start();
    String topic = bed.name("T");
    String group = bed.name("G");
    bed.createTopic(broker, topic, 2, 6);
    DefaultMQAdminExt admin = AdminTool.client(bed);
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "*", inbox);
    List<Message> sent = Mail.make(topic, "x", 10);
    PushScenarios.send(bed.producer(), sent);
    Inbox.expect(sent, inbox);
    Check.settles(30_000, () -> Check.equal(Map.of(0, 5L, 1, 5L), offsets(admin, group, topic), "offsets of the group"));
    Check.equal(Set.of(0L), Set.copyOf(admin.resetOffsetByTimestamp(topic, group, 0, true).values()), "offsets given out");
    Check.eventually(75_000, "all messages come a second time", () -> inbox.size() == 20);
    Check.settles(30_000, () -> Check.equal(Map.of(0, 5L, 1, 5L), offsets(admin, group, topic), "committed again"));
    Check.equal(Set.of(5L), Set.copyOf(admin.resetOffsetByTimestamp(topic, group, -1, false).values()), "to the end, where it is");
    consumer.shutdown();
    MQClientException absent = Check.fails(MQClientException.class, "nobody to tell",
        () -> Bed.api(bed.tool()).invokeBrokerToResetOffset(broker.addr(), topic, group, 0, true, Bed.CALL_MS));
    Check.equal(CONSUMER_NOT_ONLINE, absent.getResponseCode(), "code");
    Check.that(absent.getErrorMessage().contains("Consumer not online, so can not reset offset, Group: " + group), "remark: %s",
        absent.getErrorMessage());
    MQClientException unknown = Check.fails(MQClientException.class, "a group that never committed",
        () -> Bed.api(bed.tool()).invokeBrokerToResetOffset(broker.addr(), topic, bed.name("none"), 0, true, Bed.CALL_MS));
    Check.equal(SYSTEM_ERROR, unknown.getResponseCode(), "code");
    broker.stop();
  }

  static void resetByTool(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    DefaultMQAdminExt admin = AdminTool.client(bed);
    consumed(bed, topic, group, 10);
    Check.settles(30_000, () -> Check.equal(Map.of(0, 5L, 1, 5L), offsets(admin, group, topic), "offsets of the group"));
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    AdminTool.line(tool.run(new ResetOffsetByTimeCommand(), "-g", group, "-t", topic, "-s", "0"), bed.broker.name, "0", "0");
    Check.equal(Map.of(0, 0L, 1, 0L), offsets(admin, group, topic), "back");
    AdminTool.line(tool.run(new SkipAccumulationSubCommand(), "-g", group, "-t", topic), bed.broker.name, "0", "5");
    Check.equal(Map.of(0, 5L, 1, 5L), offsets(admin, group, topic), "all skipped");
    AdminTool.line(tool.run(new ResetOffsetByTimeCommand(), "-g", group, "-t", topic, "-s", "0", "-b", bed.broker.addr(), "-q", "1", "-o", "3"),
        "reset");
    Check.equal(Map.of(0, 5L, 1, 3L), offsets(admin, group, topic), "one queue");
    String other = bed.topic(2);
    consumed(bed, other, group, 2);
    Check.settles(30_000, () -> Check.equal(Map.of(0, 1L, 1, 1L), offsets(admin, group, other), "offsets in the other topic"));
    tool.run(new ResetOffsetByTimeOldCommand(), "-g", group, "-t", other, "-s", "0", "-f", "true");
    Check.settles(30_000, () -> Check.equal(Map.of(0, 0L, 1, 0L), offsets(admin, group, other), "by committing for the group"));
  }

  static void cloneOffsets(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String source = bed.name("G");
    DefaultMQAdminExt admin = AdminTool.client(bed);
    consumed(bed, topic, source, 10);
    Check.settles(30_000, () -> Check.equal(Map.of(0, 5L, 1, 5L), offsets(admin, source, topic), "offsets of the group"));
    String target = bed.name("G");
    admin.cloneGroupOffset(source, target, topic, true);
    Check.equal(Map.of(0, 5L, 1, 5L), offsets(admin, target, topic), "cloned offsets");
    admin.cloneGroupOffset(source, bed.name("G"), bed.name("none"), true);
    Inbox inbox = new Inbox();
    PushScenarios.start(bed, target, topic, "*", inbox);
    List<Message> later = Mail.make(topic, "later", 4);
    PushScenarios.send(bed.producer(), later);
    Inbox.expect(later, inbox);
    String by = bed.name("G");
    consumed(bed, bed.topic(1), by, 1);
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    tool.run(new CloneGroupOffsetCommand(), "-s", source, "-d", by, "-t", topic);
    Check.equal(Map.of(0, 5L, 1, 5L), offsets(admin, by, topic), "offsets committed for the other group");
    Check.settles(30_000, () -> Check.equal(Set.of(source, target, by), admin.queryTopicConsumeByWho(topic).getGroupList(), "groups"));
    // The lowest offsets of all groups; those in front of which the asking group is are not to be taken.
    Check.settles(30_000, () -> Check.equal(Map.of(0, 7L, 1, 7L), offsets(admin, target, topic), "offsets of the group that went on"));
    Check.equal(Map.of(0, 5L, 1, 5L), Bed.api(bed.tool()).queryCorrectionOffset(bed.broker.addr(), topic, target, null, Bed.CALL_MS),
        "lowest offsets");
    admin.resetOffsetByQueueId(bed.broker.addr(), source, topic, 0, 2);
    Check.equal(Map.of(0, 2L, 1, 5L), Bed.api(bed.tool()).queryCorrectionOffset(bed.broker.addr(), topic, source, null, Bed.CALL_MS),
        "with a group that went back");
  }

  static void deleted(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String group = bed.name("G");
    DefaultMQAdminExt admin = AdminTool.client(bed);
    consumed(bed, topic, group, 4);
    Check.settles(30_000, () -> Check.equal(Map.of(0, 4L), offsets(admin, group, topic), "offsets of the group"));
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    AdminTool.line(tool.run(new DeleteSubscriptionGroupCommand(), "-b", bed.broker.addr(), "-g", group, "-r", "true"), "success");
    Check.equal(0L, Bed.api(bed.tool()).getConsumeStats(bed.broker.addr(), group, topic, Bed.CALL_MS).getOffsetTable()
        .get(new MessageQueue(topic, bed.broker.name, 0)).getConsumerOffset(), "nothing is left of the group");
    Check.that(!admin.queryTopicConsumeByWho(topic).getGroupList().contains(group), "the group is not among the topic's");
  }

  static void runningInfo(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "a || b", inbox);
    List<Message> sent = Mail.make(topic, "a", 4);
    PushScenarios.send(bed.producer(), sent);
    Inbox.expect(sent, inbox);
    String client = consumer.buildMQClientId();
    DefaultMQAdminExt admin = AdminTool.client(bed);
    ConsumerRunningInfo info = admin.getConsumerRunningInfo(group, client, true);
    Check.equal(2L, info.getMqTable().keySet().stream().filter(q -> q.getTopic().equals(topic)).count(), "queues of the client");
    Check.that(info.getSubscriptionSet().stream().anyMatch(s -> s.getSubString().equals("a || b")), "its subscription");
    Check.that(info.getJstack().contains("PullMessageService"), "its threads");
    Check.that(admin.getConsumerRunningInfo(group, client, false).getJstack() == null, "threads only when asked for");
    MQClientException absent = Check.fails(MQClientException.class, "a client that is not there",
        () -> Bed.api(bed.tool()).getConsumerRunningInfo(bed.broker.addr(), group, "nobody", false, Bed.CALL_MS));
    Check.equal(SYSTEM_ERROR, absent.getResponseCode(), "code");
    Check.that(absent.getErrorMessage().contains("The Consumer <" + group + "> <nobody> not online"), "remark: %s", absent.getErrorMessage());
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    AdminTool.line(tool.run(new ConsumerStatusSubCommand(), "-g", group), client);
    AdminTool.line(tool.run(new ConsumerStatusSubCommand(), "-g", group, "-i", client, "-s"), "#Consumer Subscription#");
  }

  static void consumeDirectly(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String group = bed.name("G");
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "*", inbox);
    Message message = Mail.make(topic, "x");
    SendResult sent = bed.producer().send(message);
    Inbox.expect(List.of(message), inbox);
    DefaultMQAdminExt admin = AdminTool.client(bed);
    String client = consumer.buildMQClientId();
    Check.settles(30_000, () -> admin.viewMessage(topic, sent.getMsgId()));
    ConsumeMessageDirectlyResult result = admin.consumeMessageDirectly(group, client, topic, sent.getMsgId());
    Check.equal(CMResult.CR_SUCCESS, result.getConsumeResult(), "verdict of the client: " + result);
    Check.equal(2, inbox.size(), "messages consumed");
    Mail.verify(inbox.all().get(1));
    Check.fails(Exception.class, "a client that is not there", () -> admin.consumeMessageDirectly(group, "nobody", topic, sent.getMsgId()));
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    AdminTool.line(tool.run(new QueryMsgByUniqueKeySubCommand(), "-t", topic, "-i", sent.getMsgId(), "-g", group, "-d", client), "CR_SUCCESS");
    AdminTool.line(tool.run(new QueryMsgByIdSubCommand(), "-t", topic, "-i", sent.getOffsetMsgId(), "-g", group, "-d", client), "CR_SUCCESS");
    Check.equal(4, inbox.size(), "messages consumed");
  }

  static void consumeStatus(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "*", inbox);
    List<Message> sent = Mail.make(topic, "x", 6);
    PushScenarios.send(bed.producer(), sent);
    Inbox.expect(sent, inbox);
    DefaultMQAdminExt admin = AdminTool.client(bed);
    MessageQueue first = new MessageQueue(topic, bed.broker.name, 0);
    Check.settles(30_000, () -> {
      Map<String, Map<MessageQueue, Long>> status = admin.getConsumeStatus(topic, group, "");
      Check.equal(Set.of(consumer.buildMQClientId()), status.keySet(), "clients");
      Check.equal(3L, status.get(consumer.buildMQClientId()).get(first), "where the client is");
    });
    Check.equal(Set.of(consumer.buildMQClientId()), admin.getConsumeStatus(topic, group, consumer.buildMQClientId()).keySet(), "one client");
    Check.equal(Set.of(), admin.getConsumeStatus(topic, group, "nobody").keySet(), "no such client");
  }

  static void groupStats(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    DefaultMQAdminExt admin = AdminTool.client(bed);
    consumed(bed, topic, group, 8);
    PushScenarios.send(bed.producer(), Mail.make(topic, "waits", 2));
    MessageQueue first = new MessageQueue(topic, bed.broker.name, 0);
    Check.settles(30_000, () -> {
      ConsumeStatsList all = admin.fetchConsumeStatsInBroker(bed.broker.addr(), false, Bed.CALL_MS);
      List<ConsumeStats> mine = new ArrayList<>();
      all.getConsumeStatsList().forEach(map -> mine.addAll(map.getOrDefault(group, List.of())));
      Check.equal(1L, mine.stream().filter(s -> s.getOffsetTable().containsKey(first)).count(), "statistics of the group's topic");
      ConsumeStats stats = mine.stream().filter(s -> s.getOffsetTable().containsKey(first)).findFirst().orElseThrow();
      Check.equal(2L, stats.computeTotalDiff(), "messages behind");
      Check.that(all.getTotalDiff() >= 2, "all groups together");
      Check.equal(bed.broker.addr(), all.getBrokerAddr(), "address");
    });
    Check.equal(0L, admin.fetchConsumeStatsInBroker(bed.broker.addr(), true, Bed.CALL_MS).getConsumeStatsList().stream()
        .flatMap(map -> map.getOrDefault(group, List.of()).stream()).count(), "the topic is not ordered");
    List<QueueTimeSpan> spans = admin.queryConsumeTimeSpan(topic, group);
    Check.equal(2, spans.size(), "queues");
    for (QueueTimeSpan span : spans) {
      Check.that(span.getMinTimeStamp() > 0 && span.getMinTimeStamp() <= span.getConsumeTimeStamp()
          && span.getConsumeTimeStamp() <= span.getMaxTimeStamp(), "times in order: %s", span);
      Check.that(span.getDelayTime() >= 0 && span.getDelayTime() < 600_000, "delay: %s", span.getDelayTime());
    }
    Check.brokerSays(17, "time span of no topic", () -> Bed.api(bed.tool()).queryConsumeTimeSpan(bed.broker.addr(),
        bed.name("none"), group, Bed.CALL_MS));
    Check.that(admin.queryTopicsByConsumer(group).getTopicList().contains(topic), "topics of the group");
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    AdminTool.line(tool.run(new BrokerConsumeStatsSubCommand(), "-b", bed.broker.addr()), topic, group);
    AdminTool.line(tool.run(new ConsumerProgressSubCommand(), "-g", group), "Consume Diff Total: 2");
    Inbox inbox = new Inbox();
    PushScenarios.start(bed, group, topic, "waits", inbox);
    Check.eventually(60_000, "the rest", () -> inbox.size() == 2);
    Check.equal("waits", admin.querySubscription(group, topic).getSubString(), "subscription");
    Check.that(admin.querySubscription(bed.name("none"), topic) == null, "no subscription");
  }

  static void traffic(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String group = bed.name("G");
    DefaultMQAdminExt admin = AdminTool.client(bed);
    Inbox inbox = new Inbox();
    PushScenarios.start(bed, group, topic, "*", inbox);
    DefaultMQProducer producer = bed.producer();
    List<Message> sent = Mail.make(topic, "x", 30);
    PushScenarios.send(producer, sent);
    Inbox.expect(sent, inbox);
    // Both take a sample each ten seconds.
    Check.settles(25_000, () -> {
      BrokerStatsData put = admin.viewBrokerStatsData(bed.broker.addr(), "TOPIC_PUT_NUMS", topic);
      Check.equal(30L, put.getStatsMinute().getSum(), "messages put within a minute");
      Check.that(put.getStatsMinute().getTps() > 0.4, "rate of the minute: %s", put.getStatsMinute().getTps());
      Check.equal(1.0, put.getStatsMinute().getAvgpt(), "messages a call");
      BrokerStatsData size = admin.viewBrokerStatsData(bed.broker.addr(), "TOPIC_PUT_SIZE", topic);
      Check.that(size.getStatsMinute().getSum() > 30 * 91, "bytes put");
      BrokerStatsData got = admin.viewBrokerStatsData(bed.broker.addr(), "GROUP_GET_NUMS", topic + "@" + group);
      Check.equal(30L, got.getStatsMinute().getSum(), "messages got within a minute");
      BrokerStatsData bytes = admin.viewBrokerStatsData(bed.broker.addr(), "GROUP_GET_SIZE", topic + "@" + group);
      Check.equal(size.getStatsMinute().getSum(), bytes.getStatsMinute().getSum(), "bytes got");
      Check.that(admin.viewBrokerStatsData(bed.broker.addr(), "BROKER_PUT_NUMS", Cluster.CLUSTER_NAME).getStatsMinute().getSum() >= 30,
          "all of the broker");
      admin.viewBrokerStatsData(bed.broker.addr(), "GROUP_GET_LATENCY", "0@" + topic + "@" + group);
    });
    Check.that(admin.examineConsumeStats(group, topic).getConsumeTps() > 0.4, "consumeTps");
    Check.that(Bed.api(bed.tool()).getTopicStatsInfo(bed.broker.addr(), topic, Bed.CALL_MS).getTopicPutTps() > 0.4, "topicPutTps");
    MQClientException none = Check.fails(MQClientException.class, "statistics of nothing",
        () -> admin.viewBrokerStatsData(bed.broker.addr(), "SNDBCK_PUT_NUMS", topic + "@" + group));
    Check.that(none.getErrorMessage().contains("The stats <SNDBCK_PUT_NUMS> <" + topic + "@" + group + "> not exist"), "remark: %s",
        none.getErrorMessage());
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    AdminTool.line(tool.run(new StatsAllSubCommand(), "-t", topic), topic, group);
  }

  static void givenBack(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String group = bed.name("G");
    DefaultMQPushConsumer consumer = bed.newPush(group);
    consumer.setConsumeMessageBatchMaxSize(1);
    consumer.subscribe(topic, "*");
    consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> messages.get(0).getReconsumeTimes() == 0
        ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS);
    consumer.start();
    PushScenarios.awaitQueues(consumer, topic, 1);
    PushScenarios.send(bed.producer(), Mail.make(topic, "x", 3));
    DefaultMQAdminExt admin = AdminTool.client(bed);
    Check.settles(30_000, () -> Check.equal(3L, admin.viewBrokerStatsData(bed.broker.addr(), "SNDBCK_PUT_NUMS", topic + "@" + group)
        .getStatsMinute().getSum(), "messages given back within a minute"));
  }

  static void queue(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQAdminExt admin = AdminTool.client(bed);
    DefaultMQProducer producer = bed.producer();
    List<SendResult> results = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      results.add(producer.send(Mail.make(topic, "t" + i)));
    }
    Check.settles(30_000, () -> {
      QueryConsumeQueueResponseBody body = admin.queryConsumeQueue(bed.broker.addr(), topic, 0, 1, 3, "nobody");
      Check.equal(5L, body.getMaxQueueIndex(), "max");
      Check.equal(0L, body.getMinQueueIndex(), "min");
      Check.equal("nobody@" + topic + " is not online!", body.getFilterData(), "filter data");
      Check.equal(List.of((long) "t1".hashCode(), (long) "t2".hashCode(), (long) "t3".hashCode()),
          body.getQueueData().stream().map(d -> d.getTagsCode()).collect(Collectors.toList()), "tags");
      Check.that(body.getQueueData().get(0).getPhysicSize() > 91, "size");
    });
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    AdminTool.line(tool.run(new QueryConsumeQueueCommand(), "-t", topic, "-q", "0", "-i", "0", "-c", "5", "-b", bed.broker.addr()), "idx: 4");
    AdminTool.line(tool.run(new QueryMsgByOffsetSubCommand(), "-t", topic, "-b", bed.broker.name, "-i", "0", "-o", "3"), "Queue Offset:", "3");
    MQClientException none = Check.fails(MQClientException.class, "a queue that is none",
        () -> admin.queryConsumeQueue(bed.broker.addr(), bed.name("none"), 7, 0, 1, null));
    Check.that(none.getMessage().contains(" is not exist!"), "remark: %s", none.getMessage());
  }
}
