package upstream;

import java.lang.reflect.InvocationTargetException;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.function.BiConsumer;
import org.apache.rocketmq.common.MixAll;
import org.mockito.Mockito;

/** Configuration objects whose setters, once a server runs, also tell the server. */
final class RemoteConfig {
  private static final Map<Object, Object> PLAIN = Collections.synchronizedMap(new IdentityHashMap<>());

  private RemoteConfig() {}

  /** An object of the same class that works on the original, and passes on what a setter was given: property name and value. */
  static <T> T watched(T original, Class<T> type, BiConsumer<String, String> onSet) {
    T target = plain(original);
    T watched = Mockito.mock(type, Mockito.withSettings().stubOnly().defaultAnswer(call -> {
      Object result;
      try {
        result = call.getMethod().invoke(target, call.getArguments());
      } catch (InvocationTargetException e) {
        throw e.getCause();
      }
      String name = call.getMethod().getName();
      if (name.startsWith("set") && call.getArguments().length == 1) {
        onSet.accept(Character.toLowerCase(name.charAt(3)) + name.substring(4), String.valueOf((Object) call.getArgument(0)));
      }
      return result;
    }));
    PLAIN.put(watched, target);
    return watched;
  }

  /** The original behind a watched object; any other object is its own original. */
  @SuppressWarnings("unchecked")
  static <T> T plain(T config) {
    return (T) PLAIN.getOrDefault(config, config);
  }

  /** What differs from the defaults, as lines of a properties file want it. */
  static Properties changes(Object config, Object defaults) {
    Properties result = new Properties();
    Properties usual = MixAll.object2Properties(defaults);
    MixAll.object2Properties(plain(config)).forEach((key, value) -> {
      if (!value.equals(usual.get(key))) {
        result.put(key, value);
      }
    });
    return result;
  }
}
