package conformance;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** What the members of the chaos rig wrote down, and what follows: what is lost, what came twice and why, what came out of order. */
final class ChaosJournal {
  /** After a change of members or brokers, so long queues may still move. */
  private static final long UNREST_NS = 40_000_000_000L;
  /** Clients commit every second, brokers write every second (both are configured); the rest is a busy machine's. */
  private static final long BACK_MAX_NS = 15_000_000_000L;

  record Place(String topic, String broker, int queue, long offset) {
    String line() {
      return topic + " " + broker + ":" + queue;
    }
  }

  record Delivery(String member, Place place, long number, int again, long begin, long end) {}

  /** What the rig did: kind is killed, stopped, left, joined; who a broker, a member or the name server. */
  record Event(String kind, String who, long from, long to) {}

  final Map<Place, Long> acknowledged = new HashMap<>();
  final Map<Place, List<Delivery>> deliveries = new HashMap<>();
  final List<Event> events = new ArrayList<>();
  final List<String> problems = new ArrayList<>();
  final Map<String, Integer> causes = new TreeMap<>();
  final Map<String, Long> longestBack = new TreeMap<>();
  private final Map<String, Integer> refused = new HashMap<>();
  int tries;

  void read(String member, List<String> lines) {
    for (String line : lines) {
      String[] word = line.split(" ");
      switch (word[0]) {
        case "sent" -> {
          acknowledged.put(place(word), Long.parseLong(word[5]));
          tries += Integer.parseInt(word[6]);
        }
        case "refused" -> refused.merge(key(word[1], word[3], Long.parseLong(word[2])), 1, Integer::sum);
        case "got" -> {
          // The last line of a killed process may be half a line.
          if (word.length == 9) {
            Delivery d = new Delivery(member, place(word), Long.parseLong(word[5]), Integer.parseInt(word[6]), Long.parseLong(word[7]),
                Long.parseLong(word[8]));
            deliveries.computeIfAbsent(d.place, p -> new ArrayList<>()).add(d);
          }
        }
        case "wrong" -> problems.add(member + ": " + line);
        default -> {}
      }
    }
  }

  private static Place place(String[] word) {
    return new Place(word[1], word[2], Integer.parseInt(word[3]), Long.parseLong(word[4]));
  }

  /** Numbers of ordered messages count within their queue. */
  private static String key(String topic, String where, long number) {
    return topic + " " + where + " " + number;
  }

  private static String key(Place place, long number) {
    return key(place.topic, place.topic.equals(ChaosMember.ORDERED) ? place.broker + ":" + place.queue : "-", number);
  }

  List<Place> missing() {
    return acknowledged.keySet().stream().filter(place -> !deliveries.containsKey(place)).toList();
  }

  void judge() {
    for (Place place : missing()) {
      problem("lost: acknowledged, never delivered: " + place);
    }
    Map<String, Set<Place>> copies = new HashMap<>();
    deliveries.forEach((place, list) -> {
      list.sort(Comparator.comparingLong(Delivery::begin));
      Delivery first = list.get(0);
      copies.computeIfAbsent(key(place, first.number), k -> new HashSet<>()).add(place);
      Long sent = acknowledged.get(place);
      if (list.stream().anyMatch(d -> d.number != first.number) || sent != null && sent != first.number) {
        problem("another message than before at " + place);
      }
      for (int i = 1; i < list.size(); i++) {
        explain(list.get(i - 1), list.get(i));
      }
    });
    copies.forEach((key, places) -> {
      for (int extra = 1; extra < places.size(); extra++) {
        // Each copy beyond the first needs a try whose answer never came.
        boolean good = extra <= refused.getOrDefault(key, 0);
        count(good ? "stored twice: the producer had no answer and sent again" : "UNEXPLAINED second copy", 0);
        if (!good) {
          problem("stored twice without a second try: " + key + " at " + places);
        }
      }
    });
    order();
  }

  private void problem(String text) {
    if (problems.size() < 50) {
      problems.add(text);
    }
  }

