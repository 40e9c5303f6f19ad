/** Nodes to make reports of, as an engine would tell of them. */
import type { ChainLine, InterfaceChain } from '../src/chain/index.ts';
import type { PodStatus } from '../src/engine/index.ts';
import type { TrafficCount } from '../src/observe/index.ts';
import type { ReportData } from '../src/report/report-data.ts';

/** What is different from a node where all is well. */
export interface NodeOptions {
  readonly pods: number;
  /** Some pods have lost a program, an interface or their place on the hook; the proxy is away; settings were changed. */
  readonly broken?: boolean;
  /** Something between the names: markup, or long ones. */
  readonly name?: (index: number) => string;
}

const TAKEN = '2026-03-01T12:00:00.000Z';

function entry(name: string, changes: Partial<ChainLine> = {}): ChainLine {
  return {
    layer: 'tcx',
    name,
    ours: true,
    program: { id: 400 + name.length, tag: '515f0a3214e59e89' },
    linkId: 12,
    filter: undefined,
    returns: ['unspec', 'shot', 'redirect'],
    verdicts: ['next', 'drop', 'redirect'],
    reached: 'always',
    shadowedBy: [],
    ...changes,
  };
}

const NEIGHBOUR: ChainLine = entry('cil_from_container', {
  ours: false,
  program: { id: 77, tag: 'a04f5eef06a7f555' },
  returns: ['ok', 'shot'],
  verdicts: ['pass', 'drop'],
});

function podOf(index: number, { broken = false, name = podName }: NodeOptions): PodStatus {
  const kind = broken ? index % 5 : -1;
  const interfaceName = `veth${(0xa1b2c3 + index * 7919).toString(16)}`;
  const attached = kind !== 1;
  const programOf = (program: string, there: boolean): PodStatus['hooks'][number]['program'] =>
    there ? { id: 400 + program.length, name: program, tag: '515f0a3214e59e89' } : undefined;
  return {
    id: name(index),
    slot: index + 1,
    status: kind === 0 ? 'missing' : kind === 1 ? 'degraded' : kind === 3 ? 'draining' : 'enrolled',
    problems:
      kind === 0
        ? [`its interface ${interfaceName} is gone: reconcile unenrolls it`]
        : kind === 1
          ? ['app_outbound was detached by someone else']
          : [],
    warnings:
      kind === 2
        ? [`program cil_from_contai (id 77) of tcx on ingress of ${interfaceName} can end the hook before app_outbound`]
        : [],
    mode: index % 4 === 0 ? 'preserve' : 'full',
    addresses: [`10.244.1.${index + 5}`, `fd00:10:244:1::${(index + 5).toString(16)}`],
    hostInterface: { index: index + 11, name: interfaceName },
    hooks: [
      {
        direction: 'ingress',
        attached: 'tcx',
        status: kind === 0 ? 'device-gone' : attached ? 'ours' : 'gone',
        program: programOf('app_outbound', attached && kind !== 0),
      },
      {
        direction: 'egress',
        attached: 'tcx',
        status: kind === 0 ? 'device-gone' : 'ours',
        program: programOf('app_inbound', kind !== 0),
      },
    ],
  };
}

function podName(index: number): string {
  const names = [
    'shop/cart',
    'shop/checkout',
    'payments/ledger-writer',
    'default/productpage-v1',
    'monitoring/prometheus-k8s',
  ];
  return `${names[index % names.length]}-${(7_919 * (index + 3)).toString(36)}`;
}

