// Plays a random history of registrations against the RouteInfoManager of Apache RocketMQ and prints, after every step, the
// CRC-32 of all routes and clusters written in one canonical form. tests/unit/namesrv plays the same history against ours.
//
//   java NamesrvHistory [seed [steps [full]]]     "full" prints the canonical text behind each step, to find a difference
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.namesrv.routeinfo.RouteInfoManager;
import org.apache.rocketmq.remoting.protocol.DataVersion;
import org.apache.rocketmq.remoting.protocol.body.ClusterInfo;
import org.apache.rocketmq.remoting.protocol.body.RegisterBrokerBody;
import org.apache.rocketmq.remoting.protocol.body.TopicConfigAndMappingSerializeWrapper;
import org.apache.rocketmq.remoting.protocol.namesrv.RegisterBrokerResult;
import org.apache.rocketmq.remoting.protocol.route.BrokerData;
import org.apache.rocketmq.remoting.protocol.route.QueueData;
import org.apache.rocketmq.remoting.protocol.route.TopicRouteData;

public class NamesrvHistory {
    static final int TOPICS = 5;

    static String text(BrokerData b) {
        StringBuilder sb = new StringBuilder(b.getBrokerName()).append('{').append(b.getCluster()).append(',')
            .append(b.isEnableActingMaster() ? 1 : 0).append(',').append(b.getZoneName() == null ? "-" : b.getZoneName());
        for (Map.Entry<Long, String> e : new TreeMap<>(b.getBrokerAddrs()).entrySet()) {
            sb.append(',').append(e.getKey()).append('=').append(e.getValue());
        }
        return sb.append('}').toString();
    }

    static String state(RouteInfoManager m) {
        StringBuilder sb = new StringBuilder();
        for (int t = 0; t < TOPICS; t++) {
            TopicRouteData route = m.pickupTopicRouteData("t" + t);
            sb.append('t').append(t).append(':');
            if (route == null) {
                sb.append("-\n");
                continue;
            }
            Set<String> parts = new TreeSet<>();
            for (QueueData q : route.getQueueDatas()) {
                parts.add(q.getBrokerName() + " " + q.getReadQueueNums() + " " + q.getWriteQueueNums() + " " + q.getPerm() + " "
                    + q.getTopicSysFlag());
            }
            for (String p : parts) {
                sb.append(p).append(';');
            }
            parts.clear();
            for (BrokerData b : route.getBrokerDatas()) {
                parts.add(text(b));
            }
            for (String p : parts) {
                sb.append(p).append(';');
            }
            sb.append('\n');
        }
        ClusterInfo info = m.getAllClusterInfo();
        for (BrokerData b : new TreeMap<>(info.getBrokerAddrTable()).values()) {
            sb.append(text(b)).append('\n');
        }
        for (Map.Entry<String, Set<String>> e : new TreeMap<>(info.getClusterAddrTable()).entrySet()) {
            sb.append(e.getKey()).append(':').append(String.join(",", new TreeSet<>(e.getValue()))).append('\n');
        }
        return sb.toString();
    }

