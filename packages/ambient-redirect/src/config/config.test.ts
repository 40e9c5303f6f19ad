import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tempDir } from '../../../../test/support/temp.ts';
import { isAmbientRedirectError } from '../error.ts';
import { loadConfig, loadPod, type AgentConfig } from './config.ts';
import { listenAddress } from './listen-address.ts';
import { parseConfig } from './parse.ts';
import { CONFIG, POD_FILE } from './schema.ts';

function load(text: string, name = 'agent.yaml'): AgentConfig {
  const path = join(tempDir(), name);
  writeFileSync(path, text);
  return loadConfig(path);
}

/** What is said against a text, without the file's name: a line for each problem. */
function complaints(text: string): string[] {
  try {
    parseConfig(text, CONFIG, 'F');
    return [];
  } catch (error) {
    if (!isAmbientRedirectError(error, 'ERR_CONFIG')) throw error;
    const said = (error.problems ?? []).map(
      ({ line, column, path, message }) => `${line}:${column}: ${path === '' ? '' : `${path} `}${message}`,
    );
    if (error.message !== said.map((line) => `F:${line}`).join('\n'))
      throw new Error('the message says something else', { cause: error });
    return said;
  }
}

const WHOLE = `
directory: /sys/fs/bpf/other
attach: tcx
order: head
priority: 7
steer: tproxy
ports: { outbound: 1, hbone: 2, plaintext: 3 }
routing: { table: 5, priority: 6, mark: { value: 0x10, mask: 0xff } }
podCidrs: [10.244.1.0/24, "fd00:10:244:1::/64"]
bypass: [169.254.169.254]
dns: true
withoutProxy: pass
proxy:
  netns: ztunnel
  pid: /run/ztunnel.pid
  interface: eth0
pods:
  - id: shop/cart-1
    netns: /run/netns/cart
    podInterface: eth0
    addresses: [10.244.1.5]
    policy: { dns: false, inbound: { excludePorts: [9090, 8000-8099] } }
  - { id: b, pid: 4711 }
  - { id: c, interface: veth1 }
podsDirectory: /run/pods
agent:
  socket: /run/a.sock
  listen: "[::]:9090"
  drainSeconds: 1
  reconcileSeconds: 2
`;

describe('a configuration', () => {
  test('becomes what the engine and the agent are given', () => {
    expect(load(WHOLE)).toEqual({
      engine: {
        directory: '/sys/fs/bpf/other',
        attach: 'tcx',
        order: 'head',
        priority: 7,
        steer: 'tproxy',
        ports: { outbound: 1, hbone: 2, plaintext: 3 },
        routing: { table: 5, priority: 6, mark: { value: 0x10, mask: 0xff } },
        podCidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
        bypass: ['169.254.169.254'],
        dns: true,
        withoutProxy: 'pass',
      },
      proxy: { netns: { name: 'ztunnel' }, pid: '/run/ztunnel.pid', interface: 'eth0' },
      pods: [
        {
          id: 'shop/cart-1',
          netns: { path: '/run/netns/cart' },
          podInterface: 'eth0',
          addresses: ['10.244.1.5'],
          policy: { dns: false, inbound: { excludePorts: [9090, '8000-8099'] } },
        },
        { id: 'b', netns: { pid: 4711 } },
        { id: 'c', hostInterface: 'veth1' },
      ],
      podsDirectory: '/run/pods',
      socket: '/run/a.sock',
      listen: { host: '::', port: 9090 },
      drainMs: 1000,
      reconcileMs: 2000,
    });
  });

  test('has defaults, and may be JSON with any white space', () => {
    const { engine, proxy, ...rest } = load('{\n\t"proxy": {\n\t\t"pid": 5\n\t}\n}\n', 'agent.json');
    expect(engine).toEqual({ directory: '/sys/fs/bpf/ambient' });
    expect(proxy).toEqual({ netns: { pid: 5 }, pid: 5 });
    expect(rest).toEqual({
      pods: [],
      podsDirectory: undefined,
      socket: '/run/ambient-redirect/agent.sock',
      listen: undefined,
      drainMs: 60_000,
      reconcileMs: 60_000,
    });
  });

  test('has its paths in one form, as they are compared', () => {
    const { engine, socket } = load('directory: /sys/fs/bpf//ambient/\nagent: { socket: /run/x/../a.sock }\n');
    expect([engine.directory, socket]).toEqual(['/sys/fs/bpf/ambient', '/run/a.sock']);
  });

  test('may use anchors, whose values are told where they are used', () => {
    const text = 'pods:\n- {id: a, pid: 1, policy: &p {dns: true}}\n- {id: b, pid: 2, policy: *p}\n';
    expect(load(text).pods[1]).toEqual({ id: 'b', netns: { pid: 2 }, policy: { dns: true } });
    expect(complaints(text.replace('true', '1'))).toEqual([
      '2:36: pods[0].policy.dns is true or false; it is 1',
      '2:36: pods[1].policy.dns is true or false; it is 1',
    ]);
  });

  test('that is not there, or cannot be read, is told as such', () => {
    expect(() => loadConfig('/nonexistent/agent.yaml')).toThrow('/nonexistent/agent.yaml: there is no such file');
    expect(() => loadConfig(tempDir())).toThrow(/it cannot be read: EISDIR$/);
  });
});

