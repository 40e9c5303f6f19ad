/**
 * Prints what becomes of the links of this machine: first those that are there, then every change. Ends with Ctrl-C, or after the
 * number of milliseconds that the first argument gives. Needs no privilege.
 */
import { linkSource, Monitor, openSys, type Link } from 'netlink-tc';

const line = ({ index, name, kind = 'hardware', up, operState, mtu }: Link): string =>
  `${index} ${name} (${kind}) ${up ? 'up' : 'down'}, ${operState}, mtu ${mtu}`;

const controller = new AbortController();
process.once('SIGINT', () => controller.abort());
const patience = process.argv[2];
if (patience !== undefined) setTimeout(() => controller.abort(), Number(patience));

const monitor = Monitor.open(await openSys(), linkSource(), { signal: controller.signal });
for await (const event of monitor) {
  if (event.type === 'ready') console.log(`watching ${monitor.values.length} links`);
  else if (event.type === 'resync') console.log('too much at once: what changed meanwhile follows');
  else console.log(`${event.type}: ${line(event.value)}`);
}
