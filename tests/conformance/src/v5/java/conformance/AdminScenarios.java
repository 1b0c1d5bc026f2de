package conformance;

import java.time.LocalTime;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.admin.ConsumeStats;
import org.apache.rocketmq.remoting.protocol.admin.TopicStatsTable;
import org.apache.rocketmq.remoting.protocol.body.KVTable;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.command.broker.BrokerStatusSubCommand;
import org.apache.rocketmq.tools.command.broker.CleanExpiredCQSubCommand;
import org.apache.rocketmq.tools.command.broker.CleanUnusedTopicCommand;
import org.apache.rocketmq.tools.command.broker.DeleteExpiredCommitLogSubCommand;
import org.apache.rocketmq.tools.command.broker.GetBrokerConfigCommand;
import org.apache.rocketmq.tools.command.broker.UpdateBrokerConfigSubCommand;
import org.apache.rocketmq.tools.command.cluster.ClusterListSubCommand;
import org.apache.rocketmq.tools.command.connection.ConsumerConnectionSubCommand;
import org.apache.rocketmq.tools.command.connection.ProducerConnectionSubCommand;
import org.apache.rocketmq.tools.command.consumer.ConsumerProgressSubCommand;
import org.apache.rocketmq.tools.command.consumer.DeleteSubscriptionGroupCommand;
import org.apache.rocketmq.tools.command.consumer.UpdateSubGroupSubCommand;
import org.apache.rocketmq.tools.command.message.QueryMsgByIdSubCommand;
import org.apache.rocketmq.tools.command.message.QueryMsgByKeySubCommand;
import org.apache.rocketmq.tools.command.message.QueryMsgByUniqueKeySubCommand;
import org.apache.rocketmq.tools.command.offset.ResetOffsetByTimeCommand;
import org.apache.rocketmq.tools.command.topic.DeleteTopicSubCommand;
import org.apache.rocketmq.tools.command.topic.TopicClusterSubCommand;
import org.apache.rocketmq.tools.command.topic.TopicListSubCommand;
import org.apache.rocketmq.tools.command.topic.TopicRouteSubCommand;
import org.apache.rocketmq.tools.command.topic.TopicStatusSubCommand;
import org.apache.rocketmq.tools.command.topic.UpdateTopicSubCommand;

/** The admin tool against the same processes. */
final class AdminScenarios {
  private AdminScenarios() {}

  static void register(Suite suite) {
    suite.add("mqadmin_cluster_and_broker", AdminScenarios::clusterAndBroker);
    suite.add("mqadmin_topic_and_group_reads", AdminScenarios::reads);
    suite.add("mqadmin_topic_life", AdminScenarios::topicLife);
    suite.add("mqadmin_group_life", AdminScenarios::groupLife);
    suite.add("mqadmin_broker_config", AdminScenarios::brokerConfig);
    suite.add("mqadmin_retention", AdminScenarios::retention);
    suite.add("mqadmin_query_messages", AdminScenarios::queryMessages);
    suite.add("mqadmin_query_by_kind_and_time", AdminScenarios::queryByKindAndTime);
    suite.add("mqadmin_reset_offset", AdminScenarios::resetOffset);
  }

