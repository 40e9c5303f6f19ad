import { TCP_FLAG, Vm, type MapDefinition, type Program, type VmMap } from 'bpf-asm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ipv4, ipv6 } from '../../../bpf-asm/test/packets.ts';
import { mapsOf, putPod } from '../../test/pods.ts';
import { FACTS, NO_RULES, PODS, remembered } from '../../test/tables.ts';
import {
  direct,
  DirectFlow,
  events as ring,
  EXEMPT,
  exempt,
  Flow,
  proxyCounters,
  SNAPSHOT,
  SnapshotRecord,
  TrafficRecord,
  UNTOLD,
  VERDICT,
  type Verdict,
} from '../maps.ts';
import { appInbound } from './app-inbound.ts';
import { appOutbound } from './app-outbound.ts';
import type { AppFacts, CaptureMode } from './facts.ts';

const { ACK, FIN, RST, SYN } = TCP_FLAG;

const POD = { ipv4: '10.244.1.5', ipv6: 'fd00:1::5' } as const;
const OTHER = { ipv4: '10.96.0.1', ipv6: 'fd00:2::1' } as const;
const POD_PORT = 8080;
const OTHER_PORT = 443;

const outboundOf = remembered(appOutbound);
const inboundOf = remembered(appInbound);

const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** Which directions of the connection under test the policy excludes. */
interface Policy {
  readonly outbound: boolean;
  readonly inbound: boolean;
}

function factsOf(mode: CaptureMode, policy: Policy): AppFacts {
  return {
    ...FACTS,
    mode,
    sample: 1,
    policy: {
      dns: false,
      outbound: policy.outbound ? { ...NO_RULES, excludePorts: [[OTHER_PORT, OTHER_PORT]] } : NO_RULES,
      inbound: policy.inbound ? { ...NO_RULES, excludePorts: [[POD_PORT, POD_PORT]] } : NO_RULES,
    },
  };
}

type Family = keyof typeof POD;

/** Both programs of a pod over the same maps: what one notes, the other knows. A change of mode is a change of programs. */
class Pod {
  readonly #maps: Record<string, VmMap> = {};
  readonly #machines = new Map<Program, Vm>();
  readonly #family: Family;
  readonly #policy: Policy;

  constructor(family: Family, policy: Policy) {
    this.#family = family;
    this.#policy = policy;
  }

