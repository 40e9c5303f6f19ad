/**
 * Links, addresses, qdiscs and filters against ip and tc: 500 veth pairs made and taken away, 1,000 links listed. Needs root, ip
 * and tc; works in a network namespace of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  addAddress,
  addFilter,
  addLink,
  addQdisc,
  createAnonymousNetns,
  deleteLink,
  deleteLinks,
  listLinks,
  NetlinkSocket,
  openSys,
  U32_ALL,
  type Request,
} from 'netlink-tc';

const PAIRS = 500;
const SINGLE_PAIRS = 25;
const ROUNDS = 3;
/** A group of its own for what ip is to delete together. */
const GROUP = 42;

const sys = await openSys();
const directory = mkdtempSync(join(tmpdir(), 'ambient-bench-'));

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** The commands for one pair, as ip and tc take them; the first of each pair has the index 10 + 2n. */
function commands(n: number): { ip: string[]; tc: string[] } {
  const index = 10 + 2 * n;
  const filter = `filter add dev a${n} ingress protocol all pref`;
  return {
    ip: [
      `link add a${n} index ${index} type veth peer name b${n} index ${index + 1}`,
      `address add 10.${n >> 8}.${n & 255}.1/32 dev a${n}`,
    ],
    tc: [
      `qdisc add dev a${n} clsact`,
      `${filter} 1 u32 match u32 0 0 action mirred egress redirect dev b${n}`,
      `${filter} 2 u32 match u32 0 0 action mirred egress redirect dev b${n}`,
    ],
  };
}

function requests(n: number): Request[] {
  const index = 10 + 2 * n;
  const actions = [
    {
      kind: 'mirred',
      options: { parameters: { index: 0, capab: 0, action: 4, refcnt: 0, bindcnt: 0, eaction: 1, ifindex: index + 1 } },
    },
  ];
  const filter = { device: index, parent: 'ingress', kind: 'u32', options: { selector: U32_ALL, actions } } as const;
  return [
    addLink({ kind: 'veth', name: `a${n}`, index, peer: { name: `b${n}`, index: index + 1 } }),
    addAddress({ device: index, address: `10.${n >> 8}.${n & 255}.1/32` }),
    addQdisc({ device: index, kind: 'clsact' }),
    addFilter({ ...filter, priority: 1 }),
    addFilter({ ...filter, priority: 2 }),
  ];
}

/** A namespace to work in, and how to run commands there. */
interface Inside {
  readonly socket: NetlinkSocket;
  readonly run: (...words: string[]) => void;
}

async function inside<T>(work: (inside: Inside) => Promise<T>): Promise<T> {
  using netns = createAnonymousNetns(sys);
  using socket = NetlinkSocket.open(sys, { netns, timeoutMs: 120_000 });
  const path = `/proc/${process.pid}/fd/${netns.fd}`;
  const run = (...words: string[]): void => {
    const { status, stderr } = spawnSync('nsenter', [`--net=${path}`, ...words], {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    });
    if (status !== 0) throw new Error(`${words.join(' ')}: ${stderr}`);
  };
  return await work({ socket, run });
}

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Makes the pairs and takes them away; milliseconds a pair of each. */
async function both(
  count: number,
  make: (at: Inside) => unknown,
  remove: (at: Inside) => unknown,
): Promise<[number, number]> {
  return inside(async (at) => [(await timed(() => make(at))) / count, (await timed(() => remove(at))) / count]);
}

const numbers = Array.from({ length: PAIRS }, (_, n) => n);
const files = {
  ip: join(directory, 'ip'),
  tc: join(directory, 'tc'),
  each: join(directory, 'each'),
  together: join(directory, 'together'),
};
writeFileSync(files.ip, numbers.flatMap((n) => commands(n).ip).join('\n'));
writeFileSync(files.tc, numbers.flatMap((n) => commands(n).tc).join('\n'));
writeFileSync(files.each, numbers.map((n) => `link del a${n}`).join('\n'));
writeFileSync(
  files.together,
  [...numbers.map((n) => `link set a${n} group ${GROUP}`), `link del group ${GROUP}`].join('\n'),
);

