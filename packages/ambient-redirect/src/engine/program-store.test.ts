import { schedCls, skLookup, when, type Program } from 'bpf-asm';
import { loadProgram, readProgramInfo, type Sys } from 'netlink-tc';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { interfaces } from '../maps.ts';
import { DEFAULT_PORTS } from '../ports.ts';
import type { AppFacts, ByFamily, SteerFacts } from '../programs/index.ts';
import { StateDirectory } from './directory.ts';
import { PrefixSets } from './prefix-sets.ts';
import { ProgramStore, type ProgramBuilders } from './program-store.ts';

const NONE: ByFamily = { ipv4: [], ipv6: [] };

function factsOf(ifindex: number, excluded: readonly string[] = []): AppFacts {
  const rules = { includeCidrs: NONE, excludeCidrs: NONE, includePorts: [], excludePorts: [] };
  return {
    node: { podCidrs: { ipv4: '10.244.1.0/24' }, host: NONE, bypass: NONE },
    policy: { dns: false, outbound: { ...rules, excludeCidrs: { ipv4: excluded, ipv6: [] } }, inbound: rules },
    proxy: { ifindex, mac: '02:00:00:00:00:07' },
    mode: 'full',
  };
}

/** Ten prefixes: more than are compared one by one. */
function prefixes(from: number): string[] {
  return Array.from({ length: 10 }, (_, i) => `10.${from + i}.0.0/16`);
}

/** Builders of small programs that use a map, and note what they were asked for. */
function counting(): { readonly built: string[]; readonly builders: ProgramBuilders } {
  const built: string[] = [];
  const classifier =
    (name: string) =>
    (facts: unknown): Program => {
      built.push(`${name} ${JSON.stringify(facts).length}`);
      return schedCls(name, { licence: 'Apache-2.0' }, ({ lookup, skb, next, drop }) => {
        when(lookup(interfaces, skb.ifindex).found, drop);
        return next();
      });
    };
  const builders = {
    app_outbound: classifier('app_outbound'),
    app_inbound: classifier('app_inbound'),
    ztunnel_host_in: classifier('ztunnel_host_in'),
    ztunnel_tproxy: classifier('ztunnel_tproxy'),
    ztunnel_steer: (facts: SteerFacts): Program => {
      built.push(`ztunnel_steer ${facts.hbone}`);
      return skLookup('ztunnel_steer', { licence: 'Apache-2.0' }, ({ pass }) => pass());
    },
  };
  return { built, builders };
}

