import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.remoting.protocol.RemotingSerializable;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/**
 * Reads a store's config directory with Apache's managers and prints what they hold: one line per topic, group, offset and version,
 * sorted. meta_test writes the same lines for its own tables (MERLIN_META_OUT).
 */
public final class ReadMeta {
  public static void main(String[] args) throws Exception {
    MessageStoreConfig store = new MessageStoreConfig();
    store.setStorePathRootDir(args[0]);
    BrokerConfig broker = new BrokerConfig();
    broker.setBrokerName("broker-a");
    BrokerController controller = new BrokerController(broker, new NettyServerConfig(), new NettyClientConfig(), store);
    boolean loaded = controller.getTopicConfigManager().load() && controller.getSubscriptionGroupManager().load()
        && controller.getConsumerOffsetManager().load();
    if (!loaded) {
      throw new IllegalStateException("a manager did not load its file");
    }
    for (TopicConfig t : new TreeMap<>(controller.getTopicConfigManager().getTopicConfigTable()).values()) {
      System.out.println("topic " + t);
    }
    System.out.println("topics version " + controller.getTopicConfigManager().getDataVersion().toJson());
    for (SubscriptionGroupConfig g : new TreeMap<>(controller.getSubscriptionGroupManager().getSubscriptionGroupTable()).values()) {
      System.out.println("group " + RemotingSerializable.toJson(g, false));
    }
    new TreeMap<>(controller.getSubscriptionGroupManager().getForbiddenTable())
        .forEach((group, topics) -> System.out.println("forbidden " + group + " " + new TreeMap<>(topics)));
    System.out.println("groups version " + controller.getSubscriptionGroupManager().getDataVersion().toJson());
    for (Map.Entry<String, ? extends Map<Integer, Long>> e :
        new TreeMap<>(controller.getConsumerOffsetManager().getOffsetTable()).entrySet()) {
      System.out.println("offset " + e.getKey() + " " + new TreeMap<>(e.getValue()));
    }
    System.out.println("offsets version " + controller.getConsumerOffsetManager().getDataVersion().toJson());
    System.exit(0);
  }
}
