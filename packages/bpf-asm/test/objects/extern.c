// Needs a variable of the kernel's configuration.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;

SEC("socket")
int version(struct __sk_buff *skb)
{
	return LINUX_KERNEL_VERSION;
}

char _license[] SEC("license") = "GPL";
