/* SPDX-License-Identifier: Apache-2.0 */
/* Twin of pieces/host-in.ts. -DDUAL: IPv6 too. */
#include "pods.h"

SEC("tc") int host_in(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethernet *eth = DATA(skb);
  struct pod *pod;
  if ((void *)(eth + 1) > end) return NEXT;
#ifdef DUAL
  struct address key;
  if (eth->type == be16(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    mapped(&key, ip->daddr);
    pod = map_lookup(&pods, &key);
  } else if (eth->type == be16(ETH_P_IPV6)) {
    struct ipv6hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return NEXT;
    pod = map_lookup(&pods, &ip->daddr);
  } else {
    return NEXT;
  }
#else
  if (eth->type != be16(ETH_P_IP)) return NEXT;
  struct iphdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > end) return NEXT;
  pod = map_lookup(&pods4, &ip->daddr);
#endif
  if (!pod || !pod->deliver) return NEXT;
  return redirect_peer(pod->ifindex, 0);
}