  static void clusterAndBroker(Bed bed) throws Exception {
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    tool.begin("clusterList", new ClusterListSubCommand());
    tool.begin("brokerStatus", new BrokerStatusSubCommand(), "-b", bed.broker.addr());
    tool.begin("getBrokerConfig", new GetBrokerConfigCommand(), "-b", bed.broker.addr());
    KVTable runtime = AdminTool.client(bed).fetchBrokerRuntimeStats(bed.broker.addr());
    for (String key : List.of("brokerVersionDesc", "msgPutTotalTodayNow", "msgGetTotalTodayNow", "putTps",
        "getTransferredTps", "bootTimestamp", "runtime", "commitLogMinOffset", "commitLogMaxOffset", "dispatchBehindBytes",
        "commitLogDiskRatio", "consumeQueueDiskRatio", "sendThreadPoolQueueSize", "pullThreadPoolQueueSize",
        "earliestMessageTimeStamp", "putMessageDistributeTime", "startAcceptSendRequestTimeStamp")) {
      Check.that(runtime.getTable().containsKey(key), "runtime information has %s: %s", key, runtime.getTable().keySet());
    }
    Check.that(Long.parseLong(runtime.getTable().get("commitLogMaxOffset")) > 0, "commitLogMaxOffset");
    AdminTool.line(tool.output("clusterList"), Cluster.CLUSTER_NAME, bed.broker.name, "0", bed.broker.addr(),
        runtime.getTable().get("brokerVersionDesc"));
    AdminTool.line(tool.output("brokerStatus"), "commitLogMaxOffset", ": ");
    AdminTool.line(tool.output("brokerStatus"), "bootTimestamp", ": ");
    AdminTool.line(tool.output("getBrokerConfig"), "listenPort", "=", String.valueOf(bed.broker.port));
    AdminTool.line(tool.output("getBrokerConfig"), "brokerName", "=", bed.broker.name);
    AdminTool.line(tool.output("getBrokerConfig"), "storePathRootDir", "=", bed.broker.store.toString());
    AdminTool.line(tool.output("getBrokerConfig"), "mappedFileSizeCommitLog", "=", String.valueOf(32 << 20));
  }

  static void reads(Bed bed) throws Exception {
    String topic = bed.topic(4);
    String group = bed.name("G");
    DefaultMQProducer producer = bed.producer();
    Inbox inbox = new Inbox();
    DefaultMQPushConsumer consumer = PushScenarios.start(bed, group, topic, "a || b", inbox);
    List<Message> sent = Mail.make(topic, "a", 20);
    PushScenarios.send(producer, sent);
    Inbox.expect(sent, inbox);
    DefaultMQAdminExt admin = AdminTool.client(bed);
    MessageQueue first = new MessageQueue(topic, bed.broker.name, 0);
    Check.settles(30_000, () -> {
      ConsumeStats stats = admin.examineConsumeStats(group, topic);
      Check.equal(4, stats.getOffsetTable().size(), "queues in the consume statistics");
      Check.equal(0L, stats.computeTotalDiff(), "messages behind");
      Check.equal(5L, stats.getOffsetTable().get(first).getConsumerOffset(), "offset of the group");
      Check.equal(5L, stats.getOffsetTable().get(first).getBrokerOffset(), "offset of the broker");
      Check.that(stats.getOffsetTable().get(first).getLastTimestamp() > 0, "time of the last message consumed");
    });
    TopicStatsTable table = admin.examineTopicStats(topic);
    Check.equal(4, table.getOffsetTable().size(), "queues in the topic statistics");
    Check.equal(0L, table.getOffsetTable().get(first).getMinOffset(), "min offset");
    Check.equal(5L, table.getOffsetTable().get(first).getMaxOffset(), "max offset");
    Check.that(table.getOffsetTable().get(first).getLastUpdateTimestamp() > 0, "time of the last message stored");

    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    tool.begin("topicList", new TopicListSubCommand());
    tool.begin("topicList -c", new TopicListSubCommand(), "-c");
    tool.begin("topicRoute", new TopicRouteSubCommand(), "-t", topic);
    tool.begin("topicStatus", new TopicStatusSubCommand(), "-t", topic);
    tool.begin("topicClusterList", new TopicClusterSubCommand(), "-t", topic);
    tool.begin("consumerProgress", new ConsumerProgressSubCommand(), "-g", group);
    tool.begin("consumerConnection", new ConsumerConnectionSubCommand(), "-g", group);
    tool.begin("producerConnection", new ProducerConnectionSubCommand(), "-g", producer.getProducerGroup(), "-t", topic);
    AdminTool.line(tool.output("topicList"), topic);
    AdminTool.line(tool.output("topicList -c"), Cluster.CLUSTER_NAME, topic, group);
    AdminTool.line(tool.output("topicRoute"), bed.broker.addr());
    AdminTool.line(tool.output("topicStatus"), bed.broker.name, "3", "0", "5", "20");
    AdminTool.line(tool.output("topicClusterList"), Cluster.CLUSTER_NAME);
    AdminTool.line(tool.output("consumerProgress"), topic, bed.broker.name, "2", "5", "5");
    AdminTool.line(tool.output("consumerProgress"), "Consume Diff Total: 0");
    AdminTool.line(tool.output("consumerConnection"), consumer.buildMQClientId(), "127.0.0.1", "JAVA");
    AdminTool.line(tool.output("consumerConnection"), topic, "a || b");
    AdminTool.line(tool.output("consumerConnection"), "MessageModel: CLUSTERING");
    AdminTool.line(tool.output("producerConnection"), producer.buildMQClientId(), "127.0.0.1", "JAVA");
  }

