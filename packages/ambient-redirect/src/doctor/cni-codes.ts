import type { CodeSpec } from './finding.ts';

/** Codes of what is found of the network plugins of the node. */
export type CniCode =
  | 'cni-none'
  | 'cni-unknown'
  | 'cni-ptp'
  | 'cni-bridge'
  | 'cni-bandwidth'
  | 'cni-no-pair'
  | 'cni-calico'
  | 'cni-calico-ebpf'
  | 'cni-cilium'
  | 'cni-cilium-socket-lb'
  | 'cni-cilium-device'
  | 'cni-aws'
  | 'cni-unread';

const CONFIG = 'ls /etc/cni/net.d';
const LINKS = 'ip -brief link';
const NET = 'bpftool net show';

/** What is said of them. */
export const CNI_CODES: Readonly<Record<CniCode, CodeSpec>> = {
  'cni-none': {
    severity: 'info',
    title: 'No network plugin is found',
    cause:
      'Nothing in the usual places of CNI configurations, no interface and no program that one is known by. Pods that something else has made (ip-netns(8), docker) can be enrolled all the same.',
    see: [CONFIG, LINKS],
    remedy: 'Nothing to do. In a container, mount the /etc/cni/net.d of the node to have it looked at.',
  },
  'cni-unknown': {
    severity: 'info',
    title: 'A network plugin that nothing is known of here',
    cause:
      'Any plugin will do whose pods are on a veth or a netkit, whose other end is in the namespace of the host, and that has nothing on the hooks of these that keeps packets from ours.',
    see: [CONFIG, LINKS, NET],
    remedy: 'See the findings of the chains, then enroll one pod and look at `ambient-redirect status`.',
  },
  'cni-ptp': {
    severity: 'info',
    title: 'Pods are on pairs that the host routes to (plugin ptp, as in kind)',
    cause:
      'Each pod has a veth, and the host a route to it. The tests of this project run on a layout of this kind. The plugin puts nothing on the hooks.',
    see: [CONFIG, 'ip route'],
    remedy: 'Nothing to do.',
  },
  'cni-bridge': {
    severity: 'info',
    title: 'Pods are on a bridge',
    cause:
      'Pods of one node reach each other without its routing. Programs are at the ports of the bridge, so this is captured too; the tests of this project run on a bridge as well. The proxy may answer ARP for its own addresses alone, which the engine sees to.',
    see: [CONFIG, 'bridge link'],
    remedy: 'Nothing to do.',
  },
  'cni-bandwidth': {
    severity: 'warning',
    title: 'The plugin bandwidth shapes pods by an ingress qdisc',
    cause:
      'It puts an `ingress` qdisc on the host’s end of a pod with a limit, which stands in the place of clsact: without tcx such a pod cannot be enrolled, and one that is enrolled by clsact before cannot start. With tcx both go together, but what goes by the proxy is handed from interface to interface and meets no shaper.',
    see: [CONFIG, 'tc qdisc show dev DEV'],
    remedy: 'Use a kernel with tcx (6.6), or take the bandwidth annotations off pods of the mesh.',
  },
  'cni-no-pair': {
    severity: 'warning',
    title: 'A plugin gives pods an interface that has no other end on the host',
    cause:
      'macvlan, ipvlan, SR-IOV and host-device give a pod an interface of which the host sees nothing: there is no hook to put a program on, and enrolling it is refused (`ERR_NOT_A_VETH`). Where it is an additional one (Multus), traffic by it goes past the mesh.',
    see: [CONFIG, LINKS],
    remedy: 'Keep pods of the mesh off these networks.',
  },
  'cni-calico': {
    severity: 'warning',
    title: 'Calico: it drops what comes from a pod with an address of another',
    cause:
      'Felix checks the source of what workloads send by rules of its own in iptables, beside the sysctl rp_filter ([calico#5643](https://github.com/projectcalico/calico/issues/5643)). The proxy sends from the addresses of pods: what goes to pods of this node is handed over before these rules, the rest meets them. Policies that Calico enforces in netfilter do not see what is redirected. Not tried in a cluster; Istio’s eBPF mode [asked for the same settings](https://github.com/istio/istio/blob/1.20.0/cni/pkg/ebpf/README.md).',
    see: ['iptables -t raw -vL cali-rpf-skip', LINKS],
    remedy:
      'Allow the proxy to do so: `workloadSourceSpoofing: Any` in the FelixConfiguration, and the annotation `cni.projectcalico.org/allowedSourcePrefixes` with the prefixes of the pods on the pod of the proxy. Have the proxy enforce policies between pods of the mesh.',
  },
  'cni-calico-ebpf': {
    severity: 'warning',
    title: 'Calico with its eBPF data plane',
    cause:
      'Its programs (`cali_tc_preamble` and what that calls) are on the hooks of every pod and of the host’s own interfaces. On a pod’s interface they decide about every packet, so whoever comes after them may see nothing; who comes before takes from them what is redirected, and with it their policies. They check sources as well. Not tried in a cluster.',
    see: [NET, 'tc filter show dev DEV ingress'],
    remedy:
      'Look at the chains below: put ours first (tcx: `order: head`; clsact: a lower `priority` than theirs), allow the proxy other sources (`workloadSourceSpoofing: Any`, annotation `cni.projectcalico.org/allowedSourcePrefixes`), and have the proxy enforce policies between pods of the mesh.',
  },
  'cni-cilium': {
    severity: 'warning',
    title: 'Cilium: its programs decide about every packet of a pod',
    cause:
      '`cil_from_container` is on the hook of every pod’s interface and redirects what it lets pass; with tcx [it is the last of them](https://grafana.com/docs/beyla/latest/cilium-compatibility), with clsact at a low priority. A program behind it sees next to nothing. What ours redirects before it meets neither its policies nor its connection tracking. Older versions leave filters behind when their priority changes ([cilium#36172](https://github.com/cilium/cilium/issues/36172)). Health probes need no exception: they are left alone, and not rewritten. Not tried in a cluster.',
    see: [NET, 'cilium-dbg status'],
    remedy:
      'Look at the chains below: ours have to come first (tcx: `order: head`; clsact: a lower `priority` than theirs). Have the proxy enforce policies between pods of the mesh. What Cilium says of living with a mesh: [Integration with Istio](https://docs.cilium.io/en/latest/network/servicemesh/istio/).',
  },
  'cni-cilium-socket-lb': {
    severity: 'warning',
    title: 'Cilium chooses the endpoint of a service in the socket of the application',
    cause:
      'The programs `cil_sock4_connect` and `cil_sock6_connect` put the address of a pod in the place of the service’s before a packet is made. The connection is captured all the same, but the proxy sees a pod and not a service, and cannot apply what is said of the service.',
    see: ['bpftool prog show', 'bpftool cgroup tree'],
    remedy:
      'Set `socketLB.hostNamespaceOnly=true` in Cilium ([Integration with Istio](https://docs.cilium.io/en/latest/network/servicemesh/istio/)).',
  },
  'cni-cilium-device': {
    severity: 'info',
    title: 'Cilium has programs at the interfaces of the host (kube-proxy replacement, BPF masquerading)',
    cause:
      '`cil_from_netdev` and `cil_to_netdev` translate node ports and masquerade what leaves the node. What the proxy sends from a pod’s address to another node is then handled as the pod’s own. Connections from outside that come masqueraded from an address of the host are told from its probes by the interface that they came in by; that has not been tried with this translation.',
    see: [NET, 'cilium-dbg status --verbose'],
    remedy:
      'Nothing to do at first. Look whether connections from outside the node to a pod of the mesh are captured: `ambient-redirect trace`.',
  },
  'cni-aws': {
    severity: 'warning',
    title: 'Amazon VPC CNI',
    cause:
      'Pods are on veths that are named `eni…`, or `vlan…` with security groups in strict mode, with routing rules of their own. Its [network policy agent](https://github.com/aws/aws-network-policy-agent) puts `handle_ingress` and `handle_egress` on their hooks where policies are on. With security groups for pods Istio asks for `POD_SECURITY_GROUP_ENFORCING_MODE=standard` ([platform prerequisites](https://istio.io/latest/docs/ambient/install/platform-prerequisites/)), for the sake of its rewritten probes; probes are not rewritten here. Not tried in a cluster.',
    see: [LINKS, 'ip rule', NET],
    remedy:
      'Look at the chains below for the programs of its policy agent. What the proxy sends to other nodes has to leave by the interface of the pod whose address it has: try it with one pod.',
  },
  'cni-unread': {
    severity: 'warning',
    title: 'A CNI configuration cannot be understood',
    cause:
      'The file is no JSON, or not of the shape that the CNI specification has. The container runtime passes it over as well, or fails.',
    see: [CONFIG],
    remedy: 'Have a look at the file; a network plugin may have been interrupted while it wrote it.',
  },
};
