package conformance;

import java.util.LinkedHashMap;
import java.util.Map;

/** The named scenarios in the order they run. */
final class Suite {
  interface Scenario {
    void run(Bed bed) throws Exception;
  }

  final Map<String, Scenario> scenarios = new LinkedHashMap<>();

  void add(String name, Scenario scenario) {
    if (scenarios.put(name, scenario) != null) {
      throw new IllegalStateException("two scenarios named " + name);
    }
  }

  final Map<String, Scenario> preparations = new LinkedHashMap<>();

  /** Done before the first scenario when the named one is going to run. */
  void prepare(String name, Scenario preparation) {
    preparations.put(name, preparation);
  }

  static Suite all() {
    Suite suite = new Suite();
    SendScenarios.register(suite);
    PushScenarios.register(suite);
    OrderScenarios.register(suite);
    PullScenarios.register(suite);
    QueryScenarios.register(suite);
    ClientScenarios.register(suite);
    Release.register(suite);
    RestartScenarios.register(suite);
    RetryScenarios.register(suite);
    ClusterScenarios.register(suite);
    LightScenarios.register(suite);
    RetentionScenarios.register(suite);
    ReplyScenarios.register(suite);
    GroupScenarios.register(suite);
    TraceScenarios.register(suite);
    FilterScenarios.register(suite);
    return suite;
  }
}
