package conformance;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/**
 * Questions to the name server.
 * The classes of the answers moved between the client releases, therefore they are never named here.
 */
final class Routes {
  private static final Map<String, DefaultMQProducer> ASKERS = new HashMap<>();

  private Routes() {}

  /** A client of the harness that lives as long as the suite. */
  static synchronized DefaultMQProducer tool(String namesrv) throws Exception {
    DefaultMQProducer producer = ASKERS.get(namesrv);
    if (producer == null) {
      producer = new DefaultMQProducer("P_harness");
      producer.setNamesrvAddr(namesrv);
      producer.setClientIP("127.0.0.1");
      producer.setInstanceName("harness" + ASKERS.size());
      producer.setVipChannelEnabled(false);
      producer.setMqClientApiTimeout((int) Bed.CALL_MS);
      producer.setPollNameServerInterval(1_000);
      producer.start();
      ASKERS.put(namesrv, producer);
    }
    return producer;
  }

  /** Registered masters as name@address. */
  static Set<String> brokers(String namesrv) throws Exception {
    Set<String> result = new TreeSet<>();
    var info = Bed.api(tool(namesrv)).getBrokerClusterInfo(Bed.CALL_MS);
    info.getBrokerAddrTable().forEach((name, data) -> {
      if (data.getBrokerAddrs().containsKey(0L)) {
        result.add(name + "@" + data.getBrokerAddrs().get(0L));
      }
    });
    return result;
  }

  /** Names of the brokers that have queues of the topic. */
  static Set<String> route(MQClientAPIImpl api, String topic) throws Exception {
    Set<String> result = new TreeSet<>();
    api.getTopicRouteInfoFromNameServer(topic, Bed.CALL_MS).getQueueDatas().forEach(q -> result.add(q.getBrokerName()));
    return result;
  }
}
