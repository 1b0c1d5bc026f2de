// Prints what the nameserver of Apache RocketMQ answers: one case a line, name, a tab, then the body as text.
// README.md says how to run it; tests/unit/namesrv compares with its output.
import com.alibaba.fastjson2.JSONWriter;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.namesrv.kvconfig.KVConfigSerializeWrapper;
import org.apache.rocketmq.namesrv.routeinfo.RouteInfoManager;
import org.apache.rocketmq.remoting.protocol.DataVersion;
import org.apache.rocketmq.remoting.protocol.body.BrokerMemberGroup;
import org.apache.rocketmq.remoting.protocol.body.GetBrokerMemberGroupResponseBody;
import org.apache.rocketmq.remoting.protocol.body.KVTable;
import org.apache.rocketmq.remoting.protocol.body.RegisterBrokerBody;
import org.apache.rocketmq.remoting.protocol.body.TopicConfigAndMappingSerializeWrapper;
import org.apache.rocketmq.remoting.protocol.route.TopicRouteData;
import org.apache.rocketmq.remoting.protocol.statictopic.TopicQueueMappingInfo;

public class NamesrvGolden {
    static void out(String name, byte[] body) {
        System.out.println(name + "\t" + new String(body, StandardCharsets.UTF_8));
    }

    static byte[] strict(TopicRouteData route) {
        return route.encode(JSONWriter.Feature.BrowserCompatible, JSONWriter.Feature.MapSortField);
    }

    static void route(String name, TopicRouteData route) {
        out(name + ".loose", route.encode());
        out(name + ".strict", strict(route));
    }

    static DataVersion version(long state, long timestamp, long counter) {
        DataVersion v = new DataVersion();
        v.setStateVersion(state);
        v.setTimestamp(timestamp);
        v.setCounter(new AtomicLong(counter));
        return v;
    }

    static TopicConfig topic(String name, int read, int write, int perm, int sysFlag) {
        return new TopicConfig(name, read, write, perm, sysFlag);
    }

    static RegisterBrokerBody body(DataVersion version, TopicConfig... topics) {
        RegisterBrokerBody body = new RegisterBrokerBody();
        TopicConfigAndMappingSerializeWrapper wrapper = body.getTopicConfigSerializeWrapper();
        wrapper.setDataVersion(version);
        wrapper.setMappingDataVersion(version(0, 1, 1));
        ConcurrentMap<String, TopicConfig> table = new ConcurrentHashMap<>();
        for (TopicConfig t : topics) {
            table.put(t.getTopicName(), t);
        }
        wrapper.setTopicConfigTable(table);
        return body;
    }

    static void map(RegisterBrokerBody body, String topic, String broker, int queues, long epoch) {
        TopicQueueMappingInfo info = new TopicQueueMappingInfo(topic, queues, broker, epoch);
        for (int i = 0; i < queues; i++) {
            info.getCurrIdMap().put(i, i + 1);
        }
        body.getTopicConfigSerializeWrapper().getTopicQueueMappingInfoMap().put(topic, info);
    }

    static void register(RouteInfoManager m, String cluster, String name, long id, String addr, Boolean acting, String zone,
        RegisterBrokerBody body) {
        m.registerBroker(cluster, addr, name, id, "10.0.0.9:10912", zone, null, acting, body.getTopicConfigSerializeWrapper(),
            body.getFilterServerList(), null);
    }

    static void bodies() throws Exception {
        RegisterBrokerBody body = body(version(3, 1700000000000L, 7), topic("TopicA", 4, 8, 6, 0), topic("TopicB", 1, 2, 4, 3));
        body.getTopicConfigSerializeWrapper().getTopicConfigTable().get("TopicA").getAttributes().put("message.type", "FIFO");
        body.setFilterServerList(new ArrayList<>(Arrays.asList("10.0.0.1:1000")));
        map(body, "TopicA", "broker-a", 2, 5);
        out("register.body", body.encode(false));
        System.out.println("register.body.crc\t" + UtilAll.crc32(body.encode(false)));
        byte[] packed = body.encode(true);
        System.out.println("register.body.deflated\t" + UtilAll.bytes2string(packed));
        RegisterBrokerBody empty = body(version(0, 0, 0));
        System.out.println("register.body.deflated.empty\t" + UtilAll.bytes2string(empty.encode(true)));
        out("register.body.wrapper", body.getTopicConfigSerializeWrapper().encode());
    }

