package conformance;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.remoting.CommandCustomHeader;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.ResponseCode;
import org.apache.rocketmq.remoting.protocol.header.ConsumerSendMsgBackRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.UpdateGroupForbiddenRequestHeader;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/** What operators see and set of retries and delays. */
final class RetryAdminScenarios {
  private RetryAdminScenarios() {}

  static void register(Suite suite) {
    suite.add("retry_as_the_group_says", RetryAdminScenarios::groupSettings);
    suite.add("retry_forbidden_topic", RetryAdminScenarios::forbidden);
    suite.add("delay_numbers", RetryAdminScenarios::numbers);
  }

  private static RemotingCommand call(Bed bed, int code, CommandCustomHeader header) throws Exception {
    return bed.api().getRemotingClient().invokeSync(bed.broker.addr(), RemotingCommand.createRequestCommand(code, header), Bed.CALL_MS);
  }

  private static RemotingCommand sendBack(Bed bed, String group, String topic, long offset, int level, Integer max)
      throws Exception {
    ConsumerSendMsgBackRequestHeader header = new ConsumerSendMsgBackRequestHeader();
    header.setGroup(group);
    header.setOriginTopic(topic);
    header.setOffset(offset);
    header.setDelayLevel(level);
    header.setMaxReconsumeTimes(max);
    return call(bed, RequestCode.CONSUMER_SEND_MSG_BACK, header);
  }

  /** Number of retry queues and of retries, and the refusals of one call. */
  private static void groupSettings(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String group = bed.name("G");
    SendResult sent = bed.producer().send(Mail.make(topic, "x"));
    long offset = MessageDecoder.decodeMessageId(sent.getOffsetMsgId()).getOffset();
    RemotingCommand refused = sendBack(bed, group, topic, 987_654_321_098L, 0, null);
    Check.equal(ResponseCode.SYSTEM_ERROR, refused.getCode(), "code of a message that is not there");
    Check.equal("look message by offset failed, 987654321098", refused.getRemark(), "remark");

    SubscriptionGroupConfig config = new SubscriptionGroupConfig();
    config.setGroupName(group);
    config.setRetryMaxTimes(0);
    bed.api().createSubscriptionGroup(bed.broker.addr(), config, Bed.CALL_MS);
    Check.equal(ResponseCode.SUCCESS, sendBack(bed, group, topic, offset, 1, null).getCode(), "given back, never retried");
    Check.settles(75_000, () -> Check.equal(1, bed.readAll("%DLQ%" + group).size(), "dead letters"));
    Check.equal(ResponseCode.SUCCESS, sendBack(bed, group, topic, offset, 1, 5).getCode(), "given back, the caller allows 5");
    Check.settles(75_000, () -> Check.equal(1, bed.readAll("%RETRY%" + group).size(), "retries"));
    config.setRetryQueueNums(0);
    bed.api().createSubscriptionGroup(bed.broker.addr(), config, Bed.CALL_MS);
    Check.equal(ResponseCode.SUCCESS, sendBack(bed, group, topic, offset, 1, null).getCode(), "given back without retry queues");
    Thread.sleep(1_500);
    Check.equal(1, bed.readAll("%DLQ%" + group).size(), "dead letters afterwards");
    Check.equal(1, bed.readAll("%RETRY%" + group).size(), "retries afterwards");
  }

  private static RemotingCommand forbid(Bed bed, String group, String topic, Boolean readable) throws Exception {
    UpdateGroupForbiddenRequestHeader header = new UpdateGroupForbiddenRequestHeader();
    header.setGroup(group);
    header.setTopic(topic);
    header.setReadable(readable);
    RemotingCommand answer = call(bed, RequestCode.UPDATE_AND_GET_GROUP_FORBIDDEN, header);
    Check.equal(ResponseCode.SUCCESS, answer.getCode(), "code");
    return answer;
  }

  private static void forbidden(Bed bed) throws Exception {
    String topic = bed.topic(1);
    String group = bed.name("G");
    bed.producer().send(Mail.make(topic, "x"));
    String state = new String(forbid(bed, group, topic, null).getBody(), StandardCharsets.UTF_8);
    Check.equal("{\"group\":\"" + group + "\",\"readable\":true,\"topic\":\"" + topic + "\"}", state, "state");
    state = new String(forbid(bed, group, topic, false).getBody(), StandardCharsets.UTF_8);
    Check.that(state.contains("\"readable\":false"), "%s", state);
    // Consumers that bring their own subscription with each pull are not asked for.
    Inbox inbox = new Inbox();
    PushScenarios.start(bed, group, topic, "*", inbox);
    Check.that(!inbox.awaitSize(1, 4_000), "a forbidden topic was delivered");
    forbid(bed, group, topic, true);
    Check.that(inbox.awaitSize(1, 30_000), "nothing was delivered when it was allowed again");
  }

  private static void numbers(Bed bed) throws Exception {
    String topic = bed.topic(1);
    DefaultMQProducer producer = bed.producer();
    Message message = Mail.make(topic, "x");
    message.setDelayTimeLevel(1);
    producer.send(message);
    Check.settles(20_000, () -> Check.equal(1, bed.readAll(topic).size(), "delivered"));
    Check.settles(20_000, () -> {
      Map<String, String> table = bed.api().getBrokerRuntimeInfo(bed.broker.addr(), Bed.CALL_MS).getTable();
      String[] numbers = String.valueOf(table.get("scheduleMessageOffset_1")).split(",");
      Check.equal(2, numbers.length, "numbers of level 1");
      Check.that(Long.parseLong(numbers[0]) >= 1 && numbers[0].equals(numbers[1]), "%s delivered of %s", numbers[0], numbers[1]);
    });
    RemotingCommand offsets = call(bed, RequestCode.GET_ALL_DELAY_OFFSET, null);
    Check.equal(ResponseCode.SUCCESS, offsets.getCode(), "code");
    String text = new String(offsets.getBody(), StandardCharsets.UTF_8);
    Check.that(text.contains("\"offsetTable\":{") && text.contains("1:"), "%s", text);
  }
}
