/**
 * The transparent proxy as a process of its own, in the network namespace that it is started in. Prints one JSON object a line: `ready` when it
 * listens, `connection` and `end` for each connection, `counters` when SIGTERM or SIGINT ends it, or its parent's channel.
 */
import { currentNetns, openSys } from 'netlink-tc';
import { TransparentProxy } from './proxy.ts';

const print = (event: string, fields: object): void => console.log(JSON.stringify({ event, ...fields }));

const sys = await openSys();
const netns = currentNetns(sys);
const proxy = await TransparentProxy.open(sys, netns, {
  onConnection: (connection) => print('connection', connection),
  onEnd: (connection, ending) => print('end', { ...connection, ...ending }),
});
let ending = false;
const end = async (): Promise<void> => {
  if (ending) return;
  ending = true;
  await proxy.close();
  netns.close();
  print('counters', proxy.counters);
  if (process.connected) process.disconnect();
};
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end());
// Who started it with a channel, and is gone, does not want it any more.
if (process.connected) process.on('disconnect', () => void end());
print('ready', { pid: process.pid, listeners: proxy.listeners });
