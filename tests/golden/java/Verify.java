import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageId;
import org.apache.rocketmq.remoting.CommandCustomHeader;
import org.apache.rocketmq.remoting.exception.RemotingCommandException;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Feeds MerlinMQ's bytes to Apache's decoders and compares with what Apache's own bytes decode to. */
public final class Verify {
    private static int checks = 0;
    private static int failures = 0;

    public static void main(String[] args) throws Exception {
        Path golden = Path.of(args[0]);
        Path ours = Path.of(args[1]);
        headers(golden.resolve("headers.tsv"), ours.resolve("headers.tsv"));
        commands(golden.resolve("commands.tsv"), ours.resolve("commands.tsv"));
        records(golden.resolve("records.tsv"), ours.resolve("records.tsv"));
        ids(ours.resolve("ids.tsv"));
        System.out.println(checks + " checks, " + failures + " failures");
        System.exit(failures == 0 ? 0 : 1);
    }

    private static void check(String what, Object expected, Object actual) {
        ++checks;
        if (!expected.equals(actual)) {
            ++failures;
            System.out.println(what + ": expected " + expected + " but was " + actual);
        }
    }

    private static List<String> lines(Path path) throws Exception {
        return Files.readAllLines(path, StandardCharsets.UTF_8);
    }

    private static RemotingCommand decode(String frameHex) throws Exception {
        byte[] frame = Samples.bytes(frameHex);
        ByteBuffer buffer = ByteBuffer.wrap(frame);
        check("frame length", frame.length - 4, buffer.getInt());
        return RemotingCommand.decode(buffer.slice());
    }

    private static String head(RemotingCommand c) {
        return c.getCode() + " " + c.getLanguage() + " " + c.getVersion() + " " + c.getOpaque() + " " + c.getFlag() + " "
            + (c.getRemark() == null ? "" : c.getRemark()) + " " + Samples.hex(c.getBody() == null ? new byte[0] : c.getBody());
    }

    private static Map<String, String> ext(RemotingCommand c) {
        return c.getExtFields() == null ? new TreeMap<>() : new TreeMap<>(c.getExtFields());
    }

    // Ours: name, form, frame. Every header class must decode from our bytes to the object that was encoded.
    private static void headers(Path golden, Path ours) throws Exception {
        Map<String, Class<? extends CommandCustomHeader>> classes = new HashMap<>();
        for (Class<? extends CommandCustomHeader> c : Samples.headerClasses()) {
            classes.put(c.getName().substring("org.apache.rocketmq.remoting.protocol.header.".length()), c);
        }
        List<String> mine = lines(ours);
        check("number of headers", lines(golden).size() * 2, mine.size());
        for (String line : mine) {
            String[] columns = line.split("\t");
            RemotingCommand command = decode(columns[2]);
            Class<? extends CommandCustomHeader> headerClass = classes.get(columns[0]);
            RemotingCommand expected = RemotingCommand.createRequestCommand(34, Samples.fill(headerClass));
            expected.makeCustomHeaderToNet();
            check(columns[0] + " " + columns[1] + " ext", ext(expected), ext(command));
            // What Java makes of its own fields; its fast decoders drop some, and a header that checks values may refuse the sample.
            RemotingCommand theirs;
            try {
                theirs = RemotingCommand.createRequestCommand(34, expected.decodeCommandCustomHeader(headerClass));
            } catch (RemotingCommandException e) {
                continue;
            }
            theirs.makeCustomHeaderToNet();
            RemotingCommand again = RemotingCommand.createRequestCommand(34, command.decodeCommandCustomHeader(headerClass));
            again.makeCustomHeaderToNet();
            check(columns[0] + " " + columns[1] + " header", ext(theirs), ext(again));
        }
    }

    // Ours: the frames of the golden commands written again, in the same order.
    private static void commands(Path golden, Path ours) throws Exception {
        List<String> theirs = lines(golden);
        List<String> mine = lines(ours);
        check("number of commands", theirs.size(), mine.size());
        for (int i = 0; i < theirs.size(); ++i) {
            String[] columns = theirs.get(i).split("\t");
            RemotingCommand expected = decode(columns[2]);
            RemotingCommand actual = decode(mine.get(i).split("\t")[0]);
            check(columns[0] + " head", head(expected), head(actual));
            check(columns[0] + " ext", ext(expected), ext(actual));
        }
    }

    private static void records(Path golden, Path ours) throws Exception {
        List<String> theirs = lines(golden);
        List<String> mine = lines(ours);
        check("number of records", theirs.size(), mine.size());
        for (int i = 0; i < theirs.size(); ++i) {
            String[] c = theirs.get(i).split("\t");
            // The sample says "compressed" and is not, so the body is taken as it stands.
            MessageExt m = MessageDecoder.decode(ByteBuffer.wrap(Samples.bytes(mine.get(i))), true, false, false, false, true);
            check("record decodes", true, m != null);
            if (m == null) {
                continue;
            }
            check("queue id", Integer.parseInt(c[2]), m.getQueueId());
            check("flag", Integer.parseInt(c[3]), m.getFlag());
            check("sysFlag", Integer.parseInt(c[4]), m.getSysFlag());
            check("queue offset", Long.parseLong(c[5]), m.getQueueOffset());
            check("physical offset", Long.parseLong(c[6]), m.getCommitLogOffset());
            check("born", Long.parseLong(c[7]), m.getBornTimestamp());
            check("stored", Long.parseLong(c[9]), m.getStoreTimestamp());
            check("body", c[13], Samples.hex(m.getBody() == null ? new byte[0] : m.getBody()));
            check("topic", c[14], m.getTopic());
            check("properties", MessageDecoder.string2messageProperties(new String(Samples.bytes(c.length > 15 ? c[15] : "-"), StandardCharsets.UTF_8)).entrySet(),
                m.getProperties() == null ? Map.of().entrySet() : m.getProperties().entrySet());
        }
    }

    // Ours: kind, host, offset, id.
    private static void ids(Path ours) throws Exception {
        for (String line : lines(ours)) {
            String[] c = line.split("\t");
            if (c[0].equals("offset")) {
                MessageId id = MessageDecoder.decodeMessageId(c[3]);
                check("id offset", Long.parseLong(c[2]), id.getOffset());
                check("id again", c[3], MessageDecoder.createMessageId(id.getAddress(), id.getOffset()));
            }
        }
    }
}
