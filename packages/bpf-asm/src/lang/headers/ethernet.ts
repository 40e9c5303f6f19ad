import {
  be16,
  macAddress,
  struct,
  type AddressLayout,
  type IntegerLayout,
  type StructLayout,
} from '../../layout/index.ts';

type Be16 = IntegerLayout<number, 'be16'>;
type Mac = AddressLayout<'mac'>;

/** Ethernet header (`struct ethhdr`, `include/uapi/linux/if_ether.h`). */
export const Ethernet: StructLayout<{ readonly destination: Mac; readonly source: Mac; readonly type: Be16 }> = struct(
  'ethhdr',
  { destination: macAddress, source: macAddress, type: be16 },
  { packed: true },
);

/** VLAN tag (802.1Q): 3 bits priority, 1 bit drop eligible, 12 bits VLAN; then the type of what follows. */
export const Vlan: StructLayout<{ readonly tag: Be16; readonly type: Be16 }> = struct(
  'vlan_hdr',
  { tag: be16, type: be16 },
  { packed: true },
);
