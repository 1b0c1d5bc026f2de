// Apache's own store on a folder, for tests that pass the folder back and forth.
//   JavaStore ROOT append FROM COUNT close|halt    appends messages FROM .. FROM+COUNT-1
//   JavaStore ROOT dump close|halt                 prints every message of every queue
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.SelectMappedBufferResult;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.queue.ConsumeQueueInterface;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

public class JavaStore {
    static MessageExtBrokerInner message(int i) {
        MessageExtBrokerInner m = new MessageExtBrokerInner();
        m.setTopic("T" + i % 3);
        m.setQueueId(i % 2);
        m.setTags("tag" + i % 5);
        m.setKeys("k" + i);
        m.setBody(("body " + i + "x".repeat(i % 50)).getBytes(StandardCharsets.UTF_8));
        m.setBornTimestamp(System.currentTimeMillis());
        m.setBornHost(new InetSocketAddress("127.0.0.1", 1));
        m.setStoreHost(new InetSocketAddress("127.0.0.1", 10911));
        m.setPropertiesString(MessageDecoder.messageProperties2String(m.getProperties()));
        return m;
    }

    static void dump(DefaultMessageStore store) throws Exception {
        while (store.dispatchBehindBytes() > 0) Thread.sleep(10);
        TreeMap<String, ConsumeQueueInterface> queues = new TreeMap<>();
        store.getConsumeQueueTable().forEach((t, m) -> m.forEach((q, cq) -> queues.put(t + " " + q, cq)));
        for (var e : queues.entrySet()) {
            ConsumeQueueInterface cq = e.getValue();
            System.out.println("QUEUE " + e.getKey() + " " + cq.getMinOffsetInQueue() + " " + cq.getMaxOffsetInQueue());
            long offset = cq.getMinOffsetInQueue();
            while (offset < cq.getMaxOffsetInQueue()) {
                GetMessageResult r = store.getMessage("g", cq.getTopic(), cq.getQueueId(), offset, 32, null);
                for (SelectMappedBufferResult s : r.getMessageMapedList()) {
                    MessageExt m = MessageDecoder.decode(s.getByteBuffer(), true, false);
                    System.out.println("MESSAGE " + e.getKey() + " " + m.getQueueOffset() + " " + m.getCommitLogOffset() + " "
                        + new String(m.getBody(), StandardCharsets.UTF_8));
                }
                offset = r.getNextBeginOffset();
                r.release();
            }
        }
    }

    public static void main(String[] args) throws Exception {
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(args[0]);
        config.setStorePathCommitLog(args[0] + "/commitlog");
        config.setMappedFileSizeCommitLog(256 * 1024);
        config.setMappedFileSizeConsumeQueue(100 * 20);
        config.setMaxHashSlotNum(1000);
        config.setMaxIndexNum(4000);
        config.setHaListenPort(0);
        BrokerConfig broker = new BrokerConfig();
        DefaultMessageStore store = new DefaultMessageStore(config, new BrokerStatsManager(broker),
            (topic, queueId, offset, tags, time, bits, properties) -> { }, broker, new ConcurrentHashMap<>());
        if (!store.load()) {
            System.out.println("LOAD FAILED");
            Runtime.getRuntime().halt(2);
        }
        store.start();
        boolean append = args[1].equals("append");
        if (append) {
            int from = Integer.parseInt(args[2]);
            for (int i = from; i < from + Integer.parseInt(args[3]); i++) {
                if (!store.putMessage(message(i)).isOk()) throw new IllegalStateException("put " + i);
            }
            while (store.dispatchBehindBytes() > 0) Thread.sleep(10);
        } else {
            dump(store);
        }
        System.out.flush();
        if (args[append ? 4 : 2].equals("close")) store.shutdown();
        Runtime.getRuntime().halt(0);
    }
}