    static void routes() {
        NamesrvConfig config = new NamesrvConfig();
        RouteInfoManager m = new RouteInfoManager(config, null);
        register(m, "c1", "broker-a", 0, "10.0.0.1:10911", null, null, body(version(0, 1, 1), topic("T", 4, 8, 6, 0),
            topic("U", 1, 1, 6, 3), topic("V", 1, 1, 6, 2)));
        route("plain", m.pickupTopicRouteData("T"));
        register(m, "c1", "broker-a", 1, "10.0.0.2:10911", true, "zone-1", body(version(0, 1, 1), topic("T", 4, 8, 6, 0),
            topic("U", 1, 1, 6, 0)));
        route("slave", m.pickupTopicRouteData("T"));
        TopicRouteData ordered = m.pickupTopicRouteData("T");
        ordered.setOrderTopicConf("broker-a:4");
        route("ordered", ordered);
        out("cluster", m.getAllClusterInfo().encode());
        out("topics.unit", m.getUnitTopics().encode());
        out("topics.unitsub", m.getHasUnitSubTopicList().encode());
        out("topics.unitsub_ununit", m.getHasUnitSubUnUnitTopicList().encode());
        out("topics.system", m.getSystemTopicList().encode());
        out("topics.cluster", m.getTopicsByCluster("c1").encode());
        out("topics.cluster.unknown", m.getTopicsByCluster("nope").encode());
        GetBrokerMemberGroupResponseBody group = new GetBrokerMemberGroupResponseBody();
        group.setBrokerMemberGroup(m.getBrokerMemberGroup("c1", "broker-a"));
        out("members", group.encode());
        group.setBrokerMemberGroup(m.getBrokerMemberGroup("c1", "nope"));
        out("members.unknown", group.encode());
        out("version", m.queryBrokerTopicConfig("c1", "10.0.0.1:10911").encode());
        RegisterBrokerBody filters = body(version(0, 2, 2), topic("T", 4, 8, 6, 0), topic("W", 1, 1, 6, 0));
        filters.setFilterServerList(new ArrayList<>(Arrays.asList("10.0.0.1:5000", "10.0.0.1:5001")));
        register(m, "c1", "broker-a", 0, "10.0.0.1:10911", false, null, filters);
        route("filter", m.pickupTopicRouteData("T"));
        out("topics.all.empty", new RouteInfoManager(config, null).getAllTopicList().encode());
        out("cluster.empty", new RouteInfoManager(config, null).getAllClusterInfo().encode());
        out("topics.system.empty", new RouteInfoManager(config, null).getSystemTopicList().encode());
    }

    static void moreRoutes() {
        NamesrvConfig config = new NamesrvConfig();
        config.setSupportActingMaster(true);
        RouteInfoManager m = new RouteInfoManager(config, null);
        register(m, "c1", "b", 2, "10.0.0.2:1", true, null, body(version(0, 1, 1), topic("T", 4, 8, 6, 0), topic("U", 1, 1, 6, 0)));
        route("acting", m.pickupTopicRouteData("T"));
        RegisterBrokerBody mapped = body(version(0, 5, 5), topic("S", 4, 8, 6, 0), topic("U", 1, 1, 6, 0));
        map(mapped, "S", "b2", 3, 9);
        register(m, "c1", "b2", 0, "10.0.0.3:1", false, null, mapped);
        route("mapped", m.pickupTopicRouteData("S"));
        String odd = "a\"b\\c/d\u00e9\u4e2d\uD83D\uDE00<>&'\u0001\n\t\u007f\u2028\b\f\r\u001f()+-=;:%";
        register(m, "c" + odd, "n" + odd, 0, "10.0.0.4:1", false, odd, body(version(0, 5, 5), topic("odd", 1, 1, 6, 0), topic("U", 1, 1, 6, 0)));
        String strict = new String(strict(m.pickupTopicRouteData("odd")), StandardCharsets.UTF_8);
        String loose = new String(m.pickupTopicRouteData("odd").encode(), StandardCharsets.UTF_8);
        System.out.println("odd.hex\t" + UtilAll.bytes2string(odd.getBytes(StandardCharsets.UTF_8)));
        System.out.println("odd.strict\t" + strict);
        String latin = "<caf\u00e9>(a)/'";
        register(m, latin, "latin", 0, "10.0.0.5:1", false, latin, body(version(0, 5, 5), topic("latin", 1, 1, 6, 0), topic("U", 1, 1, 6, 0)));
        route("latin", m.pickupTopicRouteData("latin"));
        System.out.println("odd.loose.hex\t" + UtilAll.bytes2string(loose.getBytes(StandardCharsets.UTF_8)));
    }

    static void tables() throws Exception {
        HashMap<String, String> table = new HashMap<>();
        table.put("k", "v");
        table.put("l", "w\"x");
        KVTable kv = new KVTable();
        kv.setTable(table);
        out("kv.table", kv.encode());
        kv.setTable(new HashMap<>());
        out("kv.table.empty", kv.encode());
        HashMap<String, HashMap<String, String>> all = new HashMap<>();
        KVConfigSerializeWrapper wrapper = new KVConfigSerializeWrapper();
        wrapper.setConfigTable(all);
        System.out.println("kv.file.empty\t" + wrapper.toJson());
        all.put("NS", table);
        System.out.println("kv.file\t" + wrapper.toJson());
    }

    public static void main(String[] args) throws Exception {
        bodies();
        routes();
        moreRoutes();
        tables();
    }
}
