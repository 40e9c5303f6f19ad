/**
 * What it takes to enroll 200 pods together, by both kinds of hook, preserving open connections and not, with the programs compiled before; against
 * the least that anyone has to do: tc in batch mode, with one qdisc and two filters an interface. Needs root and tc; works in network namespaces of its
 * own.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createAnonymousNetns, addAddress, addLink, NetlinkSocket, openSys, setLink, type Netns } from 'netlink-tc';
import { RedirectEngine } from 'ambient-redirect';

const PODS = 200;
const FIRST = 100;

const sys = await openSys();

interface Node extends Disposable {
  readonly netns: Netns;
  readonly pods: readonly Netns[];
}

/** A node with pods, each with an address of both families. */
async function makeNode(): Promise<Node> {
  const netns = createAnonymousNetns(sys);
  const socket = NetlinkSocket.open(sys, { netns });
  const pods = Array.from({ length: PODS }, () => createAnonymousNetns(sys));
  for (const [at, pod] of pods.entries()) {
    const peer = { name: 'eth0', index: 2, netns: { fd: pod.fd } };
    await socket.request(addLink({ kind: 'veth', name: `v${at}`, index: FIRST + at, up: true, peer }));
    using inside = NetlinkSocket.open(sys, { netns: pod });
    await inside.batch([
      setLink('eth0', { up: true }),
      addAddress({ device: 2, address: `10.99.0.${at + 1}/32` }),
      addAddress({ device: 2, address: `fd00:99::${(at + 1).toString(16)}/128`, flags: 2 }),
    ]);
  }
  socket.close();
  return {
    netns,
    pods,
    [Symbol.dispose]: () => {
      for (const each of [...pods, netns]) each.close();
    },
  };
}

async function enroll(attach: 'tcx' | 'clsact', established: 'preserve' | 'reset'): Promise<void> {
  using node = await makeNode();
  const engine = await RedirectEngine.open({
    sys,
    directory: `/sys/fs/bpf/ambient-bench-${randomBytes(4).toString('hex')}`,
    host: { fd: node.netns.fd },
    podCidrs: ['10.99.0.0/24', 'fd00:99::/112'],
    attach,
  });
  const requests = node.pods.map(({ fd }, at) => ({ id: `pod-${at}`, netns: { fd } }));
  const [first] = requests;
  if (first === undefined) throw new Error('no pods');
  // Compiles and loads the programs.
  await engine.enroll(first, { established });
  await engine.unenroll(first.id);
  const before = process.memoryUsage().rss;
  const begin = performance.now();
  await engine.enroll(requests, { established });
  const enrolled = performance.now();
  await engine.unenroll(requests.map(({ id }) => id));
  const end = performance.now();
  const memory = ((process.memoryUsage().rss - before) / PODS / 1024).toFixed(0);
  const each = (ms: number): string => `${(ms / PODS).toFixed(2)} ms`;
  console.log(
    `  ${attach.padEnd(6)} ${established.padEnd(8)} ${each(enrolled - begin)} a pod, unenrolled in ${each(end - enrolled)}, ${memory} KiB of memory a pod`,
  );
  await engine.teardown();
}

async function byTc(): Promise<void> {
  using node = await makeNode();
  const lines = Array.from({ length: PODS }, (_, at) => [
    `qdisc add dev v${at} clsact`,
    ...['ingress', 'egress'].map((side) => `filter add dev v${at} ${side} pref 1 u32 match u32 0 0 flowid 1:1`),
  ]).flat();
  const begin = performance.now();
  const { status, stderr } = node.netns.run(() =>
    spawnSync('tc', ['-batch', '-'], { input: `${lines.join('\n')}\n`, encoding: 'utf8' }),
  );
  if (status !== 0) throw new Error(stderr);
  console.log(
    `  tc -batch       ${((performance.now() - begin) / PODS).toFixed(2)} ms an interface, for the qdisc and two filters alone`,
  );
}

console.log(`\nEnrolling ${PODS} pods together`);
await byTc();
for (const attach of ['clsact', 'tcx'] as const) {
  for (const established of ['reset', 'preserve'] as const) await enroll(attach, established);
}
