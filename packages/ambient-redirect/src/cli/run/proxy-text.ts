import type { ProxyState } from '../../engine/index.ts';
import type { Output } from '../output.ts';

/** The proxy in words, one thing a line. */
export function proxyText(proxy: ProxyState, output: Output): string {
  const { status, pid, netnsInode, hostInterface, ownInterface, addresses, steering, listeners, missing } = proxy;
  const isUp = status === 'listening';
  const listening = listeners.map(({ purpose, family, address, port }) => {
    const at = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    return `  ${purpose.padEnd(10)} ${family}  ${at}`;
  });
  return [
    `status      ${output.paint(isUp ? 'green' : 'red', status)}${pid === undefined ? '' : `, process ${pid}`}`,
    ...missing.map((each) => `            ${output.paint(isUp ? 'yellow' : 'red', each)}`),
    `namespace   ${netnsInode}`,
    `interface   ${ownInterface.name} (${ownInterface.mac}), on the host ${hostInterface.name}`,
    `addresses   ${[...addresses.ipv4, ...addresses.ipv6].join(', ')}`,
    `steered by  ${steering.mode}: ${steering.reason}`,
    ...(listening.length === 0 ? [] : ['listeners', ...listening]),
  ].join('\n');
}
