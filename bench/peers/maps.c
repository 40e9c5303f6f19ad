// The same system calls as maps.bench.ts makes, from C: prints nanoseconds of processor time an element for each kind of access, one a line.
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 65536
#define BATCH 1024
#define PASSES 2

static long bpf(int command, union bpf_attr *attr) { return syscall(__NR_bpf, command, attr, sizeof *attr); }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static unsigned keys[BATCH];
static unsigned long long values[BATCH];

int main(void) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.map_type = BPF_MAP_TYPE_HASH;
  attr.key_size = 4;
  attr.value_size = 8;
  attr.max_entries = ENTRIES;
  int fd = bpf(BPF_MAP_CREATE, &attr);
  if (fd < 0) return 1;
  unsigned key;
  unsigned long long value = 0;
  memset(&attr, 0, sizeof attr);
  attr.map_fd = fd;
  attr.key = (unsigned long)&key;
  attr.value = (unsigned long)&value;
  double start = now();
  for (int pass = 0; pass < PASSES; pass++)
    for (key = 0; key < ENTRIES; key++) {
      value = key;
      if (bpf(BPF_MAP_UPDATE_ELEM, &attr)) return 2;
    }
  printf("update %f\n", (now() - start) / ENTRIES / PASSES);
  start = now();
  for (int pass = 0; pass < PASSES; pass++)
    for (key = 0; key < ENTRIES; key++)
      if (bpf(BPF_MAP_LOOKUP_ELEM, &attr) || value != key) return 3;
  printf("lookup %f\n", (now() - start) / ENTRIES / PASSES);
  start = now();
  for (unsigned at = 0; at < ENTRIES * PASSES; at += BATCH) {
    for (unsigned i = 0; i < BATCH; i++) keys[i] = at % ENTRIES + i;
    memset(&attr, 0, sizeof attr);
    attr.batch.map_fd = fd;
    attr.batch.keys = (unsigned long)keys;
    attr.batch.values = (unsigned long)values;
    attr.batch.count = BATCH;
    if (bpf(BPF_MAP_UPDATE_BATCH, &attr)) return 4;
  }
  printf("update-batch %f\n", (now() - start) / ENTRIES / PASSES);
  unsigned long long from, to;
  unsigned total = 0;
  start = now();
  for (int pass = 0; pass < PASSES; pass++)
    for (int first = 1;; first = 0) {
      memset(&attr, 0, sizeof attr);
      attr.batch.map_fd = fd;
      attr.batch.in_batch = first ? 0 : (unsigned long)&from;
      attr.batch.out_batch = (unsigned long)&to;
      attr.batch.keys = (unsigned long)keys;
      attr.batch.values = (unsigned long)values;
      attr.batch.count = BATCH;
      long end = bpf(BPF_MAP_LOOKUP_BATCH, &attr);
      total += attr.batch.count;
      from = to;
      if (end) break;
    }
  printf("lookup-batch %f\n", (now() - start) / total);
  return total == ENTRIES * PASSES ? 0 : 5;
}