  static void topicLife(Bed bed) throws Exception {
    String topic = bed.name("T");
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    DefaultMQAdminExt admin = AdminTool.client(bed);
    AdminTool.line(tool.run(new UpdateTopicSubCommand(), "-b", bed.broker.addr(), "-t", topic, "-r", "6", "-w", "5"), "success");
    Check.settles(30_000, () -> {
      var queues = admin.examineTopicRouteInfo(topic).getQueueDatas().get(0);
      Check.equal("6/5/6", queues.getReadQueueNums() + "/" + queues.getWriteQueueNums() + "/" + queues.getPerm(), "queues and permission");
    });
    Check.equal(6, admin.examineTopicConfig(bed.broker.addr(), topic).getReadQueueNums(), "read queues in the broker");
    AdminTool.line(tool.run(new UpdateTopicSubCommand(), "-c", Cluster.CLUSTER_NAME, "-t", topic, "-r", "8", "-w", "8", "-p", "4"), "success");
    Check.settles(30_000, () -> {
      var queues = admin.examineTopicRouteInfo(topic).getQueueDatas().get(0);
      Check.equal("8/8/4", queues.getReadQueueNums() + "/" + queues.getWriteQueueNums() + "/" + queues.getPerm(), "after the update");
    });
    AdminTool.line(tool.run(new DeleteTopicSubCommand(), "-c", Cluster.CLUSTER_NAME, "-t", topic), "success");
    Check.settles(30_000, () -> Check.that(!admin.fetchAllTopicList().getTopicList().contains(topic), "topic is gone"));
    Check.fails(Exception.class, "route of a deleted topic", () -> admin.examineTopicRouteInfo(topic));
  }

  static void groupLife(Bed bed) throws Exception {
    String group = bed.name("G");
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    DefaultMQAdminExt admin = AdminTool.client(bed);
    AdminTool.line(tool.run(new UpdateSubGroupSubCommand(), "-b", bed.broker.addr(), "-g", group, "-s", "true", "-r", "7", "-q", "2",
        "-d", "false"), "success");
    SubscriptionGroupConfig config = admin.examineSubscriptionGroupConfig(bed.broker.addr(), group);
    Check.equal(7, config.getRetryMaxTimes(), "retryMaxTimes");
    Check.equal(2, config.getRetryQueueNums(), "retryQueueNums");
    Check.equal(false, config.isConsumeBroadcastEnable(), "consumeBroadcastEnable");
    Check.equal(true, config.isConsumeEnable(), "consumeEnable");
    AdminTool.line(tool.run(new DeleteSubscriptionGroupCommand(), "-b", bed.broker.addr(), "-g", group), "success");
    // Apache makes it again while the tool deletes the retry topic; MerlinMQ leaves it deleted.
    SubscriptionGroupConfig after = admin.examineSubscriptionGroupConfig(bed.broker.addr(), group);
    Check.that(after == null || after.getRetryMaxTimes() == 16, "a deleted group is gone, or made again with default values");
  }

  static void brokerConfig(Bed bed) throws Exception {
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    DefaultMQAdminExt admin = AdminTool.client(bed);
    Properties before = admin.getBrokerConfig(bed.broker.addr());
    String old = before.getProperty("shortPollingTimeMills");
    Check.that(old != null, "shortPollingTimeMills is in the configuration");
    AdminTool.line(tool.run(new UpdateBrokerConfigSubCommand(), "-b", bed.broker.addr(), "-k", "shortPollingTimeMills", "-v", "777"), "success");
    Check.equal("777", admin.getBrokerConfig(bed.broker.addr()).getProperty("shortPollingTimeMills"), "value after the update");
    Properties back = new Properties();
    back.setProperty("shortPollingTimeMills", old);
    admin.updateBrokerConfig(bed.broker.addr(), back);
    Check.equal(old, admin.getBrokerConfig(bed.broker.addr()).getProperty("shortPollingTimeMills"), "value put back");
  }

