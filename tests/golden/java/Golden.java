import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.common.message.MessageVersion;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.common.topic.TopicValidator;
import org.apache.rocketmq.remoting.CommandCustomHeader;
import org.apache.rocketmq.remoting.protocol.FastCodesHeader;
import org.apache.rocketmq.remoting.protocol.LanguageCode;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.SerializeType;
import org.apache.rocketmq.store.MessageExtEncoder;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/** Writes what Apache's classes write, as lines of tab-separated texts and hex, for golden_test. "-" is the empty text. */
public final class Golden {
    private static final String CONTROL = "K\u0001v\u0002TAGS\u0001TagA\u0002";
    private static final String UNICODE = "\u00e9\u4e2d\ud83d\ude00\u2028";

    public static void main(String[] args) throws Exception {
        Path dir = Path.of(args[0]);
        Files.createDirectories(dir);
        write(dir, "headers.tsv", Golden::headers);
        write(dir, "commands.tsv", Golden::commands);
        write(dir, "records.tsv", Golden::records);
        write(dir, "commitlog.tsv", out -> out.print(row(CommitLogFile.FILE_SIZE, Samples.hex(CommitLogFile.bytes()))));
        write(dir, "batches.tsv", Golden::batches);
        write(dir, "properties.tsv", Golden::properties);
        write(dir, "ids.tsv", Golden::ids);
        write(dir, "hashes.tsv", Golden::hashes);
        write(dir, "names.tsv", Golden::names);
        write(dir, "versions.tsv", Golden::versions);
        System.exit(0);
    }

    interface Section {
        void write(PrintWriter out) throws Exception;
    }