function chainsOf(pod: PodStatus, index: number, broken: boolean): InterfaceChain[] {
  const [ingress, egress] = pod.hooks;
  const { index: device, name } = pod.hostInterface;
  const shadowed = broken && index % 5 === 2;
  const inEntries: ChainLine[] = [
    ...(shadowed ? [NEIGHBOUR] : []),
    ...(ingress?.status === 'ours'
      ? [entry('app_outbound', shadowed ? { reached: 'never', shadowedBy: [0] } : {})]
      : []),
    ...(index % 3 === 1
      ? [
          entry('bandwidth', {
            ours: false,
            layer: 'clsact',
            reached: 'maybe',
            shadowedBy: [0],
            filter: { kind: 'bpf', priority: 49_152, handle: 1, protocol: 3 },
          }),
          entry('matchall', {
            ours: false,
            layer: 'clsact',
            program: undefined,
            returns: [],
            verdicts: ['unknown'],
            reached: 'maybe',
            shadowedBy: [0],
          }),
        ]
      : []),
  ];
  return [
    { interface: name, where: 'host', index: device, direction: 'ingress', entries: inEntries, passes: 'maybe' },
    {
      interface: name,
      where: 'host',
      index: device,
      direction: 'egress',
      entries: egress?.status === 'ours' ? [entry('app_inbound')] : [],
      passes: 'maybe',
    },
  ];
}

function trafficOf(index: number, broken: boolean): TrafficCount[] {
  if (index % 7 === 3) return [];
  const many = BigInt((index + 1) * (index + 3) * 1_237);
  const of = (
    direction: TrafficCount['direction'],
    verdict: TrafficCount['verdict'],
    packets: bigint,
  ): TrafficCount => ({
    direction,
    family: index % 2 === 0 ? 'ipv4' : 'ipv6',
    verdict,
    packets,
    bytes: packets * 640n,
  });
  return [
    of('outbound', 'captured', many),
    of('outbound', 'host', 12n),
    of('outbound', 'other', 40n),
    of('inbound', 'captured', many / 3n),
    of('inbound', 'delivered', many * 2n),
    ...(broken ? [of('outbound', 'droppedWithoutProxy', 7n * BigInt(index + 1)), of('inbound', 'spoofed', 2n)] : []),
  ];
}

function proxyOf(broken: boolean): NonNullable<ReportData['status']['proxy']> {
  const families = ['ipv4', 'ipv6'] as const;
  const listeners = broken
    ? []
    : (
        [
          ['outbound', 15_001],
          ['hbone', 15_008],
          ['plaintext', 15_006],
        ] as const
      ).flatMap(([purpose, port]) =>
        families.map((family) => ({ purpose, port, family, address: family === 'ipv4' ? '0.0.0.0' : '::' })),
      );
  return {
    netnsInode: '4026532573',
    pid: broken ? undefined : 4711,
    hostInterface: { index: 9, name: 'veth9ztunnel' },
    ownInterface: { index: 2, name: 'eth0', mac: '0a:58:0a:f4:01:04' },
    addresses: { ipv4: ['10.244.1.4'], ipv6: ['fd00:10:244:1::4'] },
    steering: { mode: 'sk_lookup', reason: 'the kernel has it' },
    tags: undefined,
    listeners,
    status: broken ? 'away' : 'listening',
    missing: broken
      ? ['outbound ipv4: nothing listens on tcp port 15001', 'plaintext ipv4: nothing listens on tcp port 15006']
      : [],
    hostIn: {
      direction: 'ingress',
      attached: 'tcx',
      status: 'ours',
      program: { id: 415, name: 'ztunnel_host_in', tag: '88aa0f3214e59e89' },
    },
  };
}

