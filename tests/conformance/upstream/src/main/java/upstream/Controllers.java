package upstream;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.broker.offset.ConsumerOffsetManager;
import org.apache.rocketmq.broker.out.BrokerOuterAPI;
import org.apache.rocketmq.broker.topic.TopicConfigManager;
import org.apache.rocketmq.client.exception.OffsetNotFoundException;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.namesrv.NamesrvController;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.remoting.protocol.admin.OffsetWrapper;
import org.apache.rocketmq.remoting.protocol.header.QueryConsumerOffsetRequestHeader;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.mockito.Mockito;
import org.mockito.invocation.InvocationOnMock;

/**
 * The controller objects that the tests hold, answering for processes. What can be asked over the wire is asked over the wire; any other
 * method throws, so that a test cannot pass on an invented answer.
 */
public final class Controllers {
  private static final long CALL_MS = 10_000;
  private static final Map<String, DefaultMQAdminExt> ADMINS = new HashMap<>();
  private static final Map<String, Integer> PORT_OF = new ConcurrentHashMap<>();

  private interface Request<T> {
    T send(DefaultMQAdminExt admin) throws Exception;
  }

  private interface Answer {
    Object of(InvocationOnMock call) throws Exception;
  }

  private Controllers() {}

  private static synchronized <T> T ask(String namesrv, Request<T> request) {
    try {
      DefaultMQAdminExt admin = ADMINS.get(namesrv);
      if (admin == null) {
        admin = new DefaultMQAdminExt(CALL_MS);
        admin.setNamesrvAddr(namesrv);
        admin.setInstanceName("controllers");
        admin.start();
        ADMINS.put(namesrv, admin);
      }
      return request.send(admin);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /** A mock that knows exactly these methods. */
  private static <T> T standIn(Class<T> type, Map<String, Answer> answers) {
    return Mockito.mock(type, Mockito.withSettings().stubOnly().defaultAnswer(call -> {
      String method = call.getMethod().getName();
      Answer answer = answers.get(method);
      if (answer != null) {
        return answer.of(call);
      }
      if (method.equals("toString")) {
        return type.getSimpleName() + " of a process";
      }
      throw new UnsupportedOperationException(type.getSimpleName() + "." + method + " has no meaning for a process");
    }));
  }

  public static NamesrvController namesrv(NamesrvConfig config) {
    int port = Server.freePort(0);
    Properties properties = RemoteConfig.changes(config, new NamesrvConfig());
    properties.put("listenPort", String.valueOf(port));
    Server server = Server.start("namesrv", "NAMESRV_CMD", port, properties).await();
    String address = "127.0.0.1:" + port;
    NettyServerConfig netty = new NettyServerConfig();
    netty.setListenPort(port);
    NamesrvConfig watched = RemoteConfig.watched(config, NamesrvConfig.class, (key, value) -> {
      Properties one = new Properties();
      one.setProperty(key, value);
      ask(address, admin -> {
        admin.updateNameServerConfig(one, List.of(address));
        return null;
      });
    });
    return standIn(NamesrvController.class, Map.of("getNettyServerConfig", call -> netty, "getNamesrvConfig", call -> watched,
        "shutdown", call -> {
          server.stop();
          return null;
        }));
  }

  /** Starts the process and does not wait for it. A broker that comes back gets the port it had. */
  public static BrokerController broker(BrokerConfig brokerConfig, MessageStoreConfig storeConfig) {
    BrokerConfig ours = RemoteConfig.plain(brokerConfig);
    MessageStoreConfig store = RemoteConfig.plain(storeConfig);
    int port = PORT_OF.computeIfAbsent(ours.getBrokerName(), name -> Server.freePort(-2, 0, 1));
    ours.setListenPort(port);
    store.setHaListenPort(port + 1);
    Properties properties = RemoteConfig.changes(ours, new BrokerConfig());
    properties.putAll(RemoteConfig.changes(store, new MessageStoreConfig()));
    properties.put("brokerName", ours.getBrokerName());
    properties.put("brokerClusterName", ours.getBrokerClusterName());
    properties.put("brokerId", String.valueOf(ours.getBrokerId()));
    properties.put("listenPort", String.valueOf(port));
    properties.put("brokerIP1", "127.0.0.1");
    properties.remove("brokerIP2");
    Server server = Server.start(ours.getBrokerName(), "BROKER_CMD", port, properties, "-n", ours.getNamesrvAddr());
    return controller(server, ours, store);
  }

  private static BrokerController controller(Server server, BrokerConfig brokerConfig, MessageStoreConfig storeConfig) {
    String namesrv = brokerConfig.getNamesrvAddr();
    String address = "127.0.0.1:" + server.port;
    NettyServerConfig netty = new NettyServerConfig();
    netty.setListenPort(server.port);
    BrokerConfig watchedBroker = RemoteConfig.watched(brokerConfig, BrokerConfig.class, (k, v) -> push(server, namesrv, address, k, v));
    MessageStoreConfig watchedStore =
        RemoteConfig.watched(storeConfig, MessageStoreConfig.class, (k, v) -> push(server, namesrv, address, k, v));
    Object store = standIn(DefaultMessageStore.class, Map.of(
        "dispatchBehindBytes", call -> ask(namesrv, admin -> Long.parseLong(
            admin.fetchBrokerRuntimeStats(address).getTable().get("dispatchBehindBytes"))),
        "getMinOffsetInQueue", call -> ask(namesrv, admin -> api(admin).getMinOffset(address, queue(brokerConfig, call), CALL_MS)),
        "getMaxOffsetInQueue", call -> ask(namesrv, admin -> api(admin).getMaxOffset(address, queue(brokerConfig, call), CALL_MS))));
    Object topics = standIn(TopicConfigManager.class, Map.of(
        "getTopicConfigTable", call -> ask(namesrv, admin ->
            new ConcurrentHashMap<>(admin.getAllTopicConfig(address, CALL_MS).getTopicConfigTable())),
        "selectTopicConfig", call -> ask(namesrv, admin ->
            admin.getAllTopicConfig(address, CALL_MS).getTopicConfigTable().get((String) call.getArgument(0))),
        "updateTopicConfig", call -> ask(namesrv, admin -> {
          admin.createAndUpdateTopicConfig(address, (TopicConfig) call.getArgument(0));
          return null;
        })));
    Object offsets = standIn(ConsumerOffsetManager.class, Map.of(
        "queryOffset", call -> ask(namesrv, admin -> committed(admin, address, call)),
        "queryPullOffset", call -> ask(namesrv, admin -> {
          OffsetWrapper row = api(admin).getConsumeStats(address, call.getArgument(0), (String) call.getArgument(1), CALL_MS)
              .getOffsetTable().get(new MessageQueue(call.getArgument(1), brokerConfig.getBrokerName(), call.getArgument(2)));
          return row == null ? -1L : row.getPullOffset();
        })));
    Object outer = standIn(BrokerOuterAPI.class, Map.of("refreshMetadata", call -> null));
    Map<String, Answer> answers = new HashMap<>();
    answers.put("getBrokerConfig", call -> watchedBroker);
    answers.put("getMessageStoreConfig", call -> watchedStore);
    answers.put("getNettyServerConfig", call -> netty);
    answers.put("getBrokerAddr", call -> address);
    answers.put("getMessageStore", call -> store);
    answers.put("getTopicConfigManager", call -> topics);
    answers.put("getConsumerOffsetManager", call -> offsets);
    answers.put("getBrokerOuterAPI", call -> outer);
    // A process registers by itself when a topic changes.
    answers.put("registerBrokerAll", call -> null);
    answers.put("shutdown", call -> {
      server.stop();
      return null;
    });
    return standIn(BrokerController.class, answers);
  }

  private static long committed(DefaultMQAdminExt admin, String address, InvocationOnMock call) throws Exception {
    QueryConsumerOffsetRequestHeader header = new QueryConsumerOffsetRequestHeader();
    header.setConsumerGroup(call.getArgument(0));
    header.setTopic(call.getArgument(1));
    header.setQueueId(call.getArgument(2));
    header.setSetZeroIfNotFound(false);
    try {
      return api(admin).queryConsumerOffset(address, header, CALL_MS);
    } catch (OffsetNotFoundException e) {
      return -1;
    }
  }

  public static void awaitServers() {
    Server.awaitAll();
  }

  private static void push(Server server, String namesrv, String address, String key, String value) {
    if (!server.alive()) {
      return;
    }
    Properties one = new Properties();
    one.setProperty(key, value);
    ask(namesrv, admin -> {
      admin.updateBrokerConfig(address, one);
      return null;
    });
  }

  private static org.apache.rocketmq.client.impl.MQClientAPIImpl api(DefaultMQAdminExt admin) {
    return admin.getDefaultMQAdminExtImpl().getMqClientInstance().getMQClientAPIImpl();
  }

  private static MessageQueue queue(BrokerConfig config, InvocationOnMock call) {
    return new MessageQueue(call.getArgument(0), config.getBrokerName(), call.getArgument(1));
  }
}
