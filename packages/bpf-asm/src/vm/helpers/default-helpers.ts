import type { HelperTable } from '../helper.ts';
import { MAP_HELPERS } from './map-helpers.ts';
import { PACKET_HELPERS } from './packet-helpers.ts';
import { REDIRECT_HELPERS } from './redirect-helpers.ts';
import { SOCKET_HELPERS } from './socket-helpers.ts';
import { SYSTEM_HELPERS } from './system-helpers.ts';
import { VLAN_HELPERS } from './vlan-helpers.ts';

/** The helpers that the interpreter has, by their names without the prefix `bpf_`. */
export const DEFAULT_HELPERS: HelperTable = {
  ...MAP_HELPERS,
  ...PACKET_HELPERS,
  ...REDIRECT_HELPERS,
  ...SOCKET_HELPERS,
  ...SYSTEM_HELPERS,
  ...VLAN_HELPERS,
};
