import { describe, expect, it } from 'vitest';
import {
  add64, call, callLocal, callx, exit, func, ja, jeq, jne, label, lddw, ldFunction, ldMap, ldxdw, ldxw, link, mayGoto, mov64, stdw, stw, sub64, type Item,
} from '../asm/index.ts'; // prettier-ignore
import type { BpfAsmError } from '../error.ts';
import { helperByName } from '../helpers/index.ts';
import { isBpfAsmError } from '../index.ts';
import type { Instruction } from '../isa/index.ts';
import { createMap, Vm, type VmOptions } from './index.ts';

const assemble = (...items: Item[]): readonly Instruction[] => link(items).instructions;
const vmOf = (items: Item[], options?: VmOptions): Vm => new Vm(assemble(...items), options);
const helper = (name: string): Item => call(helperByName(name)?.id ?? -1);

function trapOf(work: () => unknown): BpfAsmError {
  try {
    work();
  } catch (error) {
    if (isBpfAsmError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('traps', () => {
  it('name the instruction, its words, the address, the size and the source', () => {
    const source = { file: 'app.ts', line: 12, column: 3 };
    const load = { ...ldxdw('r0', 'r10', 8), source };
    const error = trapOf(() => new Vm([mov64('r1', 0), load, exit()]).run());
    expect(error).toMatchObject({ code: 'ERR_TRAP', instruction: 1, source });
    expect(error.message).toBe(
      'r0 = *(u64 *)(r10 + 8): reads 8 bytes at 0x0000000100000208: byte 520 of stack, which has 512 (instruction 1, app.ts:12)',
    );
  });

  it.each([
    [{ kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 2 ** 40 }],
    [{ kind: 'load', type: 'u8', dst: 'r0', src: 'r1', offset: 0x8000 }],
  ] as [Instruction][])('%j does not fit its encoding, and does not run', (instruction) => {
    expect(trapOf(() => new Vm([instruction, exit()]))).toMatchObject({ code: 'ERR_OUT_OF_RANGE', instruction: 0 });
  });

  it('memory and packets are bytes', () => {
    const vm = vmOf([mov64('r0', 0), exit()]);
    for (const input of [{ memory: 'aa' }, { packet: [1, 2] }])
      expect(trapOf(() => vm.run(input as never))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it.each([
    ['null', [mov64('r1', 0), ldxw('r0', 'r1', 4)], /reads 4 bytes at 0x0000000000000004, which is no address/],
    [
      'a number',
      [lddw('r1', 0xffff_ffff_0000_0000n), stw('r1', 0, 1)],
      /writes 4 bytes at 0xffffffff00000000, which is no/,
    ],
    ['below the stack', [stdw('r10', -520, 0)], /writes 8 bytes .* byte -8 of stack/],
    ['an unknown helper', [call(9999)], /call 9999: the interpreter has no such helper/],
    ['a number as a function', [mov64('r1', 77), callx('r1')], /callx r1: the interpreter has no such helper/],
    ['a map as memory', [ldMap('r1', 'm'), ldxw('r0', 'r1')], /map m, which has 0/],
    ['a number as a map', [mov64('r1', 5), helper('map_lookup_elem')], /r1 is no map/],
    [
      'a callback that is none',
      [mov64('r1', 1), mov64('r2', 5), mov64('r4', 0), helper('loop')],
      /the callback is no function/,
    ],
  ] as [string, Item[], RegExp][])('%s', (_, items, message) => {
    const maps = { m: createMap({ name: 'm', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 }) };
    const error = trapOf(() => vmOf([...items, exit()], { maps }).run());
    expect(error.code).toBe('ERR_TRAP');
    expect(error.message).toMatch(message);
  });

  it('control that falls off the end', () => {
    expect(trapOf(() => new Vm([mov64('r0', 0)]).run())).toMatchObject({ code: 'ERR_TRAP', instruction: 1 });
    expect(trapOf(() => new Vm([]).run()).code).toBe('ERR_TRAP');
  });

  it('leave the interpreter as good as new', () => {
    const vm = new Vm([ldxw('r0', 'r1'), exit()]);
    expect(trapOf(() => vm.run()).code).toBe('ERR_TRAP');
    expect(vm.run({ memory: Uint8Array.of(1, 2, 0, 0) }).r0).toBe(0x201n);
  });
});

describe('what does not run at all', () => {
  it.each<[string, Instruction[], string]>([
    ['raw bytes', [{ kind: 'raw', opcode: 0xff, dst: 0, src: 0, offset: 0, imm: 0 }], 'ERR_INVALID_INSTRUCTION'],
    ['a write to r10', [mov64('r10', 0), exit()], 'ERR_INVALID_INSTRUCTION'],
    [
      'a fetch into r10',
      [{ kind: 'atomic', op: 'xchg', width: 64, dst: 'r1', offset: 0, src: 'r10' }],
      'ERR_INVALID_INSTRUCTION',
    ],
    ['a jump out', [ja(7)], 'ERR_INVALID_INSTRUCTION'],
    ['a jump into an immediate', [ja(1), lddw('r0', 1), exit()], 'ERR_INVALID_INSTRUCTION'],
    ['an unknown map', [ldMap('r1', 'toString'), exit()], 'ERR_UNRESOLVED'],
    [
      'a kernel variable',
      [{ kind: 'ld_imm64', dst: 'r1', value: { type: 'btf_id', id: 1, fd: 0 } }],
      'ERR_UNSUPPORTED',
    ],
    ['a kernel function', [{ kind: 'call_kfunc', id: 1, offset: 0 }], 'ERR_UNSUPPORTED'],
  ])('%s', (_, instructions, code) => {
    expect(trapOf(() => new Vm(instructions)).code).toBe(code);
  });

  it.each<[string, VmOptions]>([
    ['no steps', { stepLimit: 0 }],
    ['steps beyond 32 bits', { stepLimit: 2 ** 40 }],
    ['a CPU that is not there', { cpu: 2, cpus: 2 }],
    ['half a CPU', { cpus: 0.5 }],
  ])('%s', (_, options) => {
    expect(trapOf(() => new Vm([exit()], options)).code).toBe('ERR_INVALID_ARGUMENT');
  });
});

describe('steps', () => {
  it('are counted', () => {
    expect(vmOf([mov64('r1', 10), label('again'), sub64('r1', 1), jne('r1', 0, 'again'), exit()]).run().steps).toBe(22);
  });

  it('have a limit', () => {
    const vm = vmOf([label('for ever'), ja('for ever')], { stepLimit: 1000 });
    expect(trapOf(() => vm.run())).toMatchObject({ code: 'ERR_STEP_LIMIT', instruction: 0 });
    expect(vmOf([mov64('r0', 3), exit()], { stepLimit: 2 }).run().r0).toBe(3n);
    expect(trapOf(() => vmOf([mov64('r0', 3), exit()], { stepLimit: 1 }).run()).code).toBe('ERR_STEP_LIMIT');
  });

  it('can be traced', () => {
    const seen: [number, bigint, string][] = [];
    const trace: VmOptions['trace'] = (index, machine, { kind }) => seen.push([index, machine.u64(0), kind]);
    const vm = vmOf([mov64('r0', 3), add64('r0', -5), exit()], { trace });
    expect(vm.run()).toMatchObject({ r0: 0xffff_ffff_ffff_fffen, steps: 3 });
    expect(seen).toEqual([[0, 0n, 'alu'], [1, 3n, 'alu'], [2, 0xffff_ffff_ffff_fffen, 'exit']]); // prettier-ignore
    expect(trapOf(() => vmOf([ja(-1)], { trace, stepLimit: 5 }).run()).code).toBe('ERR_STEP_LIMIT');
    expect(seen.length).toBe(3 + 5);
  });

  it('may_goto jumps when its iterations are used up', () => {
    const vm = vmOf(
      [mov64('r0', 0), label('again'), mayGoto('out'), add64('r0', 1), ja('again'), label('out'), exit()],
      { stepLimit: 1 << 30 },
    );
    expect(vm.run().r0).toBe(8n * 1024n * 1024n);
  });
});

describe('calls', () => {
  it('keep r6 to r9 and give each function a stack of its own', () => {
    const vm = vmOf([
      mov64('r6', 6), stdw('r10', -8, 60), callLocal('inner'), ldxdw('r1', 'r10', -8), add64('r0', 'r1'), add64('r0', 'r6'), exit(),
      func('inner'), mov64('r6', 0), ldxdw('r0', 'r10', -8), stdw('r10', -8, 1), exit(),
    ]); // prettier-ignore
    expect(vm.run().r0).toBe(66n);
  });

  it('reach the stack of the caller by an address', () => {
    const vm = vmOf([
      mov64('r1', 'r10'), add64('r1', -8), callLocal('inner'), ldxdw('r0', 'r10', -8), exit(),
      func('inner'), stdw('r1', 0, 99), exit(),
    ]); // prettier-ignore
    expect(vm.run().r0).toBe(99n);
  });

  it('go eight functions deep', () => {
    const deep = (levels: number): Vm =>
      vmOf([
        mov64('r1', levels),
        label('f'),
        jeq('r1', 1, 'out'),
        sub64('r1', 1),
        callLocal('f'),
        label('out'),
        mov64('r0', 1),
        exit(),
      ]);
    expect(deep(8).run().r0).toBe(1n);
    expect(trapOf(() => deep(9).run()).message).toMatch(/more than 8 functions are active/);
  });

  it('go by address, and to a helper by its number', () => {
    expect(vmOf([ldFunction('r2', 'f'), callx('r2'), exit(), func('f'), mov64('r0', 5), exit()]).run().r0).toBe(5n);
    expect(vmOf([mov64('r2', 5), callx('r2'), exit()], { now: () => 44n }).run().r0).toBe(44n);
  });

  it('gotox goes where a register says', () => {
    const vm = vmOf([
      ldFunction('r2', 'f'),
      { kind: 'gotox', dst: 'r2' },
      mov64('r0', 1),
      exit(),
      func('f'),
      mov64('r0', 2),
      exit(),
    ]);
    expect(vm.run().r0).toBe(2n);
  });
});

describe('helpers', () => {
  it('can be added and replaced', () => {
    const helpers = { get_prandom_u32: () => -1, '5000': () => 7n, get_socket_uid: (): bigint => 1n << 63n };
    expect(vmOf([helper('get_prandom_u32'), exit()], { helpers }).run().r0).toBe((1n << 64n) - 1n);
    expect(vmOf([call(5000), exit()], { helpers }).run().r0).toBe(7n);
    expect(vmOf([helper('get_socket_uid'), exit()], { helpers }).run().r0).toBe(1n << 63n);
  });

  it('show a clock, a seeded random number and a CPU', () => {
    const world: VmOptions = { now: () => (1n << 40n) + 1n, cpu: 3, cpus: 4 };
    expect(vmOf([helper('ktime_get_ns'), exit()], world).run().r0).toBe((1n << 40n) + 1n);
    expect(vmOf([helper('get_smp_processor_id'), exit()], world).run().r0).toBe(3n);
    const random = (): bigint => vmOf([helper('get_prandom_u32'), exit()]).run().r0;
    expect(random()).toBe(random());
  });

  it('loop calls back with the index and the argument until told to stop', () => {
    const count = (calls: number): Vm =>
      vmOf([
        stdw('r10', -8, 0), mov64('r1', calls), ldFunction('r2', 'each'), mov64('r3', 'r10'), add64('r3', -8), mov64('r4', 0), helper('loop'),
        mov64('r6', 'r0'), ldxdw('r0', 'r10', -8), exit(),
        func('each'), ldxdw('r3', 'r2'), add64('r3', 'r1'), { kind: 'store', type: 'u64', dst: 'r2', offset: 0, src: 'r3' }, mov64('r0', 0), jne('r1', 5, 'on'), mov64('r0', 1), label('on'), exit(),
      ]); // prettier-ignore
    expect(count(4).run().r0).toBe(6n);
    expect(count(100).run().r0).toBe(15n);
    expect(trapOf(() => vmOf([mov64('r1', 100), ldFunction('r2', 'f'), mov64('r4', 0), helper('loop'), exit(), func('f'), label('x'), ja('x')]).run()).code).toBe('ERR_STEP_LIMIT'); // prettier-ignore
  });

  it('trace_printk writes to the log', () => {
    const bytes = new TextEncoder().encode('mark %d of %llx, 100%%\0');
    const vm = vmOf([mov64('r3', -2), lddw('r4', 0x1_0000_0002n), helper('trace_printk'), exit()]);
    expect(vm.run({ memory: bytes }).log).toEqual(['mark -2 of 100000002, 100%']);
  });
});

describe('tail calls', () => {
  const programs = { name: 'jump_table', type: 'prog_array', keySize: 4, valueSize: 4, maxEntries: 4 } as const;
  const tail = (index: number): Item[] => [
    mov64('r6', 'r1'),
    ldMap('r2', 'jump_table'),
    mov64('r3', index),
    helper('tail_call'),
  ];

  it('go on in the other program, with the context and no way back', () => {
    const maps = { jump_table: createMap(programs) };
    const target = vmOf([ldxw('r0', 'r1', 8), add64('r0', 1000), exit()], { maps });
    const vm = vmOf([...tail(1), mov64('r0', 1), exit()], { maps });
    expect(vm.run({ context: { mark: 5 } }).r0).toBe(1n);
    vm.setTailCall('jump_table', 1, target);
    expect(vm.run({ context: { mark: 5 } }).r0).toBe(1005n);
    expect(vm.run({ context: { mark: 6 } }).r0).toBe(1006n);
  });

  it('end after 33', () => {
    const maps = { jump_table: createMap(programs) };
    const counter = { name: 'n', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 } as const;
    const all = { ...maps, n: createMap(counter) };
    const vm = vmOf([
      mov64('r1', 'r1'), ldFunction('r7', 'end'), { kind: 'ld_imm64', dst: 'r2', value: { type: 'map_value', map: 'n', offset: 0 } }, ldxdw('r3', 'r2'), add64('r3', 1),
      { kind: 'store', type: 'u64', dst: 'r2', offset: 0, src: 'r3' }, ...tail(0), func('end'), mov64('r0', 1), exit(),
    ], { maps: all }); // prettier-ignore
    vm.setTailCall('jump_table', 0, vm);
    expect(vm.run({ context: {} }).r0).toBe(1n);
    expect(all.n.get(new Uint8Array(4))).toEqual(new Uint8Array([34, 0, 0, 0, 0, 0, 0, 0]));
  });
});