  /** Limits change while the broker runs, and files go at a wish whatever the hour is. */
  static void retention(Bed bed) throws Exception {
    String topic = bed.name("T");
    String never = String.format("%02d", (LocalTime.now().getHour() + 12) % 24);
    Cluster.Broker broker = bed.cluster.new Broker("broker-wish", Map.of("brokerClusterName", "WishCluster",
        "autoCreateTopicEnable", "false", "mappedFileSizeCommitLog", String.valueOf(1 << 20), "fileReservedTime", "100",
        "deleteWhen", never, "cleanResourceInterval", "1000"));
    broker.start();
    bed.createTopic(broker, topic, 1, 6);
    DefaultMQProducer producer = bed.producer();
    for (int i = 0; i < 10; i++) {
      producer.send(Mail.make(topic, "old", Mail.noise(400_000, i)));
    }
    MessageQueue queue = producer.fetchPublishMessageQueues(topic).get(0);
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    DefaultMQAdminExt admin = AdminTool.client(bed);
    for (String[] change : new String[][] {{"fileReservedTime", "0"}, {"diskMaxUsedSpaceRatio", "94"},
        {"diskSpaceCleanForciblyRatio", "84"}, {"diskSpaceWarningLevelRatio", "89"}}) {
      AdminTool.line(tool.run(new UpdateBrokerConfigSubCommand(), "-b", broker.addr(), "-k", change[0], "-v", change[1]), "success");
      Check.equal(change[1], admin.getBrokerConfig(broker.addr()).getProperty(change[0]), change[0]);
    }
    Check.equal(0L, producer.minOffset(queue), "nothing goes at this hour");
    AdminTool.line(tool.run(new DeleteExpiredCommitLogSubCommand(), "-b", broker.addr()), "success");
    // Apache's looks for the first time a minute after its start.
    Check.eventually(80_000, "files go at a wish", () -> producer.minOffset(queue) > 0);
    Check.equal(10L, producer.maxOffset(queue), "the next offset");
    AdminTool.line(tool.run(new CleanExpiredCQSubCommand(), "-b", broker.addr()), "success");
    AdminTool.line(tool.run(new CleanUnusedTopicCommand(), "-b", broker.addr()), "success");
    Check.equal(10L, producer.send(Mail.make(topic, "new")).getQueueOffset(), "offset of the next message");
    broker.stop();
  }

  static void queryMessages(Bed bed) throws Exception {
    String topic = bed.topic(1);
    Message message = Mail.make(topic, "tagged");
    SendResult result = bed.producer().send(message);
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    DefaultMQAdminExt admin = AdminTool.client(bed);
    Check.settles(30_000, () -> Mail.verify(admin.viewMessage(topic, result.getMsgId())));
    tool.begin("queryMsgById", new QueryMsgByIdSubCommand(), "-i", result.getOffsetMsgId(), "-t", topic);
    tool.begin("queryMsgByKey", new QueryMsgByKeySubCommand(), "-t", topic, "-k", message.getKeys());
    tool.begin("queryMsgByUniqueKey", new QueryMsgByUniqueKeySubCommand(), "-t", topic, "-i", result.getMsgId());
    AdminTool.line(tool.output("queryMsgById"), "Tags:", "tagged");
    AdminTool.line(tool.output("queryMsgById"), "Keys:", message.getKeys());
    AdminTool.line(tool.output("queryMsgById"), "CommitLog Offset:", String.valueOf(admin.viewMessage(topic, result.getMsgId()).getCommitLogOffset()));
    AdminTool.line(tool.output("queryMsgByKey"), result.getMsgId(), "0", "0");
    AdminTool.line(tool.output("queryMsgByUniqueKey"), "Topic:", topic);
    AdminTool.line(tool.output("queryMsgByUniqueKey"), "Queue Offset:", "0");
  }

