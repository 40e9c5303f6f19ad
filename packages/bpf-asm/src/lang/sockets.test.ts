import { expect, test } from 'vitest';
import { helperByName } from '../helpers/index.ts';
import { struct, u16, u32 } from '../layout/index.ts';
import { Vm, VmSocket, type ObjectMap } from '../vm/index.ts';
import { AF_INET, schedCls, skLookup, sockmap, when, type Ended, type Lookup, type Socket } from './index.ts';

const listeners = sockmap('listeners', { maxEntries: 2 });
const Tuple = struct('tuple', { source: u32, destination: u32, sourcePort: u16, destinationPort: u16 });
const release = helperByName('sk_release')?.id;

test('a socket is given back where its block ends, and on every way out', () => {
  const program = skLookup('steer', { licence: 'Apache-2.0' }, ({ connection, pass, drop, lookup, assign }) => {
    lookup(listeners, 0).ifPresent((socket) => {
      when(connection.localPort.eq(1), drop);
      when(socket.fields.family.ne(AF_INET), pass);
      when(assign(socket, { replace: true, reuseport: false }).ne(0), drop);
    });
    return pass();
  });
  const vm = new Vm(program);
  const run = (port: number): unknown => {
    const { verdict, assignedSocket } = vm.run({ context: { family: AF_INET, protocol: 6, local_port: port } });
    return [verdict, assignedSocket?.name];
  };
  expect(run(80)).toEqual([1, undefined]);
  (vm.map('listeners') as ObjectMap<VmSocket>).setObject(
    new Uint8Array(4),
    new VmSocket('web', { family: AF_INET, protocol: 6 }),
  );
  // The interpreter traps when a program ends with a reference that it has not given back.
  expect([run(80), run(1)]).toEqual([
    [1, 'web'],
    [0, undefined],
  ]);
  expect(program.instructions.filter((one) => one.kind === 'call' && one.helper === release).length).toBeGreaterThan(0);
});

test('a socket cannot be used after its block', () => {
  expect(() =>
    schedCls('late', { licence: 'Apache-2.0' }, ({ next, helpers, record, lookup: _lookup }) => {
      let kept: { readonly fields: { readonly family: unknown } } | undefined;
      helpers.skcLookupTcp(record(Tuple), -1, 0).ifPresent((socket) => {
        kept = socket;
      });
      expect(kept?.fields.family).toBeDefined();
      return next();
    }),
  ).toThrow(/a socket is used after it was given back; use it in the block|a socket is used after it was given back/);
});

test('a socket found for good is held until the program ends', () => {
  const program = schedCls('held', { licence: 'Apache-2.0' }, ({ next, drop, helpers, record }) => {
    const socket = helpers.skLookupTcp(record(Tuple), -1, 0).orElse(next);
    when(socket.fields.mark.eq(5), drop);
    return next();
  });
  const vm = new Vm(program, { findSocket: () => new VmSocket('one', { mark: 5 }) });
  expect(vm.run({ packet: new Uint8Array(14) }).verdict).toBe(2);
  expect(new Vm(program).run({ packet: new Uint8Array(14) }).verdict).toBe(-1);
});

test('a look-up of a socket is handled, once', () => {
  const steer = (handle: (found: Lookup<Socket>, drop: () => Ended) => unknown): unknown =>
    skLookup('steer', { licence: 'Apache-2.0' }, ({ lookup, drop, pass }) => {
      handle(lookup(listeners, 0), drop);
      return pass();
    });
  expect(() => steer(() => undefined)).toThrow(/the look-up of listeners is not handled on this path/);
  expect(() => steer((found, drop) => when(found.found, drop))).toThrow(/must be given back if there is one/);
  expect(() =>
    steer((found, drop) => {
      found.orElse(drop);
      found.orElse(drop);
    }),
  ).toThrow(/the look-up of listeners was dealt with already/);
});
