import type { Program } from '../../asm/index.ts';
import { appInbound } from './app-inbound.ts';
import { appOutbound } from './app-outbound.ts';
import { firewall, printer, protocolCounter, vipDrop } from './classics.ts';
import { hostIn } from './host-in.ts';
import { steer } from './steer.ts';
import { tproxy } from './tproxy.ts';

const PROXY = { ifindex: 7, mac: '02:00:00:00:00:07' } as const;
const POD4 = ['10.244.1.5'] as const;
const POD6 = ['fd00:1::5'] as const;

/**
 * The language's own test pieces: programs of the shapes that matter, each with the name of its twin in C. They are what its code is measured by.
 */
export const PIECES: Readonly<Record<string, () => Program>> = {
  app_outbound_v4: () => appOutbound({ proxy: PROXY.ifindex, addresses4: POD4 }),
  app_outbound_v4_count: () =>
    appOutbound({ proxy: PROXY.ifindex, addresses4: POD4, bypass4: '169.254.0.0/16', count: true }),
  app_outbound_dual: () => appOutbound({ proxy: PROXY.ifindex, addresses4: POD4, addresses6: POD6 }),
  app_outbound_dual_full: () =>
    appOutbound({
      proxy: PROXY.ifindex,
      addresses4: POD4,
      addresses6: POD6,
      bypass4: '169.254.0.0/16',
      bypass6: 'fd00:9::/32',
      dns: true,
      count: true,
    }),
  app_inbound_v4: () => appInbound({ proxy: PROXY, host4: ['10.0.0.1', '10.244.1.1'] }),
  app_inbound_dual: () =>
    appInbound({ proxy: PROXY, host4: ['10.0.0.1', '10.244.1.1'], host6: ['fd00::1'], count: true }),
  host_in_v4: () => hostIn('ipv4'),
  host_in_dual: () => hostIn('both'),
  steer_v4: () => steer({ ifindex: 2, families: 'ipv4' }),
  steer_dual: () => steer({ ifindex: 2, families: 'both', dns: true }),
  tproxy_v4: () => tproxy({ families: 'ipv4', port: 15001, mark: 0x400 }),
  tproxy_dual: () => tproxy({ families: 'both', port: 15001, mark: 0x400 }),
  printer: () => printer(),
  vip_drop: () => vipDrop(),
  proto_count: () => protocolCounter(),
  firewall: () => firewall(),
};