  /** The same word as key of one message and tag of another, and windows of time around and between messages. */
  static void queryByKindAndTime(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQProducer producer = bed.producer();
    Message byKey = Mail.make(topic, "other");
    byKey.setKeys(List.of("word", "both"));
    Message early = Mail.make(topic, "word");
    early.setKeys("both");
    Message late = Mail.make(topic, "word");
    SendResult keyed = producer.send(byKey);
    SendResult first = producer.send(early);
    Thread.sleep(2_500); // the index counts in seconds
    long between = System.currentTimeMillis();
    Thread.sleep(2_500);
    SendResult second = producer.send(late);
    Check.settles(30_000, () -> Mail.verifyAll(List.of(early, late), Release.byTag(bed, topic, "word", 32)));

    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    String before = String.valueOf(between);
    tool.begin("key", new QueryMsgByKeySubCommand(), "-t", topic, "-k", "word");
    tool.begin("K", new QueryMsgByKeySubCommand(), "-t", topic, "-k", "both", "-p", "K");
    tool.begin("T", new QueryMsgByKeySubCommand(), "-t", topic, "-k", "word", "-p", "T");
    tool.begin("T -m", new QueryMsgByKeySubCommand(), "-t", topic, "-k", "word", "-p", "T", "-m", "1");
    tool.begin("T -e", new QueryMsgByKeySubCommand(), "-t", topic, "-k", "word", "-p", "T", "-e", before);
    tool.begin("T -b", new QueryMsgByKeySubCommand(), "-t", topic, "-k", "word", "-p", "T", "-b", before);
    tool.begin("K -b", new QueryMsgByKeySubCommand(), "-t", topic, "-k", "both", "-p", "K", "-b", before);
    tool.begin("T none", new QueryMsgByKeySubCommand(), "-t", topic, "-k", "both", "-p", "T");
    tool.begin("T -l", new QueryMsgByKeySubCommand(), "-t", topic, "-k", "word", "-p", "T", "-l", "1");
    tool.begin("unique", new QueryMsgByUniqueKeySubCommand(), "-t", topic, "-i", second.getMsgId());
    expectIds(tool.output("key"), keyed);
    expectIds(tool.output("K"), keyed, first);
    expectIds(tool.output("T"), first, second);
    expectIds(tool.output("T -m"), second);
    expectIds(tool.output("T -e"), first);
    expectIds(tool.output("T -b"), second);
    expectIds(tool.output("T -l"), first, second);
    Check.fails(Check.Failed.class, "no key in this time", () -> tool.output("K -b"));
    Check.fails(Check.Failed.class, "no such tag", () -> tool.output("T none"));
    AdminTool.line(tool.output("unique"), "Queue Offset:", "2");
  }

  /** The output of queryMsgByKey has these messages and no others. */
  private static void expectIds(String output, SendResult... results) {
    List<String> found = output.lines().map(line -> line.split(" ")[0]).filter(word -> word.matches("[0-9A-F]{32,}")).sorted()
        .collect(Collectors.toList());
    Check.equal(Arrays.stream(results).map(SendResult::getMsgId).sorted().collect(Collectors.toList()), found, "messages of " + output);
  }

  /** The consumer is told while it runs, and reads the same messages again. */
  static void resetOffset(Bed bed) throws Exception {
    String topic = bed.topic(2);
    String group = bed.name("G");
    Inbox inbox = new Inbox();
    PushScenarios.start(bed, group, topic, "*", inbox);
    List<Message> sent = Mail.make(topic, "x", 10);
    PushScenarios.send(bed.producer(), sent);
    Inbox.expect(sent, inbox);
    AdminTool tool = new AdminTool(bed.cluster.namesrvAddr());
    tool.run(new ResetOffsetByTimeCommand(), "-g", group, "-t", topic, "-s", "0");
    Check.eventually(75_000, "all messages come a second time", () -> inbox.size() == 20);
    inbox.all().forEach(Mail::verify);
  }
}
