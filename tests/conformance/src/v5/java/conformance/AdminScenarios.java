package conformance;

final class AdminScenarios {
  private AdminScenarios() {}

  static void register(Suite suite) {}
}
