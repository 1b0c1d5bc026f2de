package org.apache.rocketmq.test.base;

import java.io.File;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.attribute.CQType;
import org.apache.rocketmq.common.attribute.TopicMessageType;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.logging.org.slf4j.Logger;
import org.apache.rocketmq.logging.org.slf4j.LoggerFactory;
import org.apache.rocketmq.namesrv.NamesrvController;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.test.util.MQAdminTestUtils;
import upstream.Controllers;

/** Stands before the class of this name in Apache's jar: what the tests call is here, and starts processes. */
public class IntegrationTestBase {
  public static Logger logger = LoggerFactory.getLogger(IntegrationTestBase.class);
  public static volatile int commitLogSize = 100 << 20;
  protected static final String SEP = File.separator;
  protected static final String BROKER_NAME_PREFIX = "TestBrokerName_";
  protected static final AtomicInteger BROKER_INDEX = new AtomicInteger();
  protected static final List<File> TMPE_FILES = new ArrayList<>();
  protected static final List<BrokerController> BROKER_CONTROLLERS = new ArrayList<>();
  protected static final List<NamesrvController> NAMESRV_CONTROLLERS = new ArrayList<>();
  protected static final int INDEX_NUM = 1000;
  protected static int topicCreateTime = 30;

  public static String createBaseDir() {
    File dir = new File(System.getProperty("java.io.tmpdir"), "store-" + UUID.randomUUID());
    TMPE_FILES.add(dir);
    return dir.getPath();
  }

  public static NamesrvController createAndStartNamesrv() {
    NamesrvConfig config = new NamesrvConfig();
    String dir = createBaseDir();
    config.setKvConfigPath(dir + SEP + "kvConfig.json");
    config.setConfigStorePath(dir + SEP + "namesrv.properties");
    NamesrvController controller = Controllers.namesrv(config);
    NAMESRV_CONTROLLERS.add(controller);
    return controller;
  }

  /** With the settings that Apache's own class gives to its brokers. */
  public static BrokerController createAndStartBroker(String namesrv) {
    BrokerConfig broker = new BrokerConfig();
    broker.setBrokerName(BROKER_NAME_PREFIX + BROKER_INDEX.incrementAndGet());
    broker.setBrokerIP1("127.0.0.1");
    broker.setNamesrvAddr(namesrv);
    broker.setEnablePropertyFilter(true);
    broker.setEnableCalcFilterBitMap(true);
    broker.setAppendAckAsync(true);
    broker.setAppendCkAsync(true);
    broker.setRecallMessageEnable(true);
    broker.setLoadBalancePollNameServerInterval(500);
    MessageStoreConfig store = new MessageStoreConfig();
    String dir = createBaseDir();
    store.setStorePathRootDir(dir);
    store.setStorePathCommitLog(dir + SEP + "commitlog");
    store.setEnableConsumeQueueExt(true);
    store.setMappedFileSizeCommitLog(commitLogSize);
    store.setMaxIndexNum(INDEX_NUM);
    store.setMaxHashSlotNum(4 * INDEX_NUM);
    store.setDeleteWhen(IntStream.range(0, 24).mapToObj(hour -> String.format("%02d", hour)).collect(Collectors.joining(";")));
    store.setMaxTransferCountOnMessageInMemory(1024);
    store.setMaxTransferCountOnMessageInDisk(1024);
    BrokerController controller = Controllers.broker(broker, store);
    BROKER_CONTROLLERS.add(controller);
    return controller;
  }

  public static BrokerController createAndStartBroker(MessageStoreConfig store, BrokerConfig broker) {
    BrokerController controller = Controllers.broker(broker, store);
    BROKER_CONTROLLERS.add(controller);
    Controllers.awaitServers();
    return controller;
  }

  public static void createAndStartProxy(String namesrv) {
    throw new UnsupportedOperationException("no proxy here");
  }

  public static boolean initTopic(String topic, String namesrv, String cluster, CQType type) {
    return initTopic(topic, namesrv, cluster, BaseConf.QUEUE_NUMBERS, type);
  }

  public static boolean initTopic(String topic, String namesrv, String cluster, int queues, CQType type) {
    return initTopic(topic, namesrv, cluster, queues, type, TopicMessageType.NORMAL);
  }

  public static boolean initTopic(String topic, String namesrv, String cluster, TopicMessageType type) {
    return initTopic(topic, namesrv, cluster, BaseConf.QUEUE_NUMBERS, CQType.SimpleCQ, type);
  }

  public static boolean initTopic(String topic, String namesrv, String cluster, int queues, CQType queueType, TopicMessageType type) {
    return initTopic(topic, namesrv, cluster, queues, queueType, type, null);
  }

  public static boolean initTopic(String topic, String namesrv, String cluster, int queues, CQType queueType, TopicMessageType type,
      Long liteExpiration) {
    Map<String, String> attributes = new HashMap<>();
    if (queueType != CQType.SimpleCQ) {
      attributes.put("+queue.type", queueType.toString());
    }
    if (type != TopicMessageType.NORMAL) {
      attributes.put("+message.type", type.toString());
    }
    if (liteExpiration != null) {
      attributes.put("+lite.topic.expiration", liteExpiration.toString());
    }
    return MQAdminTestUtils.createTopic(namesrv, cluster, topic, queues, attributes, topicCreateTime);
  }

  public static void deleteFile(File file) {
    UtilAll.deleteFile(file);
  }

  /** Called once all brokers are started: here they are waited for. */
  public static void initMQAdmin(String namesrv) {
    Controllers.awaitServers();
    try {
      MQAdminTestUtils.startAdmin(namesrv);
    } catch (Exception e) {
      throw new IllegalStateException("the admin client does not start", e);
    }
  }
}