test('all that is wrong is told at once, each by line, column and path', () => {
  const text = `attach: tc
podCidr: [10.0.0.0/8]
ports:
  outbound: 70000
  hbon: 5
podCidrs:
  - 10.0.0.0/8
  - 10.0.0.1/8
pods:
  - netns: relative/path
  - id: b
    policy:
      inbound:
        excludePort: [1]
        excludePorts: [1, 0, "a"]
agent: []
`;
  expect(complaints(text)).toEqual([
    '1:9: attach is one of auto, tcx, clsact; it is "tc"',
    '2:1: podCidr is no key that is known here; did you mean podCidrs?',
    '4:13: ports.outbound is a whole number from 1 to 65535; it is 70000',
    '5:3: ports.hbon is no key that is known here; did you mean hbone?',
    '8:5: podCidrs[1] has bits after its length: write 10.0.0.0/8, or 10.0.0.1/32; it is "10.0.0.1/8"',
    '10:5: pods[0].id is missing',
    '10:12: pods[0].netns is an absolute path, or a name below /run/netns; it is "relative/path"',
    '14:9: pods[1].policy.inbound.excludePort is no key that is known here; did you mean excludePorts?',
    "15:27: pods[1].policy.inbound.excludePorts[1] is a port from 1 to 65535, or a range such as '8000-8099'; it is 0",
    '15:30: pods[1].policy.inbound.excludePorts[2] is a port from 1 to 65535, or a range such as \'8000-8099\'; it is "a"',
    '16:8: agent is an object; it is []',
  ]);
});

test.each([
  ['', ['1:1: is an object; it is empty']],
  ['- a', ['1:1: is an object; it is ["a"]']],
  ['pods:', ['1:6: pods is a list; it is empty']],
  ['dns: yes', ['1:6: dns is true or false; it is "yes"']],
  ['dns: true\ndns: false', ['2:1: Map keys must be unique']],
  ['dns: [', ['1:7: Flow sequence in block collection must be sufficiently indented and end with a ]']],
  ['dns: *x', ['1:6: there is no anchor x before it']],
  ['xyzzy: 1', [expect.stringMatching(/^1:1: xyzzy is no key that is known here; there may be directory, attach, /)]],
  ['proxy: {}', ['1:8: proxy has no netns, and no process id as pid']],
  ['proxy: {pid: /run/p}', ['1:8: proxy has no netns, and no process id as pid']],
  ['proxy: {netns: a, pid: p}', ['1:24: proxy.pid is an absolute path; it is "p"']],
  ['pods: [{id: a}]', ['1:8: pods[0] has none of netns, pid and interface']],
  ['pods: [{id: a, netns: b, pid: 1}]', ['1:8: pods[0] has netns and pid: one of them says it']],
  ['pods: [{id: a, podInterface: b, interface: c}]', ['1:8: pods[0] has podInterface, but neither netns nor pid']],
  ['pods: [{id: a, pid: 1}, {id: a, pid: 2}]', ['1:30: pods[1].id is the name of another pod above']],
  ['ports: {hbone: 15001}', [expect.stringMatching(/^1:8: ports are different from each other/)]],
  ['podCidrs: [10.0.0.0/8, 11.0.0.0/8]', [expect.stringMatching(/^1:11: podCidrs has several prefixes of one family/)]],
  [
    'routing: {mark: {value: 16, mask: 15}}',
    [expect.stringMatching(/^1:17: routing.mark has a value within its mask/)],
  ],
  [
    'agent: {listen: "localhost:1"}',
    [expect.stringMatching(/^1:17: agent.listen is a port, or an address and a port/)],
  ],
  ['agent: {socket: a}', ['1:17: agent.socket is an absolute path; it is "a"']],
  [
    `pods: [{id: ${'x'.repeat(254)}, pid: 1}, {id: ${'y'.repeat(253)}, pid: 1}]`,
    ['1:13: pods[0].id is a text of up to 253 characters'],
  ],
  [
    'pods: [{id: a, pid: 1, addresses: [10.0.0.1, 10.0.0, "fe80::1%eth0", "::1"]}]',
    [
      '1:46: pods[0].addresses[1] is an address of IPv4 or IPv6; it is "10.0.0"',
      '1:54: pods[0].addresses[2] is an address of IPv4 or IPv6; it is "fe80::1%eth0"',
    ],
  ],
  [
    `pods: [{id: a, pid: 1, policy: {inbound: {excludePorts: [${Array.from({ length: 65 }, (_, at) => at * 2 + 1).join()}]}}}]`,
    ['1:57: pods[0].policy.inbound.excludePorts has at most 64 ranges; it is 65'],
  ],
  [
    'proxy: {netns: "/a\\0b"}',
    ['1:16: proxy.netns is an absolute path, or a name below /run/netns; it is "/a\\u0000b"'],
  ],
])('%j is refused', (text, expected) => {
  expect(complaints(text)).toEqual(expected);
});

