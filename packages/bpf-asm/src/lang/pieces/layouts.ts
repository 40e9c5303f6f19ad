import {
  be16,
  ipv4Address,
  ipv6Address,
  struct,
  u16,
  u32,
  u64,
  u8,
  type AddressLayout,
  type IntegerLayout,
  type StructLayout,
} from '../../layout/index.ts';
import { hashMap, percpuArrayMap, type MapHandle } from '../maps.ts';

type U8 = IntegerLayout<number, 'u8'>;
type U16 = IntegerLayout<number, 'u16'>;
type U32 = IntegerLayout<number, 'u32'>;
type U64 = IntegerLayout<bigint, 'u64'>;

/** What a node knows of a pod. */
export const Pod: StructLayout<{ readonly ifindex: U32; readonly deliver: U8; readonly classify: U8 }> = struct('pod', {
  ifindex: u32,
  deliver: u8,
  classify: u8,
});

/** An address of either family; IPv4 is mapped into IPv6. */
export const AddressKey: StructLayout<{ readonly address: AddressLayout<'ipv6'> }> = struct('address_key', {
  address: ipv6Address,
});

/** An IPv4 address. */
export const Address4Key: StructLayout<{ readonly address: AddressLayout<'ipv4'> }> = struct('address4_key', {
  address: ipv4Address,
});

/** Pods by IPv4 address. */
export const pods4: MapHandle<'hash', typeof Address4Key, typeof Pod> = hashMap('pods4', {
  key: Address4Key,
  value: Pod,
  maxEntries: 4096,
});

/** Pods by address. */
export const pods: MapHandle<'hash', typeof AddressKey, typeof Pod> = hashMap('pods', {
  key: AddressKey,
  value: Pod,
  maxEntries: 4096,
});

/** Counters by verdict. */
export const verdicts: MapHandle<'percpu_array', U32, U64> = percpuArrayMap('verdicts', { value: u64, maxEntries: 8 });

/** Indices of {@link verdicts}. */
export const VERDICT = { captured: 0, bypassed: 1, spoofed: 2, delivered: 3, noListener: 4 } as const;

/** `struct bpf_tunnel_key`, as far as programs here look. */
export const TunnelKey: StructLayout<{
  readonly id: U32;
  readonly remote: AddressLayout<'ipv6'>;
  readonly tos: U8;
  readonly ttl: U8;
  readonly ext: U16;
  readonly label: U32;
  readonly local: AddressLayout<'ipv6'>;
}> = struct('bpf_tunnel_key', {
  id: u32,
  remote: ipv6Address,
  tos: u8,
  ttl: u8,
  ext: u16,
  label: u32,
  local: ipv6Address,
});

/** `struct bpf_sock_tuple` for IPv4. */
export const Tuple4: StructLayout<{
  readonly source: AddressLayout<'ipv4'>;
  readonly destination: AddressLayout<'ipv4'>;
  readonly sourcePort: IntegerLayout<number, 'be16'>;
  readonly destinationPort: IntegerLayout<number, 'be16'>;
}> = struct('tuple4', { source: ipv4Address, destination: ipv4Address, sourcePort: be16, destinationPort: be16 });

/** `struct bpf_sock_tuple` for IPv6. */
export const Tuple6: StructLayout<{
  readonly source: AddressLayout<'ipv6'>;
  readonly destination: AddressLayout<'ipv6'>;
  readonly sourcePort: IntegerLayout<number, 'be16'>;
  readonly destinationPort: IntegerLayout<number, 'be16'>;
}> = struct('tuple6', { source: ipv6Address, destination: ipv6Address, sourcePort: be16, destinationPort: be16 });
