/* SPDX-License-Identifier: Apache-2.0 */
/* Twin of firewall in pieces/classics.ts. */
#include "common.h"

struct prefix {
  __u32 length, address;
};
struct rule {
  __u16 low_port, high_port;
  __u8 protocol;
};
struct {
  UINT(type, BPF_MAP_TYPE_LPM_TRIE);
  UINT(max_entries, 1024);
  UINT(map_flags, BPF_F_NO_PREALLOC);
  TYPE(key, struct prefix);
  TYPE(value, struct rule);
} rules SEC(".maps");

SEC("xdp") int firewall(struct xdp_md *xdp) {
  void *end = DATA_END(xdp);
  struct ethernet *eth = DATA(xdp);
  struct iphdr *ip = (void *)(eth + 1);
  if ((void *)(eth + 1) > end) return XDP_DROP;
  if (eth->type != be16(ETH_P_IP)) return XDP_PASS;
  if ((void *)(ip + 1) > end) return XDP_DROP;
  if (ip->frag_off & be16(0x1fff)) return XDP_DROP;
  if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP) return XDP_PASS;
  struct ports *ports = (void *)ip + ip->ihl * 4;
  if ((void *)(ports + 1) > end) return XDP_DROP;
  __u16 port = be16(ports->destination);
  struct prefix key = {32, ip->saddr};
  struct rule *rule = map_lookup(&rules, &key);
  if (!rule || rule->protocol != ip->protocol) return XDP_DROP;
  return port < rule->low_port || port > rule->high_port ? XDP_DROP : XDP_PASS;
}
