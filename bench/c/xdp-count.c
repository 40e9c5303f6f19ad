/* SPDX-License-Identifier: Apache-2.0 */
/* Counts IPv4 packets by protocol, per CPU. */
#include "common.h"

struct {
  UINT(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  UINT(max_entries, 256);
  TYPE(key, __u32);
  TYPE(value, __u64);
} protocols SEC(".maps");

SEC("xdp") int xdp_count(struct xdp_md *xdp) {
  void *end = DATA_END(xdp);
  struct ethhdr *eth = DATA(xdp);
  struct iphdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > end) return XDP_PASS;
  if (eth->h_proto != be16(ETH_P_IP)) return XDP_PASS;
  __u32 protocol = ip->protocol;
  __u64 *packets = map_lookup(&protocols, &protocol);
  if (packets) *packets += 1;
  return XDP_PASS;
}