/** A node with so many pods. */
export function reportNode(options: NodeOptions): ReportData {
  const { pods: count, broken = false } = options;
  const pods = Array.from({ length: count }, (_, index) => podOf(index, options));
  const proxy = proxyOf(broken);
  const problems = [
    ...(broken
      ? [{ subject: 'proxy', what: `is away (${proxy.missing.join('; ')}): what is captured is dropped` }]
      : []),
    ...pods.flatMap(({ id, problems: all }) => all.map((what) => ({ subject: id, what }))),
  ];
  const settings = [
    { what: 'net/ipv4/conf/eth0/forwarding of the proxy', found: broken ? '1' : '0', wanted: '0', before: '1' },
    { what: 'net/ipv4/conf/all/rp_filter of the host', found: '0', wanted: '0', before: '2' },
    {
      what: 'ipv4 rule 20000: iif eth0 lookup 100',
      found: broken ? undefined : 'present',
      wanted: 'present',
      before: undefined,
    },
  ];
  const program = (name: string, hooks: readonly string[]): ReportData['status']['programs'][number] => ({
    id: 400 + name.length,
    name,
    tag: '515f0a3214e59e89',
    digest: '0123456789abcdef0123456789abcdef',
    loaded: '2026-02-26T08:30:00.000Z',
    hooks,
    verifiedInstructions: 1_204,
    machineCode: 3_300,
    runs: 1_234_567n,
    runTimeNs: 14_814_804n,
  });
  return {
    taken: TAKEN,
    node: 'kind-worker2.example',
    kernel: '6.12.9-amd64',
    version: '0.1.0',
    measured: undefined,
    status: {
      directory: '/sys/fs/bpf/ambient',
      build: '705e8c4de8f3f4a4ae03a63de0b2c28f',
      ok: problems.length === 0,
      problems,
      warnings: pods.flatMap(({ id, warnings }) => warnings.map((what) => ({ subject: id, what }))),
      proxy,
      leaving: undefined,
      steer: 'auto',
      attach: { wanted: 'auto', mode: 'tcx', reason: 'the kernel has it' },
      withoutProxy: 'drop',
      pods,
      deviations: broken ? [{ what: 'ztunnel_steer of the proxy', found: undefined, wanted: 'attached' }] : [],
      settings,
      programs: [
        program(
          'app_outbound',
          pods.map(({ hostInterface }) => `${hostInterface.name} ingress`),
        ),
        program(
          'app_inbound',
          pods.map(({ hostInterface }) => `${hostInterface.name} egress`),
        ),
        program('ztunnel_host_in', ['veth9ztunnel ingress']),
        program('ztunnel_steer', ["sk_lookup of the proxy's namespace"]),
      ],
      maps: [
        { name: 'counters', holds: 'pods', entries: count, limit: 511, evicts: false, isNearlyFull: false },
        {
          name: 'direct',
          holds: 'connections past the proxy',
          entries: broken ? 60_000 : 12,
          limit: 65_536,
          evicts: false,
          isNearlyFull: broken,
        },
        {
          name: 'exempt',
          holds: 'connections told by their SYN',
          entries: 32_768,
          limit: 32_768,
          evicts: true,
          isNearlyFull: false,
        },
      ],
      hostAddresses: ['172.18.0.3', '10.244.1.1', 'fc00:f853:ccd:e793::3', 'fe80::1'],
      ...(broken
        ? {
            wanted: [
              {
                id: 'shop/late',
                code: 'ERR_NETNS_GONE',
                error: 'the network namespace /run/netns/cni-77 is not there',
              },
            ],
            agent: {
              pid: 812,
              config: '/etc/ambient-redirect/config.yaml',
              since: '2026-02-26T08:29:58.000Z',
              problems: [],
            },
          }
        : {}),
    },
    metrics: {
      untold: 0n,
      reconciles: undefined,
      pods: pods.map(({ id }, index) => ({ id, traffic: trafficOf(index, broken), connections: [] })),
      steered: {
        outbound: 52_311n,
        hbone: 1_290n,
        plaintext: 7_004n,
        dns: 0n,
        established: 0n,
        noListener: broken ? 31n : 0n,
        wrongFamily: 0n,
      },
    },
    chains: [
      {
        interface: 'veth9ztunnel',
        where: 'host',
        index: 9,
        direction: 'ingress',
        entries: [entry('ztunnel_host_in')],
        passes: 'maybe',
      },
      { interface: 'veth9ztunnel', where: 'host', index: 9, direction: 'egress', entries: [], passes: 'always' },
      ...pods.flatMap((pod, index) => (pod.status === 'missing' ? [] : chainsOf(pod, index, broken))),
    ],
  };
}
