/* SPDX-License-Identifier: Apache-2.0 */
/* What the proxy sends to a pod of this node goes straight into it: IPv4 by an array indexed by the host bits, -DDUAL: by a hash of 16 bytes. */
#include "common.h"

struct pod {
  __u32 address;
  __u32 ifindex;
};
struct {
  UINT(type, BPF_MAP_TYPE_ARRAY);
  UINT(max_entries, 256);
  TYPE(key, __u32);
  TYPE(value, struct pod);
} pods SEC(".maps");

struct address {
  __u32 words[4];
};
struct {
  UINT(type, BPF_MAP_TYPE_HASH);
  UINT(max_entries, 1024);
  TYPE(key, struct address);
  TYPE(value, __u32);
} pods_by_address SEC(".maps");

SEC("tc") int dispatch(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethhdr *eth = DATA(skb);
  if ((void *)(eth + 1) > end) return NEXT;
#ifdef DUAL
  struct address key = {};
  if (eth->h_proto == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    key.words[2] = be32(0xffff);
    key.words[3] = ip->daddr;
  } else if (eth->h_proto == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    __builtin_memcpy(&key, &ip->daddr, 16);
  } else {
    return NEXT;
  }
  __u32 *ifindex = map_lookup(&pods_by_address, &key);
  if (!ifindex) return NEXT;
  return redirect_peer(*ifindex, 0);
#else
  if (eth->h_proto != be16(ETH_P_IP)) return NEXT;
  struct iphdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > end) return NEXT;
  __u32 key = be32(ip->daddr) & 0xff;
  struct pod *pod = map_lookup(&pods, &key);
  if (!pod || pod->address != ip->daddr) return NEXT;
  return redirect_peer(pod->ifindex, 0);
#endif
}
