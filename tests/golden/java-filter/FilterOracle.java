import java.io.PrintStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.rocketmq.broker.filter.MessageEvaluationContext;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.filter.SqlFilter;
import org.apache.rocketmq.filter.expression.Expression;

/**
 * What Apache's filter classes say of random expressions over random properties.
 *
 * A line is: expression, then either R (refused) or some columns of verdict and properties: T, F, N (null) or E (it
 * throws), a colon, and the properties as they stand in a record. Backslash, tab, line ends and the two separators are
 * escaped.
 */
public class FilterOracle {
    static final String[] NAMES = {"a", "b", "c", "d", "A", "_x", "$y", "TAGS", "longName", "order1", "n0", "E"};
    static final String[] WORDS = {"x", "y", "abc", "ab", "bc", "b", "it's", "''", "true", "TRUE", "false", "null", "中文",
        "中", "é", "😀", "a b", " ", "--", "/*", "(", "\n", "Abc", "x\u0001y", "0x", "NaN", "order"};
    static final String[] NUMBERS = {"0", "1", "2", "3", "5", "10", "42", "100", "007", "2147483647", "2147483648",
        "-2147483648", "-2147483649", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
        "-9223372036854775809", "1.5", "2.5", "-1.5", "0.0", "-0.0", "-0", "+5", "5.", ".5", "1e3", "1E+2", "1e-2", "1e400",
        "1e-400", "4.9E-324", "2e-324", "2.4703282292062328e-324", "1.7976931348623157E308", "1.7976931348623159E308",
        "NaN", "-NaN", "Infinity", "-Infinity", "+Infinity", "infinity", "1.5d", "1.5f", "2D", "3F", "5l", "5L", " 5 ",
        "\t7\n", "0x1p3", "0X1.8P1", "0x.8p0", "0x1.p2", "0x1p", "0x10", "0x1p2000", "0x1p-2000", "-0x1p3", "1e", "e1", ".",
        "-", "+", "--1", "1_000", "1,000", "５", "٣", "1٣", "9007199254740993", "0.1", "0.30000000000000004", "1e22", "1e23",
        "123456789012345678901234567890", "1.0000000000000002", "00000000000000000000000000001",
        "1000000000000000000000e-21", "0.00000000000000000000001e23", "16777217", "3.4028236e38", "5.0", "10.0"};
    static final String[] LITERALS = {"0", "1", "2", "3", "5", "10", "42", "100", "2147483647", "2147483648", "5L", "7l",
        "9223372036854775807", "1.5", "2.5", "5.", ".5", "1e3", "1E+2", "1e-2", "0.1", "9007199254740993", "5.0", "10.0",
        "4.9E-324", "1.7976931348623157E308", "1e22", "1e23", "9.007199254740993E15"};
    static final String[] BAD_LITERALS = {"0.0", "007", "0L", "1e400", "2e-324", "9223372036854775808", "1.2.3", "5x", "0x10",
        "1e", "''", "'", "\"a\"", "#", "!", "%", ".", "..", "1e+", "a.b", "a-b", "[1]", "?", ":p", "中", "LIKE", "==", "!=",
        "=<", "><", "--", "/*", "*/", "-- c\n", "/* c */", ";", "XPATH", "NOT", "IS", "IN", "(", ")", ",", "AND", "OR"};
    static final String[] KEYWORDS = {"NOT", "AND", "OR", "BETWEEN", "IN", "TRUE", "FALSE", "NULL", "IS", "CONTAINS",
        "STARTSWITH", "ENDSWITH"};

    final Random random;

    FilterOracle(long seed) {
        random = new Random(seed);
    }

    String pick(String[] of) {
        return of[random.nextInt(of.length)];
    }

    boolean chance(double p) {
        return random.nextDouble() < p;
    }

    String keyword(String word) {
        if (chance(0.85)) {
            return word;
        }
        StringBuilder out = new StringBuilder();
        for (char c : word.toCharArray()) {
            out.append(chance(0.5) ? Character.toLowerCase(c) : c);
        }
        return out.toString();
    }

    String blank() {
        if (chance(0.93)) {
            return " ";
        }
        return pick(new String[] {"", "  ", "\t", "\n", " /* c */ ", "/**/", " -- c\n", "\r\n", "\f", " /* ' */ "});
    }

