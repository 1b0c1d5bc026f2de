// Every request code that RocketMQ clients, tools, brokers and controllers send, in one table: number, name, who
// answers. Handlers join by number (rpc/row.h); a code without a handler is answered 3 REQUEST_CODE_NOT_SUPPORTED, on
// purpose: the test `request_codes_accounted_for` compares this table with the rows of both programs and the list of
// planned ones.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace merlin::wire {

enum class Answerer : uint8_t { broker, namesrv, client, controller, container, nobody };

struct RequestCodeRow {
  int32_t code;
  std::string_view name;
  Answerer answerer;
};

namespace request_code {
inline constexpr int32_t send_message = 10;
inline constexpr int32_t pull_message = 11;
inline constexpr int32_t query_message = 12;
inline constexpr int32_t query_broker_offset = 13;
inline constexpr int32_t query_consumer_offset = 14;
inline constexpr int32_t update_consumer_offset = 15;
inline constexpr int32_t update_and_create_topic = 17;
inline constexpr int32_t update_and_create_topic_list = 18;
inline constexpr int32_t get_all_topic_config = 21;
inline constexpr int32_t get_topic_config_list = 22;
inline constexpr int32_t get_topic_name_list = 23;
inline constexpr int32_t update_broker_config = 25;
inline constexpr int32_t get_broker_config = 26;
inline constexpr int32_t trigger_delete_files = 27;
inline constexpr int32_t get_broker_runtime_info = 28;
inline constexpr int32_t search_offset_by_timestamp = 29;
inline constexpr int32_t get_max_offset = 30;
inline constexpr int32_t get_min_offset = 31;
inline constexpr int32_t get_earliest_msg_storetime = 32;
inline constexpr int32_t view_message_by_id = 33;
inline constexpr int32_t heart_beat = 34;
inline constexpr int32_t unregister_client = 35;
inline constexpr int32_t consumer_send_msg_back = 36;
inline constexpr int32_t end_transaction = 37;
inline constexpr int32_t get_consumer_list_by_group = 38;
inline constexpr int32_t check_transaction_state = 39;
inline constexpr int32_t notify_consumer_ids_changed = 40;
inline constexpr int32_t lock_batch_mq = 41;
inline constexpr int32_t unlock_batch_mq = 42;
inline constexpr int32_t get_all_consumer_offset = 43;
inline constexpr int32_t get_all_delay_offset = 45;
inline constexpr int32_t check_client_config = 46;
inline constexpr int32_t get_client_config = 47;
inline constexpr int32_t pop = 50;
inline constexpr int32_t ack = 51;
inline constexpr int32_t get_broker_cluster_acl_info = 52;
inline constexpr int32_t update_global_white_addrs_config = 53;
inline constexpr int32_t get_timer_check_point = 60;
inline constexpr int32_t get_timer_metrics = 61;
inline constexpr int32_t put_kv_config = 100;
inline constexpr int32_t get_kv_config = 101;
inline constexpr int32_t delete_kv_config = 102;
inline constexpr int32_t register_broker = 103;
inline constexpr int32_t unregister_broker = 104;
inline constexpr int32_t get_routeinfo_by_topic = 105;
inline constexpr int32_t get_broker_cluster_info = 106;
inline constexpr int32_t update_and_create_subscriptiongroup = 200;
inline constexpr int32_t get_all_subscriptiongroup_config = 201;
inline constexpr int32_t get_topic_stats_info = 202;
inline constexpr int32_t get_consumer_connection_list = 203;
inline constexpr int32_t get_producer_connection_list = 204;
inline constexpr int32_t wipe_write_perm_of_broker = 205;
inline constexpr int32_t get_all_topic_list_from_nameserver = 206;
inline constexpr int32_t delete_subscriptiongroup = 207;
inline constexpr int32_t get_consume_stats = 208;
inline constexpr int32_t suspend_consumer = 209;
inline constexpr int32_t resume_consumer = 210;
inline constexpr int32_t reset_consumer_offset_in_consumer = 211;
inline constexpr int32_t reset_consumer_offset_in_broker = 212;
inline constexpr int32_t adjust_consumer_thread_pool = 213;
inline constexpr int32_t who_consume_the_message = 214;
inline constexpr int32_t delete_topic_in_broker = 215;
inline constexpr int32_t delete_topic_in_namesrv = 216;
inline constexpr int32_t register_topic_in_namesrv = 217;
inline constexpr int32_t get_kvlist_by_namespace = 219;
inline constexpr int32_t reset_consumer_client_offset = 220;
inline constexpr int32_t get_consumer_status_from_client = 221;
inline constexpr int32_t invoke_broker_to_reset_offset = 222;
inline constexpr int32_t invoke_broker_to_get_consumer_status = 223;
inline constexpr int32_t get_topics_by_cluster = 224;
inline constexpr int32_t update_and_create_subscriptiongroup_list = 225;
inline constexpr int32_t query_topic_consume_by_who = 300;
inline constexpr int32_t register_filter_server = 301;
inline constexpr int32_t register_message_filter_class = 302;
inline constexpr int32_t query_consume_time_span = 303;
inline constexpr int32_t get_system_topic_list_from_ns = 304;
inline constexpr int32_t get_system_topic_list_from_broker = 305;
inline constexpr int32_t clean_expired_consumequeue = 306;
inline constexpr int32_t get_consumer_running_info = 307;
inline constexpr int32_t query_correction_offset = 308;
inline constexpr int32_t consume_message_directly = 309;
inline constexpr int32_t send_message_v2 = 310;
inline constexpr int32_t get_unit_topic_list = 311;
inline constexpr int32_t get_has_unit_sub_topic_list = 312;
inline constexpr int32_t get_has_unit_sub_ununit_topic_list = 313;
inline constexpr int32_t clone_group_offset = 314;
inline constexpr int32_t view_broker_stats_data = 315;
inline constexpr int32_t clean_unused_topic = 316;
inline constexpr int32_t get_broker_consume_stats = 317;
inline constexpr int32_t update_namesrv_config = 318;
inline constexpr int32_t get_namesrv_config = 319;
inline constexpr int32_t send_batch_message = 320;
inline constexpr int32_t query_consume_queue = 321;
inline constexpr int32_t query_data_version = 322;
inline constexpr int32_t resume_check_half_message = 323;
inline constexpr int32_t send_reply_message = 324;
inline constexpr int32_t send_reply_message_v2 = 325;
inline constexpr int32_t push_reply_message_to_client = 326;
inline constexpr int32_t add_write_perm_of_broker = 327;
inline constexpr int32_t get_all_producer_info = 328;
inline constexpr int32_t delete_expired_commitlog = 329;
inline constexpr int32_t query_topics_by_consumer = 343;
inline constexpr int32_t query_subscription_by_consumer = 345;
inline constexpr int32_t get_topic_config = 351;
inline constexpr int32_t get_subscriptiongroup_config = 352;
inline constexpr int32_t update_and_get_group_forbidden = 353;
inline constexpr int32_t check_rocksdb_cq_write_progress = 354;
inline constexpr int32_t export_rocksdb_config_to_json = 355;
inline constexpr int32_t lite_pull_message = 361;
inline constexpr int32_t recall_message = 370;
inline constexpr int32_t query_assignment = 400;
inline constexpr int32_t set_message_request_mode = 401;
inline constexpr int32_t get_all_message_request_mode = 402;
inline constexpr int32_t update_and_create_static_topic = 513;
inline constexpr int32_t get_broker_member_group = 901;
inline constexpr int32_t add_broker = 902;
inline constexpr int32_t remove_broker = 903;
inline constexpr int32_t broker_heartbeat = 904;
inline constexpr int32_t notify_min_broker_id_change = 905;
inline constexpr int32_t exchange_broker_ha_info = 906;
inline constexpr int32_t get_broker_ha_status = 907;
inline constexpr int32_t reset_master_flush_offset = 908;
inline constexpr int32_t controller_alter_sync_state_set = 1001;
inline constexpr int32_t controller_elect_master = 1002;
inline constexpr int32_t controller_register_broker = 1003;
inline constexpr int32_t controller_get_replica_info = 1004;
inline constexpr int32_t controller_get_metadata_info = 1005;
inline constexpr int32_t controller_get_sync_state_data = 1006;
inline constexpr int32_t get_broker_epoch_cache = 1007;
inline constexpr int32_t notify_broker_role_changed = 1008;
inline constexpr int32_t update_controller_config = 1009;
inline constexpr int32_t get_controller_config = 1010;
inline constexpr int32_t clean_broker_data = 1011;
inline constexpr int32_t controller_get_next_broker_id = 1012;
inline constexpr int32_t controller_apply_broker_id = 1013;
inline constexpr int32_t broker_close_channel_request = 1014;
inline constexpr int32_t check_not_active_broker_request = 1015;
inline constexpr int32_t get_broker_live_info_request = 1016;
inline constexpr int32_t get_sync_state_data_request = 1017;
inline constexpr int32_t raft_broker_heart_beat_event_request = 1018;
inline constexpr int32_t update_cold_data_flow_ctr_config = 2001;
inline constexpr int32_t remove_cold_data_flow_ctr_config = 2002;
inline constexpr int32_t get_cold_data_flow_ctr_info = 2003;
inline constexpr int32_t set_commitlog_read_mode = 2004;
inline constexpr int32_t auth_create_user = 3001;
inline constexpr int32_t auth_update_user = 3002;
inline constexpr int32_t auth_delete_user = 3003;
inline constexpr int32_t auth_get_user = 3004;
inline constexpr int32_t auth_list_user = 3005;
inline constexpr int32_t auth_create_acl = 3006;
inline constexpr int32_t auth_update_acl = 3007;
inline constexpr int32_t auth_delete_acl = 3008;
inline constexpr int32_t auth_get_acl = 3009;
inline constexpr int32_t auth_list_acl = 3010;
inline constexpr int32_t switch_timer_engine = 5001;
inline constexpr int32_t pop_message = 200050;
inline constexpr int32_t ack_message = 200051;
inline constexpr int32_t peek_message = 200052;
inline constexpr int32_t change_message_invisibletime = 200053;
inline constexpr int32_t notification = 200054;
inline constexpr int32_t polling_info = 200055;
inline constexpr int32_t pop_rollback = 200056;
inline constexpr int32_t pop_lite_message = 200070;
inline constexpr int32_t lite_subscription_ctl = 200071;
inline constexpr int32_t ack_lite_message = 200072;
inline constexpr int32_t notify_unsubscribe_lite = 200073;
inline constexpr int32_t get_broker_lite_info = 200074;
inline constexpr int32_t get_parent_topic_info = 200075;
inline constexpr int32_t get_lite_topic_info = 200076;
inline constexpr int32_t get_lite_client_info = 200077;
inline constexpr int32_t get_lite_group_info = 200078;
inline constexpr int32_t trigger_lite_dispatch = 200079;
inline constexpr int32_t batch_ack_message = 200151;
}  // namespace request_code

