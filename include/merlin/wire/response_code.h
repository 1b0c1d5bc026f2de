// Response codes of the remoting protocol, with Apache's names. Negative codes never cross the wire and are left out.
#pragma once

#include <cstdint>

namespace merlin::wire::response_code {

inline constexpr int32_t success = 0;
inline constexpr int32_t system_error = 1;
inline constexpr int32_t system_busy = 2;
inline constexpr int32_t request_code_not_supported = 3;
inline constexpr int32_t transaction_failed = 4;
inline constexpr int32_t flush_disk_timeout = 10;
inline constexpr int32_t slave_not_available = 11;
inline constexpr int32_t flush_slave_timeout = 12;
inline constexpr int32_t message_illegal = 13;
inline constexpr int32_t service_not_available = 14;
inline constexpr int32_t version_not_supported = 15;
inline constexpr int32_t no_permission = 16;
inline constexpr int32_t topic_not_exist = 17;
inline constexpr int32_t topic_exist_already = 18;
inline constexpr int32_t pull_not_found = 19;
inline constexpr int32_t pull_retry_immediately = 20;
inline constexpr int32_t pull_offset_moved = 21;
inline constexpr int32_t query_not_found = 22;
inline constexpr int32_t subscription_parse_failed = 23;
inline constexpr int32_t subscription_not_exist = 24;
inline constexpr int32_t subscription_not_latest = 25;
inline constexpr int32_t subscription_group_not_exist = 26;
inline constexpr int32_t filter_data_not_exist = 27;
inline constexpr int32_t filter_data_not_latest = 28;
inline constexpr int32_t invalid_parameter = 29;
inline constexpr int32_t transaction_should_commit = 200;
inline constexpr int32_t transaction_should_rollback = 201;
inline constexpr int32_t transaction_state_unknow = 202;
inline constexpr int32_t transaction_state_group_wrong = 203;
inline constexpr int32_t no_buyer_id = 204;
inline constexpr int32_t not_in_current_unit = 205;
inline constexpr int32_t consumer_not_online = 206;
inline constexpr int32_t consume_msg_timeout = 207;
inline constexpr int32_t no_message = 208;
inline constexpr int32_t polling_full = 209;
inline constexpr int32_t polling_timeout = 210;
inline constexpr int32_t broker_not_exist = 211;
inline constexpr int32_t broker_dispatch_not_complete = 212;
inline constexpr int32_t broadcast_consumption = 213;
inline constexpr int32_t flow_control = 215;
inline constexpr int32_t not_leader_for_queue = 501;
inline constexpr int32_t illegal_operation = 604;
inline constexpr int32_t go_away = 1500;
inline constexpr int32_t controller_fenced_master_epoch = 2000;
inline constexpr int32_t controller_fenced_sync_state_set_epoch = 2001;
inline constexpr int32_t controller_invalid_master = 2002;
inline constexpr int32_t controller_invalid_replicas = 2003;
inline constexpr int32_t controller_master_not_available = 2004;
inline constexpr int32_t controller_invalid_request = 2005;
inline constexpr int32_t controller_broker_not_alive = 2006;
inline constexpr int32_t controller_not_leader = 2007;
inline constexpr int32_t controller_broker_metadata_not_exist = 2008;
inline constexpr int32_t controller_invalid_clean_broker_metadata = 2009;
inline constexpr int32_t controller_broker_need_to_be_registered = 2010;
inline constexpr int32_t controller_master_still_exist = 2011;
inline constexpr int32_t controller_elect_master_failed = 2012;
inline constexpr int32_t controller_alter_sync_state_set_failed = 2013;
inline constexpr int32_t controller_broker_id_invalid = 2014;
inline constexpr int32_t controller_jraft_internal_error = 2015;
inline constexpr int32_t controller_broker_live_info_not_exists = 2016;
inline constexpr int32_t lmq_quota_exceeded = 2017;
inline constexpr int32_t lite_subscription_quota_exceeded = 2018;
inline constexpr int32_t user_not_exist = 3001;
inline constexpr int32_t policy_not_exist = 3002;

}  // namespace merlin::wire::response_code
