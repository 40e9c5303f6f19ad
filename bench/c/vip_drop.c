/* SPDX-License-Identifier: Apache-2.0 */
/* Twin of vipDrop in pieces/classics.ts. */
#include "common.h"

struct vip4 {
  __u32 tunnel, address;
};
struct vip6 {
  __u32 tunnel, address[4];
};
struct {
  UINT(type, BPF_MAP_TYPE_HASH);
  UINT(max_entries, 1024);
  TYPE(key, struct vip4);
  TYPE(value, __u64);
} shut4 SEC(".maps");
struct {
  UINT(type, BPF_MAP_TYPE_HASH);
  UINT(max_entries, 1024);
  TYPE(key, struct vip6);
  TYPE(value, __u64);
} shut6 SEC(".maps");

SEC("tc") int vip_drop(struct __sk_buff *skb) {
  struct bpf_tunnel_key tunnel;
  __u64 *dropped;
  if (get_tunnel_key(skb, &tunnel, sizeof(tunnel), 0) < 0) return NEXT;
  void *end = DATA_END(skb);
  struct ethernet *eth = DATA(skb);
  if ((void *)(eth + 1) > end) return NEXT;
  if (eth->type == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    struct vip4 key = {tunnel.tunnel_id, ip->daddr};
    dropped = map_lookup(&shut4, &key);
  } else if (eth->type == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    struct vip6 key = {.tunnel = tunnel.tunnel_id};
    __builtin_memcpy(key.address, &ip->daddr, 16);
    dropped = map_lookup(&shut6, &key);
  } else {
    return NEXT;
  }
  if (!dropped) return NEXT;
  __sync_fetch_and_add(dropped, 1);
  return TC_ACT_SHOT;
}
