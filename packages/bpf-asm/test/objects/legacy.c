// A map as iproute2's loader and libbpf before 1.0 have it, no BTF, and a section that only tc understands.
#include <linux/bpf.h>

struct bpf_map_def {
	unsigned int type, key_size, value_size, max_entries, map_flags;
};

#define SEC(name) __attribute__((section(name), used))

struct bpf_map_def verdicts SEC("maps") = { BPF_MAP_TYPE_ARRAY, 4, 8, 16, 0 };
struct bpf_map_def seen SEC("maps") = { BPF_MAP_TYPE_LRU_HASH, 8, 4, 256, BPF_F_NO_COMMON_LRU };

static void *(*lookup)(void *map, const void *key) = (void *)1;

SEC("from-pod")
int from_pod(struct __sk_buff *skb)
{
	int key = skb->mark & 15;
	long *verdict = lookup(&verdicts, &key);
	long wide = skb->hash;

	if (!lookup(&seen, &wide))
		return 2;
	return verdict ? *verdict : -1;
}

char _license[] SEC("license") = "GPL";