test('whatever is in a file, it is understood or refused by ERR_CONFIG', () => {
  const keys = fc.constantFrom(
    'pods',
    'proxy',
    'ports',
    'agent',
    'dns',
    'id',
    'netns',
    'policy',
    'podCidrs',
    'inbound',
    'x',
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue({ maxDepth: 0 }),
      fc.array(tie('value')),
      fc.dictionary(keys, tie('value')),
    ),
  }));
  const text = fc.oneof(
    value.map((one) => JSON.stringify(one)),
    fc.string(),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(text, (given) => {
      const said = complaints(given);
      expect(said.filter((line) => !/^[1-9]\d*:[1-9]\d*: ./s.test(line))).toEqual([]);
    }),
  );
});

test('a file of a pod has its name as its id, unless it says another', () => {
  const directory = tempDir();
  const file = join(directory, 'cart.yaml');
  writeFileSync(file, 'netns: cart\n');
  expect(loadPod(file, 'cart')).toEqual({ id: 'cart', netns: { name: 'cart' } });
  writeFileSync(file, '{"id": "shop/cart", "pid": 4}');
  expect(loadPod(file, 'cart')).toEqual({ id: 'shop/cart', netns: { pid: 4 } });
  writeFileSync(file, 'netn: cart\n');
  expect(() => loadPod(file, 'cart')).toThrow(`${file}:1:1: netn is no key that is known here; did you mean netns?`);
});

test.each([
  [9090, '127.0.0.1', 9090],
  ['9090', '127.0.0.1', 9090],
  ['10.0.0.1:80', '10.0.0.1', 80],
  ['[::1]:80', '::1', 80],
])('%s is %s port %i', (given, host, port) => {
  expect(listenAddress(given)).toEqual({ host, port });
});

test.each(['', ':80', '::1:80', '[::1]', '[1.2.3.4]:80', '1.2.3.4:70000', 'a:80', '-1', '1.5', 70000, -1, NaN])(
  'nothing listens at %s',
  (given) => {
    expect(listenAddress(given)).toBe(undefined);
  },
);

describe('what is given to users is right', () => {
  const root = join(import.meta.dirname, '../../../..');

  test('docs/configuration.md', () => {
    const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
    const blocks = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => text);
    expect(blocks).toHaveLength(2);
    expect(parseConfig(blocks[0] ?? '', CONFIG, 'page').pods?.map(({ id }) => id)).toEqual(['shop/cart-1']);
    expect(parseConfig(blocks[1] ?? '', POD_FILE, 'page').id).toBe('shop/cart-2');
  });

  test('deploy/agent.yaml', () => {
    expect(loadConfig(join(root, 'deploy/agent.yaml')).proxy).toEqual({ netns: { path: '/run/netns/ztunnel' } });
  });
});
