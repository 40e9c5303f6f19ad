/* SPDX-License-Identifier: Apache-2.0 */
/* Twin of printer in pieces/classics.ts. */
#include "common.h"

struct line {
  __u32 source, destination;
  __u16 source_port, destination_port, length;
  __u8 protocol, ttl;
};
struct {
  UINT(type, BPF_MAP_TYPE_RINGBUF);
  UINT(max_entries, 65536);
} lines SEC(".maps");

SEC("tc") int printer(struct __sk_buff *skb) {
  void *end = DATA_END(skb);
  struct ethernet *eth = DATA(skb);
  struct iphdr *ip = (void *)(eth + 1);
  __u16 source_port = 0, destination_port = 0;
  if ((void *)(eth + 1) > end) return NEXT;
  if (eth->type != be16(ETH_P_IP)) return NEXT;
  if ((void *)(ip + 1) > end) return NEXT;
  if (ip->frag_off & be16(0x1fff)) return NEXT;
  if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP) {
    struct ports *ports = (void *)ip + ip->ihl * 4;
    if ((void *)(ports + 1) > end) return NEXT;
    source_port = be16(ports->source);
    destination_port = be16(ports->destination);
  }
  struct line *line = ringbuf_reserve(&lines, sizeof(*line), 0);
  if (!line) return NEXT;
  line->source = ip->saddr;
  line->destination = ip->daddr;
  line->source_port = source_port;
  line->destination_port = destination_port;
  line->length = be16(ip->tot_len);
  line->protocol = ip->protocol;
  line->ttl = ip->ttl;
  ringbuf_submit(line, 0);
  return NEXT;
}
