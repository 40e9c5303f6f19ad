/* SPDX-License-Identifier: Apache-2.0 */
/* Lets TCP from known networks to the port of their rule, and from no other; other protocols pass. */
#include "common.h"

struct network {
  __u32 prefix_length;
  __u32 address;
};
struct rule {
  __u16 port;
  __u16 padding;
};
struct {
  UINT(type, BPF_MAP_TYPE_LPM_TRIE);
  UINT(max_entries, 1024);
  UINT(map_flags, BPF_F_NO_PREALLOC);
  TYPE(key, struct network);
  TYPE(value, struct rule);
} rules SEC(".maps");

SEC("tc") int firewall(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethhdr *eth = DATA(skb);
  struct iphdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > end) return NEXT;
  if (eth->h_proto != be16(ETH_P_IP)) return NEXT;
  if (ip->protocol != IPPROTO_TCP) return NEXT;
  struct tcphdr *tcp = (void *)ip + ip->ihl * 4;
  if ((void *)(tcp + 1) > end) return TC_ACT_SHOT;
  struct network key = {.prefix_length = 32, .address = ip->saddr};
  struct rule *rule = map_lookup(&rules, &key);
  if (!rule) return TC_ACT_SHOT;
  return tcp->dest == be16(rule->port) ? NEXT : TC_ACT_SHOT;
}
