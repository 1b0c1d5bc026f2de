import java.io.File;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.DispatchRequest;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.index.IndexService;
import org.apache.rocketmq.store.index.QueryOffsetResult;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * Asks the real IndexService for the files it writes and the answers it gives.
 *
 *   write FILE        one line each: layout, put (what went in), file (hex of each file), query (with the answer)
 *   verify FILE DIR   opens the index files that our KeyIndex left in DIR and asks them the same queries
 */
public class IndexGolden {
    static final int SLOTS = 11;
    static final int ENTRIES = 24;
    static final String[] TOPICS = {"TopicTest", "%RETRY%group", "主题"};

    public static void main(String[] args) throws Exception {
        // A full file's flush reports to the checkpoint of a started store; ours is not started.
        Thread.setDefaultUncaughtExceptionHandler((thread, e) -> {
            if (!thread.getName().equals("FlushIndexFileThread")) {
                e.printStackTrace();
                System.exit(1);
            }
        });
        if (args[0].equals("write")) {
            write(args[1]);
        } else {
            verify(args[1], Paths.get(args[2]));
        }
        System.exit(0); // the store started threads
    }

    static IndexService open(Path root) throws Exception {
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(root.toString());
        config.setStorePathCommitLog(root.resolve("commitlog").toString());
        config.setMaxHashSlotNum(SLOTS);
        config.setMaxIndexNum(ENTRIES);
        DefaultMessageStore store = new DefaultMessageStore(config, new BrokerStatsManager("golden", false), null,
            new BrokerConfig(), new ConcurrentHashMap<>());
        IndexService index = new IndexService(store);
        if (!index.load(true)) {
            throw new IllegalStateException("load");
        }
        return index;
    }

    static String hex(String text) {
        return text == null ? "null" : "'" + hex(text.getBytes(StandardCharsets.UTF_8));
    }

    static String hex(byte[] bytes) {
        StringBuilder out = new StringBuilder();
        for (byte b : bytes) {
            out.append(String.format("%02x", b));
        }
        return out.toString();
    }

