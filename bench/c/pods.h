/* SPDX-License-Identifier: Apache-2.0 */
/* The pods of a node by address: -DDUAL by one of 16 bytes, IPv4 mapped into it. */
#pragma once
#include "common.h"

struct pod {
  __u32 ifindex;
  __u8 deliver;
  __u8 classify;
};
struct address {
  __u32 words[4];
};
struct {
  UINT(type, BPF_MAP_TYPE_HASH);
  UINT(max_entries, 4096);
  TYPE(key, __u32);
  TYPE(value, struct pod);
} pods4 SEC(".maps");
struct {
  UINT(type, BPF_MAP_TYPE_HASH);
  UINT(max_entries, 4096);
  TYPE(key, struct address);
  TYPE(value, struct pod);
} pods SEC(".maps");

INLINE void mapped(struct address *key, __u32 address4) {
  key->words[0] = 0;
  key->words[1] = 0;
  key->words[2] = be32(0xffff);
  key->words[3] = address4;
}
