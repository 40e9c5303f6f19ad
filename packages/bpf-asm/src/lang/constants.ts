/** EtherTypes (`include/uapi/linux/if_ether.h`), in host order as everywhere in the language. */
export const ETH_P_IP = 0x0800;
/** ARP. */
export const ETH_P_ARP = 0x0806;
/** A VLAN tag (802.1Q). */
export const ETH_P_8021Q = 0x8100;
/** An outer VLAN tag (802.1ad). */
export const ETH_P_8021AD = 0x88a8;
/** IPv6. */
export const ETH_P_IPV6 = 0x86dd;

/** Protocol numbers of IP (`include/uapi/linux/in.h`, `in6.h`). */
export const IPPROTO_HOPOPTS = 0;
/** ICMP. */
export const IPPROTO_ICMP = 1;
/** TCP. */
export const IPPROTO_TCP = 6;
/** UDP. */
export const IPPROTO_UDP = 17;
/** Routing header of IPv6. */
export const IPPROTO_ROUTING = 43;
/** Fragment header of IPv6. */
export const IPPROTO_FRAGMENT = 44;
/** Encapsulating Security Payload. */
export const IPPROTO_ESP = 50;
/** Authentication Header. */
export const IPPROTO_AH = 51;
/** ICMPv6. */
export const IPPROTO_ICMPV6 = 58;
/** Destination options of IPv6. */
export const IPPROTO_DSTOPTS = 60;
/** SCTP. */
export const IPPROTO_SCTP = 132;

/** Verdict of a tc program: go on with the next one (`TC_ACT_UNSPEC`, and `TCX_NEXT`). */
export const TC_ACT_UNSPEC: number = -1;
/** Verdict of a tc program: let the packet pass, and end the chain. */
export const TC_ACT_OK = 0;
/** Verdict of a tc program: drop. */
export const TC_ACT_SHOT = 2;
/** Verdict of a tc program: go where a redirect helper said. */
export const TC_ACT_REDIRECT = 7;

/** Verdict of an XDP program: an error; the packet is dropped and a tracepoint tells. */
export const XDP_ABORTED = 0;
/** Verdict of an XDP program: drop. */
export const XDP_DROP = 1;
/** Verdict of an XDP program: to the network stack. */
export const XDP_PASS = 2;
/** Verdict of an XDP program: back out of the same device. */
export const XDP_TX = 3;
/** Verdict of an XDP program: go where a redirect helper said. */
export const XDP_REDIRECT = 4;

/** Verdict of programs about sockets: drop, or refuse (`enum sk_action`). */
export const SK_DROP = 0;
/** Verdict of programs about sockets: pass. */
export const SK_PASS = 1;

/** Address families (`include/linux/socket.h`). */
export const AF_INET = 2;
/** IPv6. */
export const AF_INET6 = 10;

/** Flags of TCP, as they stand in the header's 14th byte. */
export const TCP_FLAG = {
  FIN: 0x01,
  SYN: 0x02,
  RST: 0x04,
  PSH: 0x08,
  ACK: 0x10,
  URG: 0x20,
  ECE: 0x40,
  CWR: 0x80,
} as const;