    String text() {
        if (chance(0.3)) {
            return "'" + pick(NUMBERS) + "'";
        }
        return "'" + pick(WORDS).replace("'", "''") + "'";
    }

    String number() {
        String n = chance(0.8) ? pick(LITERALS) : Integer.toString(random.nextInt(20));
        return chance(0.15) ? "-" + n : n;
    }

    // An operand of =, <, BETWEEN and so on.
    String operand(int depth) {
        double p = random.nextDouble();
        if (p < 0.55) {
            return pick(NAMES);
        }
        if (p < 0.72) {
            return number();
        }
        if (p < 0.86) {
            return text();
        }
        if (p < 0.90) {
            return keyword(pick(new String[] {"TRUE", "FALSE", "TRUE", "NULL"}));
        }
        if (p < 0.93) {
            return pick(new String[] {"-", "+", "- ", "+ +", "-+"}) + operand(depth + 1);
        }
        if (p < 0.96 && depth < 4) {
            return "(" + operand(depth + 1) + ")";
        }
        return depth < 3 ? "(" + expression(depth + 1) + ")" : pick(NAMES);
    }

    String left(int depth) {
        return chance(0.8) ? pick(NAMES) : operand(depth);
    }

    String numeric(int depth) {
        double p = random.nextDouble();
        return p < 0.6 ? number() : p < 0.85 ? pick(NAMES) : operand(depth);
    }

    String not() {
        return chance(0.35) ? keyword("NOT") + blank() : "";
    }

    String test(int depth) {
        double p = random.nextDouble();
        String b = blank();
        if (p < 0.22) {
            return left(depth) + b + pick(new String[] {"=", "<>"}) + blank() + (chance(0.5) ? text() : operand(depth));
        }
        if (p < 0.44) {
            return left(depth) + b + pick(new String[] {">", ">=", "<", "<="}) + blank() + numeric(depth);
        }
        if (p < 0.56) {
            String low = numeric(depth);
            String high = chance(0.3) ? low + "0" : numeric(depth);
            return left(depth) + b + not() + keyword("BETWEEN") + " " + low + " " + keyword("AND") + " " + high;
        }
        if (p < 0.68) {
            StringBuilder out = new StringBuilder(left(depth) + b + not() + keyword("IN") + blank() + "(" + text());
            for (int i = random.nextInt(chance(0.2) ? 8 : 3); i > 0; i--) {
                out.append(",").append(blank()).append(text());
            }
            return out + ")";
        }
        if (p < 0.82) {
            return left(depth) + b + not() + keyword(pick(new String[] {"CONTAINS", "STARTSWITH", "ENDSWITH"})) + blank()
                + (chance(0.1) ? "''" : text());
        }
        if (p < 0.92) {
            return left(depth) + b + keyword("IS") + " " + not() + keyword("NULL");
        }
        if (p < 0.96) {
            return pick(NAMES);
        }
        return keyword(pick(new String[] {"TRUE", "FALSE", "NULL"}));
    }

    String expression(int depth) {
        double p = random.nextDouble();
        if (depth > 3 || p < 0.45) {
            return test(depth);
        }
        if (p < 0.65) {
            return expression(depth + 1) + " " + keyword("AND") + blank() + expression(depth + 1);
        }
        if (p < 0.82) {
            return expression(depth + 1) + " " + keyword("OR") + blank() + expression(depth + 1);
        }
        if (p < 0.90) {
            return keyword("NOT") + blank() + "(" + expression(depth + 1) + ")";
        }
        if (p < 0.93) {
            return keyword("NOT") + " " + test(depth + 1);
        }
        if (p < 0.96) {
            return test(depth) + " " + pick(new String[] {"=", "<>", "IS NULL =", "IS NOT NULL <>"}) + " " + test(depth);
        }
        return "(" + expression(depth + 1) + ")";
    }

