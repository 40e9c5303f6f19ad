/* SPDX-License-Identifier: Apache-2.0 */
/* Twin of protocolCounter in pieces/classics.ts. */
#include "common.h"

struct traffic {
  __u64 packets, bytes;
};
struct {
  UINT(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  UINT(max_entries, 256);
  TYPE(key, __u32);
  TYPE(value, struct traffic);
} traffic SEC(".maps");
struct vlan {
  __u16 tag, type;
};

SEC("xdp") int proto_count(struct xdp_md *xdp) {
  void *end = DATA_END(xdp);
  struct ethernet *eth = DATA(xdp);
  __u32 protocol = 255;
  if ((void *)(eth + 1) > end) return XDP_PASS;
  if (eth->type == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return XDP_PASS;
    protocol = ip->protocol;
  } else if (eth->type == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return XDP_PASS;
    protocol = ip->nexthdr;
  } else if (eth->type == be16(ETH_P_8021Q)) {
    struct vlan *vlan = (void *)(eth + 1);
    if ((void *)(vlan + 1) > end) return XDP_PASS;
    if (vlan->type == be16(ETH_P_IP)) {
      struct iphdr *ip = (void *)(vlan + 1);
      if ((void *)(ip + 1) > end) return XDP_PASS;
      protocol = ip->protocol;
    }
  }
  struct traffic *counter = map_lookup(&traffic, &protocol);
  if (counter) counter->packets += 1;
  return XDP_PASS;
}
