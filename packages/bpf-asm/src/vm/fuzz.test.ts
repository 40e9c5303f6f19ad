import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryInstruction } from '../../test/arbitrary.ts';
import { add64, call, exit, lddw, ldFunction, ldMap, ldxw, mov64, MAP_FLAG, type MapDefinition } from '../asm/index.ts';
import { isBpfAsmError } from '../error.ts';
import { helperByName } from '../helpers/index.ts';
import { decode, type Instruction, type Register } from '../isa/index.ts';
import { createMap, DEFAULT_HELPERS, Vm, VmSocket, type VmInput, type VmMap, type VmOptions } from './index.ts';

const definitions: readonly MapDefinition[] = [
  { name: 'hash', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 4 },
  { name: 'array', type: 'percpu_array', keySize: 4, valueSize: 8, maxEntries: 4 },
  { name: 'trie', type: 'lpm_trie', keySize: 8, valueSize: 4, maxEntries: 4, flags: MAP_FLAG.NO_PREALLOC },
  { name: 'ring', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 },
  { name: 'progs', type: 'prog_array', keySize: 4, valueSize: 4, maxEntries: 4 },
  { name: 'socks', type: 'sockhash', keySize: 8, valueSize: 4, maxEntries: 4 },
  { name: 'perf', type: 'perf_event_array', keySize: 4, valueSize: 4, maxEntries: 4 },
];
const newMaps = (): Record<string, VmMap> => Object.fromEntries(definitions.map((one) => [one.name, createMap(one)]));
const input: VmInput = { packet: new Uint8Array(60), linear: 40, context: {} };

/** Runs a program, whatever it is: a value, or an error of ours. */
function outcome(instructions: readonly Instruction[], options: VmOptions): 'ran' | 'refused' {
  try {
    const vm = new Vm(instructions, { ...options, stepLimit: 2000, findSocket: () => new VmSocket('any') });
    const result = vm.run(
      options.type === undefined || options.type === 'sched_cls' ? input : { packet: new Uint8Array(60) },
    );
    expect(result.steps).toBeLessThanOrEqual(2000);
    return result.packet === undefined || result.context === undefined ? 'refused' : 'ran';
  } catch (error) {
    if (isBpfAsmError(error)) return 'refused';
    throw error;
  }
}

describe('a program ends with a value or an error of ours', () => {
  it('made of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 128 }), (bytes) => {
        const whole = bytes.subarray(0, bytes.length - (bytes.length % 8));
        expect(outcome(decode(whole), {})).toMatch(/ran|refused/);
      }),
      { numRuns: 500 },
    );
  });

  it('made of any instructions, each tried alone', () => {
    fc.assert(
      fc.property(arbitraryInstruction, (instruction) => {
        const around = [instruction, mov64('r0', 0), exit(), exit()];
        expect(outcome(around, { maps: newMaps() })).toMatch(/ran|refused/);
      }),
      { numRuns: 3000 },
    );
  });
});

/** What a register may hold when a helper is called. `r9` keeps the context. */
const argument = (register: Register): fc.Arbitrary<Instruction[]> =>
  fc.oneof(
    fc
      .constantFrom(0, 1, -1, 4, 12, 36, 0x7fff_ffff, -0x8000_0000, 600)
      .map((value): Instruction[] => [mov64(register, value)]),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((value): Instruction[] => [lddw(register, value)]),
    fc.constantFrom(0, 8, 16, 64, 512).map((size): Instruction[] => [mov64(register, 'r10'), add64(register, -size)]),
    fc.constant<Instruction[]>([mov64(register, 'r9')]),
    fc.constant<Instruction[]>([ldxw(register, 'r9', 76)]),
    fc.constantFrom(...definitions).map(({ name }): Instruction[] => [ldMap(register, name)]),
    fc.constant<Instruction[]>([ldFunction(register, -1)]),
    fc.constant<Instruction[]>([mov64(register, 'r0')]),
  );
/** The first argument of most helpers is the context or a map. */
const first = fc.oneof(argument('r1'), fc.constant<Instruction[]>([mov64('r1', 'r9')]));
const oneCall = fc
  .tuple(
    fc.constantFrom(...Object.keys(DEFAULT_HELPERS)),
    first,
    argument('r2'),
    argument('r3'),
    argument('r4'),
    argument('r5'),
  )
  .map(([name, ...setUp]) => setUp.flat().concat(call(helperByName(name)?.id ?? 0)));

describe('a helper takes any arguments', () => {
  it.each(['sched_cls', 'xdp', 'sk_msg'] as const)('in a program of type %s', (type) => {
    let ran = 0;
    fc.assert(
      fc.property(fc.array(oneCall, { minLength: 1, maxLength: 4 }), (calls) => {
        const program = [mov64('r9', 'r1'), ...calls.flat(), mov64('r0', 0), exit()];
        if (outcome(program, { maps: newMaps(), type }) === 'ran') ran++;
      }),
      { numRuns: 3000 },
    );
    // Programs that get through are few, and there have to be some for the test to mean anything.
    expect(ran).toBeGreaterThan(10);
  });
});

it('knows each of its helpers by a name of the kernel', () => {
  expect(Object.keys(DEFAULT_HELPERS).filter((name) => helperByName(name) === undefined)).toEqual([]);
});
