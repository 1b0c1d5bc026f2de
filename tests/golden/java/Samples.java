import java.io.File;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import org.apache.rocketmq.common.BoundaryType;
import org.apache.rocketmq.remoting.CommandCustomHeader;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** What writing and verifying share: the header classes and how a sample of each is filled. */
final class Samples {
    static final HexFormat HEX = HexFormat.of();

    static String hex(byte[] bytes) {
        return bytes.length == 0 ? "-" : HEX.formatHex(bytes);
    }

    static String hex(String text) {
        return text == null ? "-" : hex(text.getBytes(StandardCharsets.UTF_8));
    }

    static byte[] bytes(String hex) {
        return hex.equals("-") ? new byte[0] : HEX.parseHex(hex);
    }

    /** All custom headers of the remoting jar that can be made without arguments, by name. */
    static List<Class<? extends CommandCustomHeader>> headerClasses() throws Exception {
        File jar = new File(RemotingCommand.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        List<String> names = new ArrayList<>();
        try (JarFile file = new JarFile(jar)) {
            for (JarEntry entry : Collections.list(file.entries())) {
                String name = entry.getName();
                if (name.startsWith("org/apache/rocketmq/remoting/protocol/header/") && name.endsWith(".class") && !name.contains("$")) {
                    names.add(name.substring(0, name.length() - 6).replace('/', '.'));
                }
            }
        }
        Collections.sort(names);
        List<Class<? extends CommandCustomHeader>> classes = new ArrayList<>();
        for (String name : names) {
            Class<?> c = Class.forName(name);
            if (!CommandCustomHeader.class.isAssignableFrom(c) || Modifier.isAbstract(c.getModifiers()) || c.isInterface()) {
                continue;
            }
            try {
                c.getDeclaredConstructor();
            } catch (NoSuchMethodException e) {
                continue;
            }
            classes.add(c.asSubclass(CommandCustomHeader.class));
        }
        return classes;
    }

    /** One with every field set that has a type the protocol knows. */
    static CommandCustomHeader fill(Class<? extends CommandCustomHeader> headerClass) throws Exception {
        CommandCustomHeader header = headerClass.getDeclaredConstructor().newInstance();
        TreeMap<String, Field> fields = new TreeMap<>();
        for (Class<?> c = headerClass; c != Object.class; c = c.getSuperclass()) {
            for (Field f : c.getDeclaredFields()) {
                if (!Modifier.isStatic(f.getModifiers())) {
                    fields.putIfAbsent(f.getName(), f);
                }
            }
        }
        int i = 0;
        for (Map.Entry<String, Field> entry : fields.entrySet()) {
            Field f = entry.getValue();
            f.setAccessible(true);
            ++i;
            Class<?> type = f.getType();
            if (type == String.class) {
                f.set(header, "v" + i + "_" + f.getName());
            } else if (type == Integer.class || type == int.class) {
                f.set(header, 1000 + i);
            } else if (type == Long.class || type == long.class) {
                f.set(header, 4_000_000_000L + i);
            } else if (type == Boolean.class || type == boolean.class) {
                f.set(header, i % 2 == 0);
            } else if (type == Double.class || type == double.class) {
                f.set(header, 0.5 + i);
            } else if (type == BoundaryType.class) {
                f.set(header, BoundaryType.UPPER);
            }
        }
        return header;
    }
}
