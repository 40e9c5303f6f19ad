/** Rules of nftables in a namespace of a lab. Needs `tool('nft')`. */
import type { LabHost } from './lab-host.ts';

/** A rule that counts. */
export interface PacketCounter extends AsyncDisposable {
  /** Packets that have matched so far. */
  packets(): Promise<number>;
}

/** Where nftables looks at packets: of which type a chain is, where, and at what priority. */
const PLACES = {
  ingress: 'type filter hook ingress device "eth0" priority 0',
  prerouting: 'type filter hook prerouting priority -300',
  output: 'type filter hook output priority 0',
  forward: 'type filter hook forward priority 0',
  masquerade: 'type nat hook postrouting priority 100',
} as const;

/** One rule in a table of its own: what is counted can go on to be dropped or masqueraded. */
export async function addNftRule(
  host: LabHost,
  name: string,
  place: keyof typeof PLACES,
  match: string,
  verdict = '',
): Promise<PacketCounter> {
  const [table, type] = place === 'ingress' ? ['netdev', PLACES.ingress] : ['inet', PLACES[place]];
  const rule = `${match} counter ${verdict}`.trim();
  await host.exec('nft', `table ${table} test-${name} { chain only { ${type}; ${rule}; }; }`);
  return {
    async packets() {
      const text = await host.exec('nft', 'list', 'table', table, `test-${name}`);
      return Number(/counter packets (\d+)/.exec(text)?.[1] ?? NaN);
    },
    async [Symbol.asyncDispose]() {
      await host.exec('nft', 'delete', 'table', table, `test-${name}`);
    },
  };
}