    private static void write(Path dir, String name, Section section) throws Exception {
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(dir.resolve(name), StandardCharsets.UTF_8))) {
            section.write(out);
        }
    }

    private static String row(Object... columns) {
        StringBuilder row = new StringBuilder();
        for (Object column : columns) {
            row.append(row.length() == 0 ? "" : "\t").append(column);
        }
        return row.append('\n').toString();
    }

    private static byte[] frame(RemotingCommand command) {
        ByteBuffer buffer = command.encode();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    private static RemotingCommand request(int code, CommandCustomHeader header, SerializeType type) {
        RemotingCommand command = RemotingCommand.createRequestCommand(code, header);
        command.setVersion(513);
        command.setOpaque(77);
        command.setSerializeTypeCurrentRPC(type);
        return command;
    }

    // name, JSON header as text, binary header, binary header of the fast codec or "-".
    private static void headers(PrintWriter out) throws Exception {
        for (Class<? extends CommandCustomHeader> c : Samples.headerClasses()) {
            byte[] json = frame(request(34, Samples.fill(c), SerializeType.JSON));
            byte[] binary = frame(request(34, Samples.fill(c), SerializeType.ROCKETMQ));
            String fast = "-";
            if (Samples.fill(c) instanceof FastCodesHeader) {
                ByteBuf buf = Unpooled.buffer();
                request(34, Samples.fill(c), SerializeType.ROCKETMQ).fastEncodeHeader(buf);
                byte[] bytes = new byte[buf.readableBytes()];
                buf.readBytes(bytes);
                fast = Samples.hex(Arrays.copyOfRange(bytes, 8, bytes.length));
            }
            out.print(row(c.getName().substring("org.apache.rocketmq.remoting.protocol.header.".length()),
                new String(json, 8, json.length - 8, StandardCharsets.UTF_8),
                Samples.hex(Arrays.copyOfRange(binary, 8, binary.length)), fast));
        }
    }

    // name, form, frame, code, language, version, opaque, flag, remark, body, then key and value of each ext field; texts in hex.
    private static void commands(PrintWriter out) {
        for (SerializeType type : SerializeType.values()) {
            RemotingCommand plain = request(RequestCode.HEART_BEAT, null, type);
            plain.setBody("{\"clientID\":\"c\"}".getBytes(StandardCharsets.UTF_8));
            command(out, "no_ext_with_body", plain);

            RemotingCommand rich = request(RequestCode.SEND_MESSAGE_V2, null, type);
            rich.setLanguage(LanguageCode.GO);
            rich.setOpaque(Integer.MIN_VALUE);
            rich.markOnewayRPC();
            rich.setRemark("quote \" back \\ slash / tab \t line \n \u007f " + UNICODE);
            rich.addExtField("i", CONTROL + UNICODE);
            rich.addExtField("quoted \"key\"", "\b\f\n\r\t\\\"/\u0000\u001f");
            rich.addExtField("\u4e2d", "\ud83d\ude00");
            rich.addExtField("long", "x".repeat(300));
            command(out, "control_and_unicode", rich);

            RemotingCommand empty = request(RequestCode.GET_BROKER_CONFIG, null, type);
            empty.setExtFields(new HashMap<>());
            command(out, "empty_ext", empty);

            for (LanguageCode language : LanguageCode.values()) {
                RemotingCommand spoken = request(RequestCode.GET_BROKER_CONFIG, null, type);
                spoken.setLanguage(language);
                command(out, "language_" + language, spoken);
            }

            RemotingCommand response = RemotingCommand.createResponseCommand(17, "topic[a] not exist, apply first please!");
            response.setVersion(401);
            response.setOpaque(Integer.MAX_VALUE);
            response.setSerializeTypeCurrentRPC(type);
            command(out, "response", response);
        }
        command(out, "code_of_five_digits", request(RequestCode.POP_MESSAGE, null, SerializeType.JSON));
    }

    private static void command(PrintWriter out, String name, RemotingCommand c) {
        List<Object> columns = new ArrayList<>(List.of(name, c.getSerializeTypeCurrentRPC(), Samples.hex(frame(c)), c.getCode(),
            c.getLanguage().getCode(), c.getVersion(), c.getOpaque(), c.getFlag(), Samples.hex(c.getRemark()),
            c.getBody() == null ? "-" : Samples.hex(c.getBody())));
        if (c.getExtFields() != null) {
            new TreeMap<>(c.getExtFields()).forEach((key, value) -> {
                columns.add(Samples.hex(key));
                columns.add(Samples.hex(value));
            });
        }
        out.print(row(columns.toArray()));
    }

    // name, record, queue id, flag, sysFlag, queue offset, physical offset, born ms, born host, store ms, store host, reconsume
    // times, prepared offset, body, topic, properties.
    private static void records(PrintWriter out) throws Exception {
        String[] hosts = {"127.0.0.1", "fe80:0:0:0:1:2:3:4"};
        for (String born : hosts) {
            for (String store : hosts) {
                for (int topicLength : new int[] {1, 9, 127, 128, 300}) {
                    record(out, born, store, "t".repeat(topicLength), "123456789".getBytes(StandardCharsets.UTF_8), CONTROL);
                }
            }
        }
        record(out, hosts[0], hosts[0], "TopicTest", new byte[0], "");
        record(out, hosts[0], hosts[0], "TopicTest", new byte[] {0}, "KEYS\u0001open");
        byte[] large = new byte[3000];
        for (int i = 0; i < large.length; ++i) {
            large[i] = (byte) (i * 31);
        }
        record(out, hosts[0], hosts[0], "TopicTest", large, "U\u0001" + UNICODE + "\u0002" + CONTROL);
    }

    private static void record(PrintWriter out, String bornIp, String storeIp, String topic, byte[] body, String properties)
        throws Exception {
        MessageExtBrokerInner m = new MessageExtBrokerInner();
        m.setTopic(topic);
        m.setBody(body);
        m.setQueueId(3);
        m.setFlag(-5);
        m.setSysFlag(MessageSysFlag.COMPRESSED_FLAG);
        m.setBornTimestamp(1_700_000_000_123L);
        m.setBornHost(new InetSocketAddress(InetAddress.getByName(bornIp), 54321));
        m.setStoreTimestamp(1_700_000_000_999L);
        m.setStoreHost(new InetSocketAddress(InetAddress.getByName(storeIp), 10911));
        m.setReconsumeTimes(2);
        m.setPreparedTransactionOffset(7_000_000_000L);
        m.setQueueOffset(42);
        m.setBodyCRC(UtilAll.crc32(body));
        m.setPropertiesString(properties);
        m.setVersion(topic.length() > 127 ? MessageVersion.MESSAGE_VERSION_V2 : MessageVersion.MESSAGE_VERSION_V1);
        // As CommitLog.asyncPutMessage does.
        if (bornIp.contains(":")) {
            m.setBornHostV6Flag();
        }
        if (storeIp.contains(":")) {
            m.setStoreHostAddressV6Flag();
        }
        MessageExtEncoder encoder = new MessageExtEncoder(1 << 20, new MessageStoreConfig());
        if (encoder.encode(m) != null) {
            throw new IllegalStateException("refused by the encoder");
        }
        ByteBuffer buffer = encoder.getEncoderBuffer();
        byte[] bytes = new byte[buffer.getInt(0)];
        buffer.get(0, bytes);
        // Physical offset and store timestamp as the append callback stamps them.
        long physicalOffset = 1_073_741_824L;
        ByteBuffer.wrap(bytes).putLong(28, physicalOffset);
        ByteBuffer.wrap(bytes).putLong(bornIp.contains(":") ? 68 : 56, m.getStoreTimestamp());
        out.print(row("encoder", Samples.hex(bytes), 3, -5, m.getSysFlag(), 42, physicalOffset, m.getBornTimestamp(),
            address(bornIp, 54321), m.getStoreTimestamp(), address(storeIp, 10911), 2, 7_000_000_000L, Samples.hex(body), topic,
            Samples.hex(properties)));
    }

    private static String address(String ip, int port) {
        return ip.contains(":") ? "[" + ip + "]:" + port : ip + ":" + port;
    }

    // body of the batch, then per message: flag, body, properties as name=value pairs in hex.
    private static void batches(PrintWriter out) throws Exception {
        for (int count : new int[] {1, 3, 20}) {
            List<Message> messages = new ArrayList<>();
            List<Object> columns = new ArrayList<>();
            for (int i = 0; i < count; ++i) {
                Message m = new Message("TopicTest", "TagA", "key" + i, ("body " + i).repeat(i).getBytes(StandardCharsets.UTF_8));
                m.setFlag(i * 1000);
                m.putUserProperty("user", UNICODE + i);
                messages.add(m);
                columns.add(m.getFlag());
                columns.add(Samples.hex(m.getBody()));
                columns.add(pairs(m.getProperties()));
            }
            columns.add(0, Samples.hex(MessageDecoder.encodeMessages(messages)));
            out.print(row(columns.toArray()));
        }
    }

    private static String pairs(Map<String, String> properties) {
        StringBuilder text = new StringBuilder();
        new TreeMap<>(properties).forEach((name, value) -> text.append(text.length() == 0 ? "" : ",").append(Samples.hex(name))
            .append('=').append(Samples.hex(value)));
        return text.length() == 0 ? "-" : text.toString();
    }

    // properties string, the pairs Java reads from it.
    private static void properties(PrintWriter out) {
        Map<String, String> map = new LinkedHashMap<>();
        map.put("KEYS", "a b");
        map.put("TAGS", "TagA");
        map.put("user", UNICODE);
        List<String> texts = new ArrayList<>(List.of(MessageDecoder.messageProperties2String(map), "", "a", "\u0001", "\u0002",
            "\u0001\u0002", "a\u0001", "a\u0001\u0002", "\u0001b\u0002", "a\u0001b", "a\u0001b\u0002", "a\u0001b\u0002a\u0001c\u0002",
            "a\u0001b\u0001c\u0002", "junk\u0002a\u0001b\u0002", "\u0002\u0002a\u0001b\u0002\u0002", "a\u0001b\u0002open\u0001v",
            "\u4e2d\u0001\u6587\u0002", "abc\u0002d\u0001\u0002e\u0001f"));
        for (String text : texts) {
            out.print(row(Samples.hex(text), pairs(MessageDecoder.string2messageProperties(text))));
        }
    }

    // kind, host or pid, offset, id.
    private static void ids(PrintWriter out) throws Exception {
        for (String ip : new String[] {"127.0.0.1", "255.254.253.252", "fe80:0:0:0:1:2:3:4"}) {
            for (long offset : new long[] {0, 1, 1_073_741_824L, Long.MAX_VALUE}) {
                out.print(row("offset", address(ip, 10911), offset,
                    MessageDecoder.createMessageId(new InetSocketAddress(InetAddress.getByName(ip), 10911), offset)));
            }
        }
        // Of the ids made by clients only the shape stays the same from run to run.
        String id = MessageClientIDSetter.createUniqID();
        String shape = id.matches("[0-9A-F]+") ? "upper_hex" : "other";
        String next = MessageClientIDSetter.createUniqID();
        String sameButCounter = next.substring(0, next.length() - 12).equals(id.substring(0, id.length() - 12)) ? "same_prefix" : "other";
        out.print(row("unique", shape, sameButCounter, id.length() == 32 || id.length() == 56 ? "32_or_56" : id.length()));
    }

    // bytes of a text, its hash.
    private static void hashes(PrintWriter out) {
        List<byte[]> texts = new ArrayList<>();
        for (String text : new String[] {"", "a", "TagA", "TagB", "polygenelubricants", UNICODE, "\u07ff\u0800\uffff\ud800\udc00\udbff\udfff"}) {
            texts.add(text.getBytes(StandardCharsets.UTF_8));
        }
        for (String malformed : new String[] {"ff", "c3", "c341", "e4b8", "e4b841", "eda080", "eda0bdedb880", "c080", "f0808080", "f4908080",
            "f09f98", "f09f9841", "f5808080", "80", "61ff62", "e0809f", "f8888080", "c1bf", "e4", "f0", "f09f", "bfbf", "eda0", "eda041", "ed9fbf",
            "ee8080", "edbfbf41", "efbfbd", "e28041", "f0904141", "f48fbfbf"}) {
            texts.add(Samples.bytes(malformed));
        }
        for (byte[] text : texts) {
            out.print(row(Samples.hex(text), new String(text, StandardCharsets.UTF_8).hashCode()));
        }
    }

    // kind, name in hex, verdict in hex; for system names yes or no.
    private static void names(PrintWriter out) {
        String[] names = {"", " ", "\t\n", "\u3000", "\u00a0", "TopicTest", "a b", "a.b", "a\u00e9", "%RETRY%g", "%DLQ%g", "%LMQ%q", "a+b", "-_|%",
            "a".repeat(119), "a".repeat(120), "a".repeat(121), "a".repeat(127), "a".repeat(128), "%RETRY%" + "a".repeat(248),
            "%RETRY%" + "a".repeat(249), "%DLQ%" + "a".repeat(250), "%DLQ%" + "a".repeat(251), "a".repeat(200) + "!", "topic\u0000"};
        for (String name : names) {
            out.print(row("topic", Samples.hex(name), Samples.hex(TopicValidator.validateTopic(name).getRemark())));
            out.print(row("group", Samples.hex(name), Samples.hex(TopicValidator.validateGroup(name).getRemark())));
        }
        List<String> known = new ArrayList<>(TopicValidator.getSystemTopicSet());
        known.sort(null);
        known.addAll(List.of("rmq_sys_x", "RMQ_SYS_x", "TopicTest", "%RETRY%g", "DefaultCluster"));
        for (String name : known) {
            out.print(row("system_topic", Samples.hex(name), TopicValidator.isSystemTopic(name)));
            out.print(row("send_forbidden", Samples.hex(name), TopicValidator.isNotAllowedSendTopic(name)));
        }
        for (String name : new String[] {"CID_RMQ_SYS_x", "CID_RMQ_SYS_TRANS", "TOOLS_CONSUMER", "DEFAULT_CONSUMER", "DEFAULT_PRODUCER",
            "SCHEDULE_CONSUMER", "FILTERSRV_CONSUMER", "__MONITOR_CONSUMER", "CLIENT_INNER_PRODUCER", "SELF_TEST_P_GROUP",
            "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY", "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER", "CID_ONSAPI_PULL", "CID_x", "g"}) {
            out.print(row("system_group", Samples.hex(name), MixAll.isSysConsumerGroup(name) || MixAll.isPredefinedGroup(name)));
        }
    }

    private static void versions(PrintWriter out) {
        for (MQVersion.Version version : MQVersion.Version.values()) {
            out.print(row(version.ordinal(), version));
        }
    }
}