    static String unhex(String hex) {
        if (hex.equals("null")) {
            return null;
        }
        byte[] bytes = new byte[(hex.length() - 1) / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(hex.substring(1 + 2 * i, 3 + 2 * i), 16);
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** A key for which (topic + "#" + key).hashCode() is Integer.MIN_VALUE, whose abs() is negative. */
    static String minHashKey(String topic) {
        for (int base = 0;; base++) {
            String prefix = "k" + base + "-";
            int rest = Integer.MIN_VALUE - (topic + "#" + prefix).hashCode() * 31 * 31 * 31;
            for (int a = 'A'; a <= 'z'; a++) {
                for (int b = 'A'; b <= 'z'; b++) {
                    int c = rest - a * 961 - b * 31;
                    if (c >= 'A' && c <= 'z') {
                        return prefix + (char) a + (char) b + (char) c;
                    }
                }
            }
        }
    }

    static void write(String file) throws Exception {
        Path root = Files.createTempDirectory("index");
        IndexService index = open(root);
        Random random = new Random(42);
        PrintStream out = new PrintStream(file, "UTF-8");
        out.printf("layout\t%d\t%d%n", SLOTS, ENTRIES);
        String minHash = minHashKey(TOPICS[0]);
        String[] words = {"order-1", "order-2", "ключ", "a", "😀x", "order-1", minHash};
        String[] tags = {"a", "T#a", "метка", "", "order-1"};
        long offset = 0;
        long time = 1_700_000_000_123L;
        List<String> keysSeen = new ArrayList<>(Arrays.asList(words));
        for (int i = 0; i < 70; i++) {
            String topic = TOPICS[random.nextInt(TOPICS.length)];
            int size = 100 + random.nextInt(200);
            int sysFlag = i % 9 == 4 ? 12 : i % 9 == 5 ? 4 : i % 9 == 6 ? 8 : 0;
            String uniq = i % 7 == 3 ? null : String.format("7F000001%024X", i);
            StringBuilder keys = new StringBuilder();
            for (int k = random.nextInt(4); k > 0; k--) {
                keys.append(words[random.nextInt(words.length)]).append(k == 2 ? "  " : " ");
            }
            String keyText = i % 11 == 2 ? null : i % 5 == 0 ? keys.toString().trim() : keys.toString();
            String tag = i % 4 == 1 ? tags[i % tags.length] : null;
            Map<String, String> properties = new HashMap<>();
            if (tag != null) {
                properties.put("TAGS", tag);
            }
            long at = i == 33 ? offset - 1000 : offset; // one that the index has passed already
            index.buildIndex(new DispatchRequest(topic, 0, at, size, 0, time, i, keyText, uniq, sysFlag, 0, properties));
            out.printf("put\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s%n", hex(topic), at, size, time, sysFlag, hex(uniq), hex(keyText),
                hex(tag));
            if (uniq != null) {
                keysSeen.add(uniq);
            }
            offset += size;
            time += i % 13 == 7 ? -2_500 : i == 50 ? 3_000_000_000_000L : random.nextInt(4000);
            Thread.sleep(3); // two files of one millisecond would have the same name
        }
        List<long[]> windows = new ArrayList<>();
        windows.add(new long[] {0, Long.MAX_VALUE});
        windows.add(new long[] {1_700_000_030_000L, 1_700_000_060_000L});
        windows.add(new long[] {1_700_000_000_000L, 1_700_000_020_000L});
        windows.add(new long[] {1_700_000_070_000L, Long.MAX_VALUE});
        for (String topic : TOPICS) {
            for (String tag : tags) {
                for (String type : new String[] {"T", "t", "K", "U", ""}) {
                    ask(index, out, topic, tag, 1000, windows.get(0), type);
                }
            }
            for (String key : keysSeen) {
                for (int w = 0; w < (key.length() > 20 ? 1 : windows.size()); w++) {
                    for (int max : key.length() > 20 ? new int[] {32} : new int[] {3, 1000}) {
                        ask(index, out, topic, key, max, windows.get(w), "");
                    }
                }
            }
        }
        index.shutdown();
        File[] files = root.resolve("index").toFile().listFiles();
        Arrays.sort(files);
        for (File f : files) {
            out.printf("file\t%s\t%s%n", f.getName(), hex(Files.readAllBytes(f.toPath())));
        }
        out.close();
    }

    static void ask(IndexService index, PrintStream out, String topic, String key, int max, long[] window, String type) {
        QueryOffsetResult r = index.queryOffset(topic, key, max, window[0], window[1], type);
        if (r.getPhyOffsets().isEmpty() && key.length() > 20) {
            return;
        }
        out.printf("query\t%s\t%s\t%d\t%d\t%d\t%s\t%d\t%d\t%s%n", hex(topic), hex(key), max, window[0], window[1],
            text(r), r.getIndexLastUpdateTimestamp(), r.getIndexLastUpdatePhyoffset(), hex(type));
    }

    static String text(QueryOffsetResult r) {
        return r.getPhyOffsets().isEmpty() ? "-"
            : r.getPhyOffsets().stream().map(String::valueOf).collect(Collectors.joining(","));
    }

    static void verify(String file, Path dir) throws Exception {
        Path root = Files.createTempDirectory("index");
        Files.createDirectories(root.resolve("index"));
        for (File f : dir.toFile().listFiles()) {
            Files.copy(f.toPath(), root.resolve("index").resolve(f.getName()));
        }
        IndexService index = open(root);
        int checks = 0;
        int failures = 0;
        for (String line : Files.readAllLines(Paths.get(file))) {
            String[] part = line.split("\t");
            if (!part[0].equals("query")) {
                continue;
            }
            QueryOffsetResult r = index.queryOffset(unhex(part[1]), unhex(part[2]), Integer.parseInt(part[3]),
                Long.parseLong(part[4]), Long.parseLong(part[5]), unhex(part[9]));
            checks++;
            if (!text(r).equals(part[6]) || r.getIndexLastUpdateTimestamp() != Long.parseLong(part[7])
                || r.getIndexLastUpdatePhyoffset() != Long.parseLong(part[8])) {
                failures++;
                System.out.println("differs: " + line + " got " + text(r));
            }
        }
        System.out.println(checks + " checks, " + failures + " failures");
    }
}