describeWith([root], 'the store of programs', () => {
  async function state(): Promise<{ sys: Sys; path: string; directory: StateDirectory }> {
    const sys = await testSys();
    const path = statePath(sys);
    return { sys, path, directory: closing(StateDirectory.open(sys, path, { create: true })) };
  }

  test('the same facts are one program, whatever the order of their keys; others are another', async () => {
    const { sys, directory } = await state();
    const { built, builders } = counting();
    const store = closing(new ProgramStore(sys, directory, { builders }));
    const first = store.outbound(factsOf(7));
    const { mode, proxy, policy, node } = factsOf(7);
    expect(store.outbound({ mode, proxy, policy, node })).toBe(first);
    expect(built).toHaveLength(1);
    expect(readProgramInfo(sys, first.fd)).toMatchObject({ id: first.id, name: 'app_outbound', tag: first.tag });
    expect(store.outbound(factsOf(8)).id).not.toBe(first.id);
    expect(store.inbound(factsOf(7)).id).not.toBe(first.id);
    expect(directory.programNames()).toHaveLength(3);
    expect(directory.programNames()).toContain(`app_outbound-${first.digest}`);
  });

  test('each kind of program', async () => {
    const { sys, directory } = await state();
    const { builders } = counting();
    const store = closing(new ProgramStore(sys, directory, { builders }));
    const { node } = factsOf(1);
    const tags = { outbound: '02:00:00:00:00:01', inbound: '06:00:00:00:00:01' };
    const names = [
      store.outbound(factsOf(1)),
      store.inbound(factsOf(1)),
      store.hostIn({ node, proxy: { addresses: { ipv4: [], ipv6: [] } }, preserving: false }),
      store.steer({ node, proxy: { ifindex: 2, addresses: NONE }, hbone: 15008, dns: false, handover: false, bank: 0 }),
      store.tproxy({
        ports: DEFAULT_PORTS,
        proxy: { addresses: { ipv4: [], ipv6: [] } },
        tags,
        dns: false,
        mark: { value: 0x400, mask: 0xfff },
      }),
    ].map(({ name }) => name);
    expect(names).toEqual(['app_outbound', 'app_inbound', 'ztunnel_host_in', 'ztunnel_steer', 'ztunnel_tproxy']);
  });

  test('the next process takes what is pinned and compiles nothing; one of another build takes none of it', async () => {
    const { sys, path, directory } = await state();
    const first = new ProgramStore(sys, directory, { builders: counting().builders });
    const before = [first.outbound(factsOf(7)), first.inbound(factsOf(7))].map(({ id, tag }) => ({ id, tag }));
    first.close();
    first.close();
    directory.close();
    const next = closing(StateDirectory.open(sys, path));
    const { built, builders } = counting();
    const second = closing(new ProgramStore(sys, next, { builders }));
    const after = [second.outbound(factsOf(7)), second.inbound(factsOf(7))].map(({ id, tag }) => ({ id, tag }));
    expect(after).toEqual(before);
    expect(built).toEqual([]);
    const newer = closing(new ProgramStore(sys, next, { builders, build: '99' }));
    expect(newer.outbound(factsOf(7)).id).not.toBe(before[0]?.id);
    expect(built).toHaveLength(1);
  });

  test('what was made before is found, by this process and the next; nothing is compiled for it', async () => {
    const { sys, path, directory } = await state();
    const first = new ProgramStore(sys, directory, { builders: counting().builders });
    const hostIn = { node: factsOf(1).node, proxy: { addresses: NONE }, preserving: true };
    expect(first.find('app_outbound', factsOf(7))).toBeUndefined();
    const made = first.outbound(factsOf(7));
    const other = first.hostIn(hostIn);
    expect(first.find('app_outbound', factsOf(7))).toBe(made);
    expect(first.find('app_inbound', factsOf(7))).toBeUndefined();
    expect(first.find('app_outbound', factsOf(8))).toBeUndefined();
    first.close();
    directory.close();
    const next = closing(StateDirectory.open(sys, path));
    const { built, builders } = counting();
    const second = closing(new ProgramStore(sys, next, { builders }));
    const found = second.find('app_outbound', factsOf(7));
    expect(found).toMatchObject({ id: made.id, tag: made.tag, digest: made.digest });
    // What was found is what is asked for later, and is collected like all others.
    expect(second.outbound(factsOf(7))).toBe(found);
    expect(second.find('ztunnel_host_in', { ...hostIn, preserving: false })).toBeUndefined();
    expect(second.find('ztunnel_host_in', hostIn)?.id).toBe(other.id);
    expect(second.collect(new Set([made.id]))).toBe(1);
    expect(second.find('ztunnel_host_in', hostIn)).toBeUndefined();
    expect(built).toEqual([]);
    using newer = new ProgramStore(sys, next, { builders, build: '99' });
    expect(newer.find('app_outbound', factsOf(7))).toBeUndefined();
  });

  test('what others pinned under the name, and what uses other maps, is not adopted', async () => {
    const { sys, directory } = await state();
    const { built, builders } = counting();
    const facts = factsOf(7);
    using store = new ProgramStore(sys, directory, { builders });
    const { id, digest } = store.outbound(facts);
    store.close();
    const pin = `app_outbound-${digest}`;
    for (const build of [builders.app_inbound, builders.app_outbound]) {
      directory.unpinProgram(pin);
      // With maps of its own.
      using other = loadProgram(sys, build(facts));
      directory.pinProgram(pin, other);
      const otherId = readProgramInfo(sys, other.fd).id;
      using again = new ProgramStore(sys, directory, { builders });
      expect([id, otherId]).not.toContain(again.outbound(facts).id);
    }
    expect(built).toHaveLength(5);
  });

  test('what no hook runs is collected, with the prefixes that only it looked up', async () => {
    const { sys, directory } = await state();
    const { built, builders } = counting();
    const store = closing(new ProgramStore(sys, directory, { builders }));
    const [few, ten, both] = [prefixes(1).slice(0, 8), prefixes(1), prefixes(40)];
    const kept = store.outbound(factsOf(1, ten));
    store.outbound(factsOf(2, ten));
    store.outbound(factsOf(3, both));
    store.outbound(factsOf(4, few));
    const keys = (): number => [...directory.maps.cidrs.keys()].length;
    expect(keys()).toBe(20);
    expect(store.collect(new Set([kept.id]))).toBe(3);
    expect(keys()).toBe(10);
    expect(directory.programNames()).toEqual([`app_outbound-${kept.digest}`]);
    expect(store.outbound(factsOf(1, ten))).toBe(kept);
    expect(built).toHaveLength(4);
    expect(store.collect(new Set([kept.id]))).toBe(0);
    expect(keys()).toBe(10);
    // Asked for again, it is made again, with its prefixes.
    store.outbound(factsOf(3, both));
    expect(keys()).toBe(20);
    expect(store.collect(new Set())).toBe(2);
    expect(keys()).toBe(0);
    expect(directory.records.names('prefixes/')).toEqual([]);
  });

  test('prefixes are found by the longest one, in their set only', async () => {
    const { sys, directory } = await state();
    const store = closing(new ProgramStore(sys, directory, { builders: counting().builders }));
    store.outbound(factsOf(1, prefixes(1)));
    const [name = ''] = directory.records.names('prefixes/');
    const set = Number(name.split('/')[1]);
    const find = (which: number, address: string): number | undefined =>
      directory.maps.cidrs.lookup({ length: 160, set: which, address });
    expect(find(set, '::ffff:10.3.4.5')).toBe(1);
    expect(find(set, '::ffff:10.44.4.5')).toBeUndefined();
    expect(find(set + 1, '::ffff:10.3.4.5')).toBeUndefined();
  });

  test('two sets of one number are told, not mixed', async () => {
    const { directory } = await state();
    const sets = new PrefixSets(directory);
    sets.provide('a', [{ set: 5, prefixes: prefixes(1) }]);
    expect(() => sets.provide('b', [{ set: 5, prefixes: prefixes(2) }])).toThrow(
      expect.objectContaining({ code: 'ERR_CONFLICT', hint: expect.stringContaining('two halves') }),
    );
    expect([...directory.maps.cidrs.keys()]).toHaveLength(10);
  });

  test('a program that the verifier refuses leaves nothing open or pinned', async () => {
    const { sys, directory } = await state();
    const broken: ProgramBuilders = {
      ...counting().builders,
      app_outbound: (facts) => {
        const program = counting().builders.app_outbound(facts);
        return { ...program, instructions: program.instructions.slice(0, -1) };
      },
    };
    const store = closing(new ProgramStore(sys, directory, { builders: broken }));
    expect(() => store.outbound(factsOf(1))).toThrow(/cannot load sched_cls program app_outbound/);
    expect(directory.programNames()).toEqual([]);
  });
});