// Of each way, milliseconds a pair to make it, and to take it away.
const rounds: Record<'ours' | 'oursEach' | 'batch' | 'batchEach' | 'single', [number, number][]> = {
  ours: [],
  oursEach: [],
  batch: [],
  batchEach: [],
  single: [],
};
const make = ({ socket }: Inside): unknown => socket.batch(numbers.flatMap(requests));
const makeByBatch = ({ run }: Inside): void => {
  run('ip', '-batch', files.ip);
  run('tc', '-batch', files.tc);
};
for (let round = 0; round < ROUNDS; round += 1) {
  const names = numbers.map((n) => `a${n}`);
  rounds.ours.push(await both(PAIRS, make, ({ socket }) => socket.batch(deleteLinks(names))));
  rounds.oursEach.push(await both(PAIRS, make, ({ socket }) => socket.batch(names.map(deleteLink))));
  rounds.batch.push(await both(PAIRS, makeByBatch, ({ run }) => run('ip', '-batch', files.together)));
  rounds.batchEach.push(await both(PAIRS, makeByBatch, ({ run }) => run('ip', '-batch', files.each)));
  const few = numbers.slice(0, SINGLE_PAIRS);
  rounds.single.push(
    await both(
      SINGLE_PAIRS,
      ({ run }) => {
        for (const n of few) {
          for (const words of commands(n).ip) run('ip', ...words.split(' '));
          for (const words of commands(n).tc) run('tc', ...words.split(' '));
        }
      },
      ({ run }) => {
        for (const n of few) run('ip', 'link', 'del', `a${n}`);
      },
    ),
  );
}
const lists: [number, number][] = [];
await inside(async ({ socket, run }) => {
  await socket.batch(numbers.map((n) => addLink({ kind: 'veth', name: `a${n}`, peer: { name: `b${n}` } })));
  for (let round = 0; round < ROUNDS * 3; round += 1) {
    lists.push([await timed(() => socket.request(listLinks())), await timed(() => run('ip', '-j', 'link'))]);
  }
  const { length } = await socket.request(listLinks());
  if (length !== 2 * PAIRS + 1) throw new Error(`${length} links`);
});
rmSync(directory, { recursive: true });

const medians = (each: readonly [number, number][]): [number, number] => [
  median(each.map(([first]) => first)),
  median(each.map(([, second]) => second)),
];
const show = (value: number): string => value.toPrecision(3);
function line(title: string, ours: number, peer: string, theirs: number): void {
  console.log(`${title}: netlink-tc ${show(ours)} ms, ${peer} ${show(theirs)} ms, ratio ${show(theirs / ours)}`);
}
const { ours, oursEach, batch, batchEach, single } = {
  ours: medians(rounds.ours),
  oursEach: medians(rounds.oursEach),
  batch: medians(rounds.batch),
  batchEach: medians(rounds.batchEach),
  single: medians(rounds.single),
};
const what = 'a veth pair with address, clsact and two filters';
line(`make ${what}`, ours[0], 'ip -batch and tc -batch', batch[0]);
line(`make ${what}`, ours[0], 'single ip and tc', single[0]);
// `deleteLinks` puts the links into a group and deletes that; ip can be told to do so too, and mostly is told to delete each.
line('take it away by deleteLinks', ours[1], 'ip -batch, each by itself', batchEach[1]);
line('take it away by deleteLinks', ours[1], 'ip -batch, by a group too', batch[1]);
line('take it away by deleteLinks', ours[1], 'single ip', single[1]);
line('take it away by deleteLink, each by itself', oursEach[1], 'ip -batch, each by itself', batchEach[1]);
line('take it away by deleteLink, each by itself', oursEach[1], 'single ip', single[1]);
line('make it and take it away', ours[0] + ours[1], 'ip -batch and tc -batch', batchEach[0] + batchEach[1]);
line('make it and take it away', ours[0] + ours[1], 'single ip and tc', single[0] + single[1]);
const [list, ipList] = medians(lists);
line(`list ${2 * PAIRS + 1} links`, list, 'ip -j link', ipList);
