/**
 * Makes 1,000 links that stay in the network namespace that the first argument names, says so, and then makes and deletes others
 * in bursts until it is killed.
 */
import { addLink, deleteLink, NetlinkSocket, openNetns, openSys } from '../src/index.ts';

const sys = await openSys();
const netns = openNetns(sys, { path: process.argv[2] ?? '' });
const socket = NetlinkSocket.open(sys, { netns });
const stay = Array.from({ length: 1000 }, (_, n) => addLink({ kind: 'bridge', name: `stay${n}` }));
await socket.batch(stay, { timeoutMs: 60_000 });
console.log('ready');
for (;;) {
  for (let n = 0; n < 8; n += 1) {
    await socket.request(addLink({ kind: 'bridge', name: `churn${n}` }));
    await new Promise(setImmediate);
  }
  await Promise.allSettled(socket.send(Array.from({ length: 8 }, (_, n) => deleteLink(`churn${n}`))));
  await new Promise((resolve) => setTimeout(resolve, 500));
}
