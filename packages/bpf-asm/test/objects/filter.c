// Two tc programs and an XDP program that share functions, maps and variables.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct flow {
	__u32 address;
	__u16 port;
	__u16 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct flow);
	__type(value, __u64);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(max_entries, 16);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(key_size, 4);
	__uint(max_entries, 8);
	__array(values, struct inner);
} tables SEC(".maps");

const volatile __u32 limit = 7;
__u32 seen = 3;
__u64 total;

static __noinline int scale(int value)
{
	return value * limit;
}

static __noinline int weigh(int length, int mark)
{
	total += mark;
	return scale(length) + mark;
}

static long add(__u32 index, void *sum)
{
	*(__u64 *)sum += index;
	return 0;
}

SEC("tc")
int count(struct __sk_buff *skb)
{
	struct flow flow = { .port = 53 };
	__u64 *counter;

	flow.address = skb->mark;
	counter = bpf_map_lookup_elem(&counters, &flow);
	if (counter)
		__sync_fetch_and_add(counter, 1);
	seen++;
	return weigh(skb->len, skb->mark) > 100 ? 2 : -1;
}

SEC("tc")
int report(struct __sk_buff *skb)
{
	__u64 *record = bpf_ringbuf_reserve(&events, 8, 0);

	if (record) {
		*record = skb->len;
		bpf_ringbuf_submit(record, 0);
	}
	return weigh(1, skb->mark);
}

SEC("xdp")
int sum(struct xdp_md *ctx)
{
	__u64 sum = 0;

	bpf_loop(10, add, &sum, 0);
	return sum == 45 ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
