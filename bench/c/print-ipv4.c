/* SPDX-License-Identifier: Apache-2.0 */
/* Reports the total length and the TTL of each IPv4 packet through a ring buffer. */
#include "common.h"

struct record {
  __u32 total_length;
  __u32 ttl;
};
struct {
  UINT(type, BPF_MAP_TYPE_RINGBUF);
  UINT(max_entries, 65536);
} records SEC(".maps");

SEC("tc") int print_ipv4(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethhdr *eth = DATA(skb);
  struct iphdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > end) return NEXT;
  if (eth->h_proto != be16(ETH_P_IP)) return NEXT;
  struct record *record = ringbuf_reserve(&records, sizeof(*record), 0);
  if (!record) return NEXT;
  record->total_length = be16(ip->tot_len);
  record->ttl = ip->ttl;
  ringbuf_submit(record, 0);
  return NEXT;
}