    // Breaks it somewhere.
    String mutate(String text) {
        int at = random.nextInt(text.length() + 1);
        switch (random.nextInt(7)) {
            case 0:
                return text.substring(0, at);
            case 1:
                return text.substring(at);
            case 2:
                return text.substring(0, at) + pick(BAD_LITERALS) + text.substring(at);
            case 3:
                return text.substring(0, at) + " " + pick(BAD_LITERALS) + " " + text.substring(at);
            case 4:
                return text + pick(new String[] {" ", ""}) + pick(BAD_LITERALS);
            case 5: {
                int end = Math.min(text.length(), at + 1 + random.nextInt(4));
                return text.substring(0, at) + text.substring(end);
            }
            default:
                return text.substring(0, at) + " " + pick(KEYWORDS) + " " + text.substring(at);
        }
    }

    // A walk of random words, seldom right.
    String noise() {
        StringBuilder out = new StringBuilder();
        for (int i = 1 + random.nextInt(7); i > 0; i--) {
            double p = random.nextDouble();
            out.append(p < 0.3 ? pick(NAMES) : p < 0.6 ? pick(KEYWORDS) : p < 0.75 ? pick(BAD_LITERALS)
                : p < 0.85 ? number() : pick(new String[] {"=", "<>", "<", "(", ")", ",", "'x'", "-", "+"}));
            out.append(chance(0.8) ? " " : "");
        }
        return out.toString();
    }

    String someExpression() {
        double p = random.nextDouble();
        String text = p < 0.04 ? noise() : expression(chance(0.4) ? 2 : 0);
        return p > 0.86 ? mutate(text) : text;
    }

    String properties(String near) {
        Map<String, String> map = new TreeMap<>();
        for (String name : NAMES) {
            boolean used = near.contains(name);
            if (!chance(used ? 0.8 : 0.1)) {
                continue;
            }
            String value = chance(0.6) ? pick(NUMBERS) : pick(WORDS);
            if (chance(0.3)) {
                value = Integer.toString(random.nextInt(12));
            }
            // What stands in the expression is likely to match.
            int quote = near.indexOf('\'', random.nextInt(near.length() + 1));
            if (chance(0.45) && quote >= 0) {
                int end = near.indexOf('\'', quote + 1);
                if (end > quote + 1) {
                    value = near.substring(quote + 1, end);
                }
            }
            map.put(name, value);
        }
        String out = MessageDecoder.messageProperties2String(map);
        if (chance(0.03)) {
            out += "a\u0001" + pick(NUMBERS);
        }
        if (chance(0.02)) {
            out = pick(new String[] {"a", "\u0001x\u0002", "a\u0001\u0002", "\u0002\u0002", "b\u0002c\u0001"}) + out;
        }
        return out;
    }

    static String escape(String text) {
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").replace("\u0001", "\\1")
            .replace("\u0002", "\\2").replace("\f", "\\f");
    }

    static String verdict(Expression expression, String properties) {
        try {
            Object ret = expression.evaluate(new MessageEvaluationContext(MessageDecoder.string2messageProperties(properties)));
            return ret == null ? "N" : Boolean.TRUE.equals(ret) ? "T" : "F";
        } catch (Throwable e) {
            return "E";
        }
    }

    public static void main(String[] args) throws Exception {
        long seed = Long.parseLong(args[0]);
        int pairs = Integer.parseInt(args[1]);
        int each = Integer.parseInt(args[2]);
        FilterOracle oracle = new FilterOracle(seed);
        Map<String, Integer> counts = new TreeMap<>();
        try (PrintStream out = new PrintStream(args[3], "UTF-8")) {
            for (int n = 0; n < pairs;) {
                String text = oracle.someExpression();
                List<String> columns = new ArrayList<>();
                Expression expression = null;
                try {
                    expression = new SqlFilter().compile(text);
                } catch (Exception e) {
                    columns.add("R");
                    counts.merge("R", 1, Integer::sum);
                    n++;
                }
                for (int i = 0; expression != null && i < each; i++, n++) {
                    String properties = oracle.properties(text);
                    String verdict = verdict(expression, properties);
                    counts.merge(verdict, 1, Integer::sum);
                    columns.add(verdict + ":" + escape(properties));
                }
                out.print(escape(text) + "\t" + String.join("\t", columns) + "\n");
            }
        }
        System.out.println("seed " + seed + ": " + counts);
    }
}
