import * as a from '../netlink/kinds.ts';
import { policy, type AttributeKind, type Attributes, type Policy } from '../netlink/index.ts';

/** What bridges have to say, `IFLA_BR_*`. Times are in hundredths of a second. */
export interface BridgeData extends Attributes {
  readonly forwardDelay?: number | undefined;
  readonly helloTime?: number | undefined;
  readonly maxAge?: number | undefined;
  readonly ageingTime?: number | undefined;
  readonly stpState?: number | undefined;
  readonly priority?: number | undefined;
  readonly vlanFiltering?: boolean | undefined;
  readonly multicastSnooping?: boolean | undefined;
}

/** What VLANs have to say, `IFLA_VLAN_*`. The link below is `parent`. */
export interface VlanData extends Attributes {
  /** 0 to 4094. */
  readonly id?: number | undefined;
  readonly protocol?: '802.1q' | '802.1ad' | number | undefined;
}

/** What VXLANs have to say, `IFLA_VXLAN_*`. The link below is `link`. */
export interface VxlanData extends Attributes {
  /** Network identifier, 24 bits. */
  readonly id?: number | undefined;
  /** Multicast group or remote end, IPv4. */
  readonly group?: string | undefined;
  readonly link?: number | undefined;
  readonly local?: string | undefined;
  readonly ttl?: number | undefined;
  readonly learning?: boolean | undefined;
  /** UDP destination port; the kernel's default is 8472, not IANA's 4789. */
  readonly port?: number | undefined;
  /** Multicast group or remote end, IPv6. */
  readonly group6?: string | undefined;
  readonly local6?: string | undefined;
  readonly collectMetadata?: boolean | undefined;
}

/** What Geneve tunnels have to say, `IFLA_GENEVE_*`. */
export interface GeneveData extends Attributes {
  /** Network identifier, 24 bits. */
  readonly id?: number | undefined;
  readonly remote?: string | undefined;
  readonly ttl?: number | undefined;
  /** UDP destination port; 6081 if left out. */
  readonly port?: number | undefined;
  readonly collectMetadata?: true | undefined;
  readonly remote6?: string | undefined;
}

const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 } as const;

/** What macvlans have to say, `IFLA_MACVLAN_*`. The link below is `parent`. */
export interface MacvlanData extends Attributes {
  readonly mode?: 'private' | 'vepa' | 'bridge' | 'passthru' | 'source' | number | undefined;
}

const BRIDGE: Policy<BridgeData> = policy<BridgeData>({
  forwardDelay: [1, 'IFLA_BR_FORWARD_DELAY', a.u32],
  helloTime: [2, 'IFLA_BR_HELLO_TIME', a.u32],
  maxAge: [3, 'IFLA_BR_MAX_AGE', a.u32],
  ageingTime: [4, 'IFLA_BR_AGEING_TIME', a.u32],
  stpState: [5, 'IFLA_BR_STP_STATE', a.u32],
  priority: [6, 'IFLA_BR_PRIORITY', a.u16],
  vlanFiltering: [7, 'IFLA_BR_VLAN_FILTERING', a.bool],
  multicastSnooping: [23, 'IFLA_BR_MCAST_SNOOPING', a.bool],
});

const VLAN: Policy<VlanData> = policy<VlanData>({
  id: [1, 'IFLA_VLAN_ID', a.u16],
  protocol: [5, 'IFLA_VLAN_PROTOCOL', a.named(a.be16, { '802.1q': 0x8100, '802.1ad': 0x88a8 })],
});

const VXLAN: Policy<VxlanData> = policy<VxlanData>({
  id: [1, 'IFLA_VXLAN_ID', a.u32],
  group: [2, 'IFLA_VXLAN_GROUP', a.ip],
  link: [3, 'IFLA_VXLAN_LINK', a.u32],
  local: [4, 'IFLA_VXLAN_LOCAL', a.ip],
  ttl: [5, 'IFLA_VXLAN_TTL', a.u8],
  learning: [7, 'IFLA_VXLAN_LEARNING', a.bool],
  port: [15, 'IFLA_VXLAN_PORT', a.be16],
  group6: [16, 'IFLA_VXLAN_GROUP6', a.ip],
  local6: [17, 'IFLA_VXLAN_LOCAL6', a.ip],
  collectMetadata: [25, 'IFLA_VXLAN_COLLECT_METADATA', a.bool],
});

const GENEVE: Policy<GeneveData> = policy<GeneveData>({
  id: [1, 'IFLA_GENEVE_ID', a.u32],
  remote: [2, 'IFLA_GENEVE_REMOTE', a.ip],
  ttl: [3, 'IFLA_GENEVE_TTL', a.u8],
  port: [5, 'IFLA_GENEVE_PORT', a.be16],
  collectMetadata: [6, 'IFLA_GENEVE_COLLECT_METADATA', a.flag],
  remote6: [7, 'IFLA_GENEVE_REMOTE6', a.ip],
});

const MACVLAN: Policy<MacvlanData> = policy<MacvlanData>({
  mode: [1, 'IFLA_MACVLAN_MODE', a.named(a.u32, MACVLAN_MODES)],
});

/** `IFLA_INFO_DATA` by kind of link, save for pairs, whose peers are links themselves. */
export const LINK_DATA: Readonly<Record<string, AttributeKind>> = {
  bridge: a.nest(BRIDGE),
  vlan: a.nest(VLAN),
  vxlan: a.nest(VXLAN),
  geneve: a.nest(GENEVE),
  macvlan: a.nest(MACVLAN),
  macvtap: a.nest(MACVLAN),
};