    static String register(RouteInfoManager m, Random r) {
        int name = r.nextInt(4);
        String cluster = name < 3 ? "c0" : "c1";
        long id = r.nextInt(3);
        // Mostly the address of this broker's own id; sometimes the address of another id, as after a switch of roles.
        String addr = "h" + name + (r.nextInt(8) == 0 ? r.nextInt(4) : id) + ":1";
        int acting = r.nextInt(3);
        String zone = r.nextInt(4) == 0 ? "z" + r.nextInt(2) : null;
        long state = r.nextInt(10) == 0 ? 1 : 0;
        long counter = r.nextInt(3);
        DataVersion version = new DataVersion();
        version.setStateVersion(state);
        version.setTimestamp(1);
        version.setCounter(new AtomicLong(counter));
        RegisterBrokerBody body = new RegisterBrokerBody();
        TopicConfigAndMappingSerializeWrapper wrapper = body.getTopicConfigSerializeWrapper();
        wrapper.setDataVersion(version);
        ConcurrentMap<String, TopicConfig> table = new ConcurrentHashMap<>();
        List<String> topics = new ArrayList<>();
        // A filler topic keeps the first registration from being refused; that case has a test of its own.
        table.put("fill", new TopicConfig("fill", 1, 1, 6, 0));
        table.put("fill2", new TopicConfig("fill2", 1, 1, 6, 0));
        for (int t = 0; t < TOPICS; t++) {
            if (r.nextInt(3) != 0) {
                TopicConfig c = new TopicConfig("t" + t, 1 + r.nextInt(2), 1 + r.nextInt(2), 2 + 2 * r.nextInt(3), r.nextInt(2));
                table.put(c.getTopicName(), c);
                topics.add(c.getTopicName() + " " + c.getReadQueueNums() + " " + c.getWriteQueueNums() + " " + c.getPerm() + " "
                    + c.getTopicSysFlag());
            }
        }
        wrapper.setTopicConfigTable(table);
        String line = "register," + cluster + ",n" + name + "," + id + "," + addr + "," + (acting == 2 ? "-" : "" + acting) + ","
            + (zone == null ? "-" : zone) + "," + state + "," + counter + "," + String.join("/", topics);
        RegisterBrokerResult result = m.registerBroker(cluster, addr, "n" + name, id, "ha-" + addr, zone, null,
            acting == 2 ? null : Boolean.valueOf(acting == 1), wrapper, body.getFilterServerList(), null);
        return line + "\t" + (result == null ? "refused" : result.getMasterAddr() + "," + result.getHaServerAddr());
    }

    static String step(RouteInfoManager m, Random r) {
        int kind = r.nextInt(20);
        int name = r.nextInt(4);
        String cluster = name < 3 ? "c0" : "c1";
        if (kind < 11) {
            return register(m, r);
        } else if (kind < 16) {
            long id = r.nextInt(3);
            String addr = "h" + name + id + ":1";
            m.unregisterBroker(cluster, addr, "n" + name, id);
            return "unregister," + cluster + ",n" + name + "," + id + "," + addr + "\t";
        } else if (kind == 16) {
            return "wipe,n" + name + "\t" + m.wipeWritePermOfBrokerByLock("n" + name);
        } else if (kind == 17) {
            return "add,n" + name + "\t" + m.addWritePermOfBrokerByLock("n" + name);
        } else if (kind == 18) {
            String topic = "t" + r.nextInt(TOPICS);
            m.deleteTopic(topic, cluster);
            return "delete," + topic + "," + cluster + "\t";
        }
        String topic = "t" + r.nextInt(TOPICS);
        m.deleteTopic(topic);
        return "delete," + topic + ",\t";
    }

    public static void main(String[] args) throws Exception {
        long seed = args.length > 0 ? Long.parseLong(args[0]) : 1;
        int steps = args.length > 1 ? Integer.parseInt(args[1]) : 300;
        NamesrvConfig config = new NamesrvConfig();
        config.setSupportActingMaster(seed % 2 == 1);
        config.setDeleteTopicWithBrokerRegistration(seed % 3 == 0);
        System.out.println("options," + config.isSupportActingMaster() + "," + config.isDeleteTopicWithBrokerRegistration());
        RouteInfoManager m = new RouteInfoManager(config, null);
        Random r = new Random(seed);
        for (int i = 0; i < steps; i++) {
            String line = step(m, r);
            String state = state(m);
            CRC32 crc = new CRC32();
            crc.update(state.getBytes(StandardCharsets.UTF_8));
            System.out.println(line + "\t" + crc.getValue());
            if (args.length > 2) {
                System.out.print("#" + state.replace("\n", "\n#") + "\n");
            }
        }
    }
}
