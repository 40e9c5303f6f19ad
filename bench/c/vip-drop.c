/* SPDX-License-Identifier: Apache-2.0 */
/* Drops what a tunnel brings for a virtual address, IPv4 or IPv6. */
#include "common.h"

#define TUNNEL 42
#define VIP 0xac100064u /* 172.16.0.100 */
#define VIP6 {0xfd000040, 0, 0, 0x64}

SEC("tc") int vip_drop(struct __sk_buff *skb) {
  struct bpf_tunnel_key key;
  if (get_tunnel_key(skb, &key, sizeof(key), 0) < 0) return NEXT;
  if (key.tunnel_id != TUNNEL) return NEXT;
  void *end = DATA_END(skb);
  struct ethhdr *eth = DATA(skb);
  if ((void *)(eth + 1) > end) return NEXT;
  if (eth->h_proto == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    if (ip->daddr == be32(VIP)) return TC_ACT_SHOT;
  } else if (eth->h_proto == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    const __u32 vip[4] = VIP6;
    if ((void *)(ip + 1) > end) return NEXT;
    if (same6(&ip->daddr, vip)) return TC_ACT_SHOT;
  }
  return NEXT;
}