inline constexpr RequestCodeRow request_codes[] = {
    {10, "SEND_MESSAGE", Answerer::broker},
    {11, "PULL_MESSAGE", Answerer::broker},
    {12, "QUERY_MESSAGE", Answerer::broker},
    {13, "QUERY_BROKER_OFFSET", Answerer::nobody},
    {14, "QUERY_CONSUMER_OFFSET", Answerer::broker},
    {15, "UPDATE_CONSUMER_OFFSET", Answerer::broker},
    {17, "UPDATE_AND_CREATE_TOPIC", Answerer::broker},
    {18, "UPDATE_AND_CREATE_TOPIC_LIST", Answerer::broker},
    {21, "GET_ALL_TOPIC_CONFIG", Answerer::broker},
    {22, "GET_TOPIC_CONFIG_LIST", Answerer::nobody},
    {23, "GET_TOPIC_NAME_LIST", Answerer::nobody},
    {25, "UPDATE_BROKER_CONFIG", Answerer::broker},
    {26, "GET_BROKER_CONFIG", Answerer::broker},
    {27, "TRIGGER_DELETE_FILES", Answerer::nobody},
    {28, "GET_BROKER_RUNTIME_INFO", Answerer::broker},
    {29, "SEARCH_OFFSET_BY_TIMESTAMP", Answerer::broker},
    {30, "GET_MAX_OFFSET", Answerer::broker},
    {31, "GET_MIN_OFFSET", Answerer::broker},
    {32, "GET_EARLIEST_MSG_STORETIME", Answerer::broker},
    {33, "VIEW_MESSAGE_BY_ID", Answerer::broker},
    {34, "HEART_BEAT", Answerer::broker},
    {35, "UNREGISTER_CLIENT", Answerer::broker},
    {36, "CONSUMER_SEND_MSG_BACK", Answerer::broker},
    {37, "END_TRANSACTION", Answerer::broker},
    {38, "GET_CONSUMER_LIST_BY_GROUP", Answerer::broker},
    {39, "CHECK_TRANSACTION_STATE", Answerer::client},
    {40, "NOTIFY_CONSUMER_IDS_CHANGED", Answerer::client},
    {41, "LOCK_BATCH_MQ", Answerer::broker},
    {42, "UNLOCK_BATCH_MQ", Answerer::broker},
    {43, "GET_ALL_CONSUMER_OFFSET", Answerer::broker},
    {45, "GET_ALL_DELAY_OFFSET", Answerer::broker},
    {46, "CHECK_CLIENT_CONFIG", Answerer::broker},
    {47, "GET_CLIENT_CONFIG", Answerer::nobody},
    {50, "POP", Answerer::broker},
    {51, "ACK", Answerer::broker},
    {52, "GET_BROKER_CLUSTER_ACL_INFO", Answerer::broker},
    {53, "UPDATE_GLOBAL_WHITE_ADDRS_CONFIG", Answerer::broker},
    {60, "GET_TIMER_CHECK_POINT", Answerer::broker},
    {61, "GET_TIMER_METRICS", Answerer::broker},
    {100, "PUT_KV_CONFIG", Answerer::namesrv},
    {101, "GET_KV_CONFIG", Answerer::namesrv},
    {102, "DELETE_KV_CONFIG", Answerer::namesrv},
    {103, "REGISTER_BROKER", Answerer::namesrv},
    {104, "UNREGISTER_BROKER", Answerer::namesrv},
    {105, "GET_ROUTEINFO_BY_TOPIC", Answerer::namesrv},
    {106, "GET_BROKER_CLUSTER_INFO", Answerer::namesrv},
    {200, "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP", Answerer::broker},
    {201, "GET_ALL_SUBSCRIPTIONGROUP_CONFIG", Answerer::broker},
    {202, "GET_TOPIC_STATS_INFO", Answerer::broker},
    {203, "GET_CONSUMER_CONNECTION_LIST", Answerer::broker},
    {204, "GET_PRODUCER_CONNECTION_LIST", Answerer::broker},
    {205, "WIPE_WRITE_PERM_OF_BROKER", Answerer::namesrv},
    {206, "GET_ALL_TOPIC_LIST_FROM_NAMESERVER", Answerer::namesrv},
    {207, "DELETE_SUBSCRIPTIONGROUP", Answerer::broker},
    {208, "GET_CONSUME_STATS", Answerer::broker},
    {209, "SUSPEND_CONSUMER", Answerer::nobody},
    {210, "RESUME_CONSUMER", Answerer::nobody},
    {211, "RESET_CONSUMER_OFFSET_IN_CONSUMER", Answerer::nobody},
    {212, "RESET_CONSUMER_OFFSET_IN_BROKER", Answerer::nobody},
    {213, "ADJUST_CONSUMER_THREAD_POOL", Answerer::nobody},
    {214, "WHO_CONSUME_THE_MESSAGE", Answerer::nobody},
    {215, "DELETE_TOPIC_IN_BROKER", Answerer::broker},
    {216, "DELETE_TOPIC_IN_NAMESRV", Answerer::namesrv},
    {217, "REGISTER_TOPIC_IN_NAMESRV", Answerer::namesrv},
    {219, "GET_KVLIST_BY_NAMESPACE", Answerer::namesrv},
    {220, "RESET_CONSUMER_CLIENT_OFFSET", Answerer::client},
    {221, "GET_CONSUMER_STATUS_FROM_CLIENT", Answerer::client},
    {222, "INVOKE_BROKER_TO_RESET_OFFSET", Answerer::broker},
    {223, "INVOKE_BROKER_TO_GET_CONSUMER_STATUS", Answerer::broker},
    {224, "GET_TOPICS_BY_CLUSTER", Answerer::namesrv},
    {225, "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST", Answerer::broker},
    {300, "QUERY_TOPIC_CONSUME_BY_WHO", Answerer::broker},
    {301, "REGISTER_FILTER_SERVER", Answerer::nobody},
    {302, "REGISTER_MESSAGE_FILTER_CLASS", Answerer::nobody},
    {303, "QUERY_CONSUME_TIME_SPAN", Answerer::broker},
    {304, "GET_SYSTEM_TOPIC_LIST_FROM_NS", Answerer::namesrv},
    {305, "GET_SYSTEM_TOPIC_LIST_FROM_BROKER", Answerer::broker},
    {306, "CLEAN_EXPIRED_CONSUMEQUEUE", Answerer::broker},
    {307, "GET_CONSUMER_RUNNING_INFO", Answerer::broker},
    {308, "QUERY_CORRECTION_OFFSET", Answerer::broker},
    {309, "CONSUME_MESSAGE_DIRECTLY", Answerer::broker},
    {310, "SEND_MESSAGE_V2", Answerer::broker},
    {311, "GET_UNIT_TOPIC_LIST", Answerer::namesrv},
    {312, "GET_HAS_UNIT_SUB_TOPIC_LIST", Answerer::namesrv},
    {313, "GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST", Answerer::namesrv},
    {314, "CLONE_GROUP_OFFSET", Answerer::broker},
    {315, "VIEW_BROKER_STATS_DATA", Answerer::broker},
    {316, "CLEAN_UNUSED_TOPIC", Answerer::broker},
    {317, "GET_BROKER_CONSUME_STATS", Answerer::broker},
    {318, "UPDATE_NAMESRV_CONFIG", Answerer::namesrv},
    {319, "GET_NAMESRV_CONFIG", Answerer::namesrv},
    {320, "SEND_BATCH_MESSAGE", Answerer::broker},
    {321, "QUERY_CONSUME_QUEUE", Answerer::broker},
    {322, "QUERY_DATA_VERSION", Answerer::namesrv},
    {323, "RESUME_CHECK_HALF_MESSAGE", Answerer::broker},
    {324, "SEND_REPLY_MESSAGE", Answerer::broker},
    {325, "SEND_REPLY_MESSAGE_V2", Answerer::broker},
    {326, "PUSH_REPLY_MESSAGE_TO_CLIENT", Answerer::client},
    {327, "ADD_WRITE_PERM_OF_BROKER", Answerer::namesrv},
    {328, "GET_ALL_PRODUCER_INFO", Answerer::broker},
    {329, "DELETE_EXPIRED_COMMITLOG", Answerer::broker},
    {343, "QUERY_TOPICS_BY_CONSUMER", Answerer::broker},
    {345, "QUERY_SUBSCRIPTION_BY_CONSUMER", Answerer::broker},
    {351, "GET_TOPIC_CONFIG", Answerer::broker},
    {352, "GET_SUBSCRIPTIONGROUP_CONFIG", Answerer::broker},
    {353, "UPDATE_AND_GET_GROUP_FORBIDDEN", Answerer::broker},
    {354, "CHECK_ROCKSDB_CQ_WRITE_PROGRESS", Answerer::broker},
    {355, "EXPORT_ROCKSDB_CONFIG_TO_JSON", Answerer::broker},
    {361, "LITE_PULL_MESSAGE", Answerer::broker},
    {370, "RECALL_MESSAGE", Answerer::broker},
    {400, "QUERY_ASSIGNMENT", Answerer::broker},
    {401, "SET_MESSAGE_REQUEST_MODE", Answerer::broker},
    {402, "GET_ALL_MESSAGE_REQUEST_MODE", Answerer::broker},
    {513, "UPDATE_AND_CREATE_STATIC_TOPIC", Answerer::broker},
    {901, "GET_BROKER_MEMBER_GROUP", Answerer::namesrv},
    {902, "ADD_BROKER", Answerer::container},
    {903, "REMOVE_BROKER", Answerer::container},
    {904, "BROKER_HEARTBEAT", Answerer::namesrv},
    {905, "NOTIFY_MIN_BROKER_ID_CHANGE", Answerer::broker},
    {906, "EXCHANGE_BROKER_HA_INFO", Answerer::broker},
    {907, "GET_BROKER_HA_STATUS", Answerer::broker},
    {908, "RESET_MASTER_FLUSH_OFFSET", Answerer::broker},
    {1001, "CONTROLLER_ALTER_SYNC_STATE_SET", Answerer::controller},
    {1002, "CONTROLLER_ELECT_MASTER", Answerer::controller},
    {1003, "CONTROLLER_REGISTER_BROKER", Answerer::controller},
    {1004, "CONTROLLER_GET_REPLICA_INFO", Answerer::controller},
    {1005, "CONTROLLER_GET_METADATA_INFO", Answerer::controller},
    {1006, "CONTROLLER_GET_SYNC_STATE_DATA", Answerer::controller},
    {1007, "GET_BROKER_EPOCH_CACHE", Answerer::broker},
    {1008, "NOTIFY_BROKER_ROLE_CHANGED", Answerer::broker},
    {1009, "UPDATE_CONTROLLER_CONFIG", Answerer::controller},
    {1010, "GET_CONTROLLER_CONFIG", Answerer::controller},
    {1011, "CLEAN_BROKER_DATA", Answerer::controller},
    {1012, "CONTROLLER_GET_NEXT_BROKER_ID", Answerer::controller},
    {1013, "CONTROLLER_APPLY_BROKER_ID", Answerer::controller},
    {1014, "BROKER_CLOSE_CHANNEL_REQUEST", Answerer::controller},
    {1015, "CHECK_NOT_ACTIVE_BROKER_REQUEST", Answerer::controller},
    {1016, "GET_BROKER_LIVE_INFO_REQUEST", Answerer::controller},
    {1017, "GET_SYNC_STATE_DATA_REQUEST", Answerer::controller},
    {1018, "RAFT_BROKER_HEART_BEAT_EVENT_REQUEST", Answerer::controller},
    {2001, "UPDATE_COLD_DATA_FLOW_CTR_CONFIG", Answerer::broker},
    {2002, "REMOVE_COLD_DATA_FLOW_CTR_CONFIG", Answerer::broker},
    {2003, "GET_COLD_DATA_FLOW_CTR_INFO", Answerer::broker},
    {2004, "SET_COMMITLOG_READ_MODE", Answerer::broker},
    {3001, "AUTH_CREATE_USER", Answerer::broker},
    {3002, "AUTH_UPDATE_USER", Answerer::broker},
    {3003, "AUTH_DELETE_USER", Answerer::broker},
    {3004, "AUTH_GET_USER", Answerer::broker},
    {3005, "AUTH_LIST_USER", Answerer::broker},
    {3006, "AUTH_CREATE_ACL", Answerer::broker},
    {3007, "AUTH_UPDATE_ACL", Answerer::broker},
    {3008, "AUTH_DELETE_ACL", Answerer::broker},
    {3009, "AUTH_GET_ACL", Answerer::broker},
    {3010, "AUTH_LIST_ACL", Answerer::broker},
    {5001, "SWITCH_TIMER_ENGINE", Answerer::broker},
    {200050, "POP_MESSAGE", Answerer::broker},
    {200051, "ACK_MESSAGE", Answerer::broker},
    {200052, "PEEK_MESSAGE", Answerer::broker},
    {200053, "CHANGE_MESSAGE_INVISIBLETIME", Answerer::broker},
    {200054, "NOTIFICATION", Answerer::broker},
    {200055, "POLLING_INFO", Answerer::broker},
    {200056, "POP_ROLLBACK", Answerer::broker},
    {200070, "POP_LITE_MESSAGE", Answerer::broker},
    {200071, "LITE_SUBSCRIPTION_CTL", Answerer::broker},
    {200072, "ACK_LITE_MESSAGE", Answerer::nobody},
    {200073, "NOTIFY_UNSUBSCRIBE_LITE", Answerer::client},
    {200074, "GET_BROKER_LITE_INFO", Answerer::broker},
    {200075, "GET_PARENT_TOPIC_INFO", Answerer::broker},
    {200076, "GET_LITE_TOPIC_INFO", Answerer::broker},
    {200077, "GET_LITE_CLIENT_INFO", Answerer::broker},
    {200078, "GET_LITE_GROUP_INFO", Answerer::broker},
    {200079, "TRIGGER_LITE_DISPATCH", Answerer::broker},
    {200151, "BATCH_ACK_MESSAGE", Answerer::broker},
};

// The name of a code, or "UNKNOWN".
constexpr std::string_view request_code_name(int32_t code) {
  for (const RequestCodeRow& row : request_codes) {
    if (row.code == code) return row.name;
  }
  return "UNKNOWN";
}

}  // namespace merlin::wire