  /** The verdict on a segment, as its event tells. */
  send(mode: CaptureMode, sender: 'pod' | 'other', flags: number): Verdict {
    const facts = factsOf(mode, this.#policy);
    const program = sender === 'pod' ? outboundOf(facts) : inboundOf(facts);
    const vm = this.machine(program);
    const ends =
      sender === 'pod'
        ? { source: POD, destination: OTHER, sourcePort: POD_PORT, destinationPort: OTHER_PORT }
        : { source: OTHER, destination: POD, sourcePort: OTHER_PORT, destinationPort: POD_PORT };
    const family = this.#family;
    const packet = { ...ends, source: ends.source[family], destination: ends.destination[family], flags };
    const { events } = vm.run({
      packet: family === 'ipv4' ? ipv4(packet) : ipv6(packet),
      context: { ifindex: 1, ingress_ifindex: 2 },
    });
    const [event, ...others] = events;
    if (event === undefined || others.length > 0) throw new Error(`${events.length} events of one packet`);
    return Object.keys(VERDICT)[TrafficRecord.decode(event.data).what & 0xf] as Verdict;
  }

  machine(program: Program): Vm {
    const known = this.#machines.get(program);
    if (known !== undefined) return known;
    const vm = new Vm(program, { maps: this.#maps });
    if (this.#machines.size === 0) {
      for (const [address, entry] of Object.entries(PODS)) putPod(mapsOf(vm), FACTS.node.podCidrs, address, entry);
    }
    Object.assign(this.#maps, vm.maps);
    this.#machines.set(program, vm);
    return vm;
  }

  get #key(): Uint8Array {
    const [pod, other] = [POD[this.#family], OTHER[this.#family]];
    const mapped = (address: string): string => (this.#family === 'ipv4' ? `::ffff:${address}` : address);
    return Flow.encode({ pod: mapped(pod), other: mapped(other), podPort: POD_PORT, otherPort: OTHER_PORT });
  }

  /** What is known of the connection. */
  get known(): Known {
    const state = this.#maps[direct.definition.name]?.get(this.#key);
    const why = this.#maps[exempt.definition.name]?.get(this.#key);
    return {
      direct: state === undefined ? undefined : DirectFlow.decode(state),
      isExcluded: why !== undefined && why[0] === EXEMPT.excluded,
    };
  }
}

interface Known {
  direct: { open: number; podFin: number; otherFin: number } | undefined;
  isExcluded: boolean;
}

/** The table of modes, as the design has it. */
class Model implements Known {
  direct: Known['direct'] = undefined;
  isExcluded = false;
  readonly #policy: Policy;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  send(mode: CaptureMode, sender: 'pod' | 'other', flags: number): Verdict {
    return (flags & (SYN | ACK)) === SYN ? this.#begin(mode, sender) : this.#goOn(mode, sender, flags);
  }

  #begin(mode: CaptureMode, sender: 'pod' | 'other'): Verdict {
    if (mode === 'observe' || mode === 'drain') {
      this.direct = { open: 0, podFin: 0, otherFin: 0 };
      return 'preserved';
    }
    if (mode === 'preserve') {
      if (this.direct?.open === 0) return 'preserved';
      this.direct = undefined;
    }
    if (this.#policy.outbound || this.#policy.inbound) {
      this.isExcluded = sender === 'pod' ? this.#policy.outbound : this.#policy.inbound;
    }
    return this.isExcluded ? 'excluded' : 'captured';
  }

  #goOn(mode: CaptureMode, sender: 'pod' | 'other', flags: number): Verdict {
    if (mode === 'observe') return 'preserved';
    if (mode !== 'full' && this.direct !== undefined) {
      const hasEnded = this.direct.podFin === 1 && this.direct.otherFin === 1;
      if (hasEnded && (flags & SYN) !== 0) {
        this.direct = undefined;
        return 'captured';
      }
      if ((flags & RST) !== 0) this.direct = undefined;
      else {
        if ((flags & SYN) === 0) this.direct.open = 1;
        if ((flags & FIN) !== 0) this.direct[sender === 'pod' ? 'podFin' : 'otherFin'] = 1;
      }
      return 'preserved';
    }
    return this.isExcluded ? 'excluded' : 'captured';
  }
}

/** The map of connections with room for one, every other as it is. */
function ofOneFlow(map: MapDefinition): MapDefinition {
  return map.name === direct.definition.name ? { ...map, maxEntries: 1 } : map;
}

const step = fc.record({
  mode: fc.constantFrom<CaptureMode>('observe', 'preserve', 'full', 'drain'),
  sender: fc.constantFrom<'pod' | 'other'>('pod', 'other'),
  flags: fc.constantFrom(SYN, SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST, RST | ACK, FIN, 0),
});

/** Modes mostly last for a while. */
const steps = fc
  .array(fc.record({ mode: step.map(({ mode }) => mode), packets: fc.array(step, { minLength: 1, maxLength: 8 }) }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((stretches) => stretches.flatMap(({ mode, packets }) => packets.map((packet) => ({ ...packet, mode }))));

describe('connections', () => {
  test.each<readonly [string, Policy]>([
    ['nothing', { outbound: false, inbound: false }],
    ['what goes out', { outbound: true, inbound: false }],
    ['what comes in', { outbound: false, inbound: true }],
  ])(
    'fare as the table of modes says, whatever comes, where the policy excludes %s',
    (_what, policy) => {
      fc.assert(
        fc.property(fc.constantFrom<Family>('ipv4', 'ipv6'), steps, (family, packets) => {
          const [pod, model] = [new Pod(family, policy), new Model(policy)];
          for (const { mode, sender, flags } of packets) {
            const verdict = model.send(mode, sender, flags);
            expect([mode, sender, flags, pod.send(mode, sender, flags)]).toEqual([mode, sender, flags, verdict]);
            expect(pod.known).toEqual({ direct: model.direct, isExcluded: model.isExcluded });
          }
        }),
        { numRuns: 150 },
      );
    },
    120_000,
  );

  test('that are preserved stay so when their SYN is sent again just after it was answered', () => {
    const pod = new Pod('ipv6', { outbound: false, inbound: false });
    expect(pod.send('observe', 'pod', SYN)).toBe('preserved');
    expect(pod.send('preserve', 'other', SYN | ACK)).toBe('preserved');
    expect(pod.send('preserve', 'pod', SYN)).toBe('preserved');
    expect(pod.send('preserve', 'pod', ACK)).toBe('preserved');
    expect(pod.send('preserve', 'pod', SYN)).toBe('captured');
  });

  test('are captured in drain where no more can be noted', () => {
    const facts = factsOf('drain', { outbound: false, inbound: false });
    const program = outboundOf(facts);
    const small = { ...program, maps: program.maps.map(ofOneFlow) };
    const vm = new Vm(small);
    for (const [address, entry] of Object.entries(PODS)) putPod(mapsOf(vm), FACTS.node.podCidrs, address, entry);
    const verdict = (sourcePort: number): number =>
      vm.run({ packet: ipv4({ source: POD.ipv4, sourcePort }), context: { ifindex: 1 } }).verdict;
    expect([verdict(1), verdict(2), verdict(1), verdict(2)]).toEqual([-1, 7, -1, 7]);
  });

  test('that are masqueraded are noted where they are captured, and not where they are excluded or run on', () => {
    const noted = (mode: CaptureMode, policy: Policy): number | undefined => {
      const vm = new Pod('ipv4', policy).machine(inboundOf(factsOf(mode, policy)));
      const packet = ipv4({
        source: '10.0.0.1',
        destination: POD.ipv4,
        sourcePort: OTHER_PORT,
        destinationPort: POD_PORT,
      });
      vm.run({ packet, context: { ifindex: 1, ingress_ifindex: 2 } });
      const key = { pod: `::ffff:${POD.ipv4}`, other: '::ffff:10.0.0.1', podPort: POD_PORT, otherPort: OTHER_PORT };
      return vm.map(exempt.definition.name).get(Flow.encode(key))?.[0];
    };
    const [nothing, all] = [
      { outbound: false, inbound: false },
      { outbound: false, inbound: true },
    ];
    expect(noted('full', nothing)).toBe(EXEMPT.masqueraded);
    expect(noted('preserve', nothing)).toBe(EXEMPT.masqueraded);
    expect(noted('drain', nothing)).toBeUndefined();
    expect(noted('full', all)).toBe(EXEMPT.excluded);
    expect(noted('full', { outbound: true, inbound: false })).toBe(EXEMPT.masqueraded);
  });
});

describe('events', () => {
  const run = (facts: AppFacts, random: () => number, packet: Uint8Array): readonly Uint8Array[] => {
    const vm = new Vm(outboundOf(facts), { random, now: () => 77n });
    for (const [address, entry] of Object.entries(PODS)) putPod(mapsOf(vm), FACTS.node.podCidrs, address, entry);
    return vm.run({ packet, context: { ifindex: 1 } }).events.map(({ data }) => data);
  };

  test('tell of a packet all there is to know', () => {
    const [event] = run({ ...FACTS, sample: 1 }, () => 0, ipv4({ source: POD.ipv4 }));
    expect(TrafficRecord.decode(event as Uint8Array)).toEqual({
      time: 77n, source: '::ffff:10.244.1.5', destination: '::ffff:10.96.0.1', sourcePort: 40000, destinationPort: 80,
      protocol: 6, what: VERDICT.captured, slot: 1, length: 54, ifindex: 1,
    }); // prettier-ignore
    const [udp] = run({ ...FACTS, sample: 1 }, () => 0, ipv6({ source: POD.ipv6, protocol: 17, destinationPort: 9 }));
    expect(TrafficRecord.decode(udp as Uint8Array)).toMatchObject({
      source: POD.ipv6, sourcePort: 40000, destinationPort: 9, protocol: 17, what: 0x10 | VERDICT.other,
    }); // prettier-ignore
    const [tail] = run({ ...FACTS, sample: 1 }, () => 0, ipv4({ source: POD.ipv4, fragment: 7 }));
    expect(TrafficRecord.decode(tail as Uint8Array)).toMatchObject({
      sourcePort: 0,
      destinationPort: 0,
      what: VERDICT.captured,
    });
  });

  test.each([
    ['shorter than a snapshot', ipv4({ source: POD.ipv4, destinationPort: 1 })],
    ['longer than one', Uint8Array.of(...ipv6({ source: POD.ipv6 }), ...new Uint8Array(200).map((_, i) => i))],
    ['with options', ipv4({ source: POD.ipv4, options: 36 })],
  ])('tell of a packet with its first bytes: %s', (_what, packet) => {
    const [event] = run({ ...FACTS, sample: 1, snapshot: true }, () => 0, packet);
    const told = SnapshotRecord.decode(event as Uint8Array);
    expect(told.traffic).toMatchObject({ length: packet.length, what: packet[12] === 8 ? 0 : 16, time: 77n });
    const wanted = new Uint8Array(SNAPSHOT);
    wanted.set(packet.subarray(0, SNAPSHOT));
    expect(Buffer.from(told.packet).toString('hex')).toBe(Buffer.from(wanted).toString('hex'));
  });

  test('tell of the verdicts that are asked for, alone', () => {
    const facts: AppFacts = { ...FACTS, sample: 1, verdicts: ['other', 'spoofed'] };
    const told = (packet: Uint8Array): number => run(facts, () => 0, packet).length;
    expect([
      told(ipv4({ source: POD.ipv4 })),
      told(ipv4({ source: POD.ipv4, protocol: 17 })),
      told(ipv4({ source: '8.8.8.8' })),
    ]).toEqual([0, 1, 1]);
  });

  test('that there is no room for are counted', () => {
    for (const snapshot of [false, true]) {
      const vm = new Vm(outboundOf({ ...FACTS, sample: 1, snapshot }));
      for (const [address, entry] of Object.entries(PODS)) putPod(mapsOf(vm), FACTS.node.podCidrs, address, entry);
      const packet = ipv4({ source: POD.ipv4 });
      const records = vm.map(ring.definition.name) as unknown as { reserve(size: number): unknown };
      const counted = (): number | undefined => vm.map(proxyCounters.definition.name).get(word(UNTOLD))?.[0];
      records.reserve(ring.definition.maxEntries - 64);
      const { verdict, events: told } = vm.run({ packet, context: { ifindex: 1 } });
      expect([verdict, told.length, counted()]).toEqual([7, 0, 1]);
    }
  });

  test('are told of one packet in so many, and of none where they are off', () => {
    let number = 0;
    const told = (facts: AppFacts): number => {
      number = 0;
      return Array.from({ length: 16 }, () => run(facts, () => number++, ipv4({ source: POD.ipv4 })).length).reduce(
        (a, b) => a + b,
      );
    };
    expect([told({ ...FACTS, sample: 4 }), told({ ...FACTS, sample: 1 }), told(FACTS)]).toEqual([4, 16, 0]);
    expect(outboundOf(FACTS).maps.some(({ name }) => name === 'events')).toBe(false);
  });
});