  private void count(String cause, long backNs) {
    causes.merge(cause, 1, Integer::sum);
    longestBack.merge(cause, backNs, Math::max);
  }

  private Event between(String kind, String who, long from, long to) {
    return events.stream().filter(e -> e.kind.equals(kind) && (who == null || e.who.equals(who)) && e.from <= to && e.to >= from).findFirst()
        .orElse(null);
  }

  private boolean unrest(long from, long to) {
    return events.stream().anyMatch(e -> e.from <= to && e.to >= from - UNREST_NS);
  }

  /** Why a place was delivered again: what kept the offset behind the first delivery from being committed or kept. */
  private void explain(Delivery first, Delivery again) {
    String broker = first.place.broker;
    String cause;
    long back = again.begin - first.end;
    Event event;
    if (again.again > first.again) {
      cause = "given back by the consumer";
    } else if ((event = between("killed", first.member, first.end, again.begin)) != null) {
      cause = "its consumer was killed before it committed";
      back = event.from - first.end;
    } else if ((event = between("killed", broker, first.end, again.begin)) != null) {
      cause = "the broker was killed before it wrote the offset";
      back = event.from - first.end;
    } else if ((event = between("stopped", broker, first.end, again.begin)) != null) {
      cause = "the broker stopped before the offset was committed";
      back = event.from - first.end;
    } else if ((event = between("left", first.member, first.end, again.begin)) != null) {
      cause = "its consumer left before it committed";
      back = event.from - first.end;
    } else if (!first.member.equals(again.member) && unrest(first.end, again.begin)) {
      cause = "the queue moved to another consumer before the offset was committed";
    } else if (first.member.equals(again.member) && unrest(first.end, again.begin)) {
      cause = "the queue left its consumer and came back before the offset was committed";
    } else {
      cause = "UNEXPLAINED";
      problem("delivered again without a cause: " + first + " then " + again);
    }
    count((first.place.topic.equals(ChaosMember.ORDERED) ? "ordered: " : "plain: ") + cause, Math.max(back, 0));
    if (back > BACK_MAX_NS) {
      problem(String.format(Locale.ROOT, "the offset went back by %.1f s (%s): %s", back / 1e9, cause, again));
    }
  }

  /** Of each ordered queue: new offsets come one by one, numbers as they were sent, never two at once. */
  private void order() {
    Map<String, List<Delivery>> queues = new TreeMap<>();
    deliveries.forEach((place, list) -> {
      if (place.topic.equals(ChaosMember.ORDERED)) {
        queues.computeIfAbsent(place.line(), q -> new ArrayList<>()).addAll(list);
      }
    });
    queues.forEach((queue, list) -> {
      list.sort(Comparator.comparingLong(Delivery::begin));
      long newest = -1;
      long number = 0;
      Delivery before = null;
      for (Delivery d : list) {
        if (d.place.offset > newest + 1) {
          problem("out of order: offset " + d.place.offset + " of " + queue + " when " + newest + " was the newest");
        }
        if (d.place.offset > newest) {
          newest = d.place.offset;
          if (d.number < number) {
            problem("numbers of " + queue + " go down: " + d.number + " behind " + number + " at offset " + newest);
          }
          number = d.number;
        }
        if (before != null && d.begin < before.end && !d.member.equals(before.member)) {
          overlap(before, d);
        }
        before = before == null || d.end > before.end ? d : before;
      }
    });
  }

  /** Locks are in the memory of a broker: after its end, the one who had the queue does not know yet when another gets it. */
  private void overlap(Delivery one, Delivery other) {
    long from = other.begin - UNREST_NS;
    boolean brokerEnded = between("killed", one.place.broker, from, other.begin) != null
        || between("stopped", one.place.broker, from, other.begin) != null;
    count(brokerEnded ? "ordered: in two hands at once after its broker, which kept the lock, came back" : "UNEXPLAINED: in two hands at once", 0);
    if (!brokerEnded) {
      problem("a queue in two hands at once: " + one + " and " + other);
    }
  }
}
