package conformance;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

/** Free ports of 127.0.0.1 below the range that the kernel gives to outgoing connections. */
final class Ports {
  private static final int LOWEST = 11000;
  private static final int HIGHEST = 30000;
  private static final Set<Integer> GIVEN = new HashSet<>();

  private Ports() {}

  /** A port of which every port + offset is free. Brokers also need -2 (the VIP channel) and +1 (replication). */
  static synchronized int pick(int... offsets) {
    for (int attempt = 0; attempt < 2000; attempt++) {
      int port = ThreadLocalRandom.current().nextInt(LOWEST, HIGHEST);
      if (allFree(port, offsets)) {
        for (int offset : offsets) {
          GIVEN.add(port + offset);
        }
        return port;
      }
    }
    throw new IllegalStateException("no free port between " + LOWEST + " and " + HIGHEST);
  }

  private static boolean allFree(int port, int[] offsets) {
    for (int offset : offsets) {
      if (GIVEN.contains(port + offset) || !free(port + offset)) {
        return false;
      }
    }
    return true;
  }

  private static boolean free(int port) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  static boolean accepts(int port) {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 300);
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
