import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/** The bytes of two small commit log files as a real store of Apache's writes them, the roll from one to the next included. */
final class CommitLogFile {
    static final int FILE_SIZE = 2048;

    static byte[] bytes() throws Exception {
        Path root = Files.createTempDirectory("golden-store");
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(root.toString());
        config.setStorePathCommitLog(root.resolve("commitlog").toString());
        config.setMappedFileSizeCommitLog(FILE_SIZE);
        config.setMappedFileSizeConsumeQueue(20 * 100);
        config.setMaxIndexNum(100);
        config.setMaxHashSlotNum(10);
        config.setTimerWheelEnable(false);
        config.setTransientStorePoolEnable(false);
        config.setHaListenPort(0);
        ConcurrentHashMap<String, TopicConfig> topics = new ConcurrentHashMap<>();
        DefaultMessageStore store = new DefaultMessageStore(config, new BrokerStatsManager("golden", true),
            (topic, queueId, offset, tagsCode, time, bitMap, properties) -> { }, new BrokerConfig(), topics);
        if (!store.load()) {
            throw new IllegalStateException("store does not load");
        }
        store.start();
        for (int i = 0; i < 10; ++i) {
            MessageExtBrokerInner m = fill(new MessageExtBrokerInner(), i % 3 == 0 ? "t".repeat(200) : "TopicTest");
            m.setBody(("body " + i).repeat(i + 1).getBytes(StandardCharsets.UTF_8));
            m.setTags("TagA");
            m.setKeys("key" + i);
            m.setPropertiesString(MessageDecoder.messageProperties2String(m.getProperties()));
            if (!store.putMessage(m).isOk()) {
                throw new IllegalStateException("put refused");
            }
        }
        MessageExtBatch batch = (MessageExtBatch) fill(new MessageExtBatch(), "TopicTest");
        batch.setBody(MessageDecoder.encodeMessages(List.of(new Message("TopicTest", "TagA", "one".getBytes(StandardCharsets.UTF_8)),
            new Message("TopicTest", "TagB", "two".getBytes(StandardCharsets.UTF_8)))));
        if (!store.putMessages(batch).isOk()) {
            throw new IllegalStateException("batch refused");
        }
        byte[] bytes = new byte[(int) store.getMaxPhyOffset()];
        for (int at = 0; at < bytes.length; at += FILE_SIZE) {
            byte[] file = Files.readAllBytes(root.resolve("commitlog").resolve(String.format("%020d", at)));
            System.arraycopy(file, 0, bytes, at, Math.min(FILE_SIZE, bytes.length - at));
        }
        return bytes;
    }

    private static MessageExtBrokerInner fill(MessageExtBrokerInner m, String topic) {
        m.setTopic(topic);
        m.setQueueId(1);
        m.setBornTimestamp(1_700_000_000_123L);
        m.setBornHost(new InetSocketAddress("127.0.0.1", 54321));
        m.setStoreHost(new InetSocketAddress("127.0.0.1", 10911));
        return m;
    }
}
