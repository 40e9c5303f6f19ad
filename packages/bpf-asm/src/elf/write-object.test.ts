import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arbitraryInstruction } from '../../test/arbitrary.ts';
import { assembled, COUNT, maps } from '../../test/objects.ts';
import { jumpTarget, type Program } from '../asm/index.ts';
import { isBpfAsmError } from '../error.ts';
import type { Instruction } from '../isa/index.ts';
import { readObject, writeObject, type ObjectProgram } from './index.ts';

const count = assembled('count', COUNT, { maps: maps.filter(({ name }) => name !== 'events') });
const pass = assembled('pass', 'r0 = 2\nexit', { type: 'xdp', expectedAttachType: 'xdp' });

function failure(programs: readonly (Program | ObjectProgram)[], options?: Parameters<typeof writeObject>[1]): unknown {
  try {
    writeObject(programs, options);
  } catch (error) {
    return isBpfAsmError(error) ? { code: error.code, instruction: error.instruction } : error;
  }
  return 'written';
}

describe('what is written is read', () => {
  test.each(['little', 'big'] as const)('%s endian', (byteOrder) => {
    const data = new Map([['state', Uint8Array.from({ length: 16 }, (_, index) => index)]]);
    const file = writeObject([count, { ...count, name: 'second', section: 'classifier/second' }, pass], {
      byteOrder,
      data,
    });
    const object = readObject(file);
    expect(object.byteOrder).toBe(byteOrder);
    expect(object.licence).toBe('Apache-2.0');
    expect(object.programs.map(({ name, section }) => [name, section])).toEqual([
      ['count', 'tc'],
      ['second', 'classifier/second'],
      ['pass', 'xdp'],
    ]);
    const renamed = JSON.stringify(count.instructions, plain).replace('"map":"state"', '"map":".data.state"');
    expect(JSON.stringify(object.programs[0]?.instructions, plain)).toBe(renamed);
    expect(JSON.stringify(object.programs[1]?.instructions, plain)).toBe(renamed);
    expect(object.programs[0]?.functions).toEqual(count.functions);
    expect(object.programs[2]).toEqual({ ...pass, section: 'xdp' });
    expect(object.maps).toEqual([
      { name: 'counters', type: 'hash', keySize: 8, valueSize: 8, maxEntries: 100 },
      { name: '.data.state', type: 'array', keySize: 4, valueSize: 16, maxEntries: 1 },
    ]);
    expect(object.data.get('.data.state')).toEqual(data.get('state'));
    // What was read is written as it was, layouts of keys and values aside.
    const again = writeObject(object.programs, object);
    expect(writeObject(readObject(again).programs, readObject(again))).toEqual(again);
  });

  test('the same programs give the same bytes', () => {
    expect(writeObject([count, pass])).toEqual(writeObject([count, pass]));
  });

  test('any instructions', () => {
    // Jumps and calls lead somewhere in a program; here they lead on.
    const straight = (i: Instruction): Instruction[] => {
      if (i.kind === 'call_local' || i.kind === 'raw') return [];
      if (i.kind !== 'ld_imm64') return [jumpTarget(i) === undefined ? i : ({ ...i, target: 0 } as Instruction)];
      const { value } = i;
      if (value.type === 'func') return [];
      if (value.type === 'map') return [{ ...i, value: { type: 'map', map: `m${Math.abs(value.map as number) % 3}` } }];
      return [value.type === 'map_value' ? { ...i, value: { ...value, map: '.data' } } : i];
    };
    fc.assert(
      fc.property(
        fc.array(arbitraryInstruction, { maxLength: 40 }),
        fc.constantFrom('little', 'big'),
        (list, byteOrder) => {
          const instructions: Instruction[] = [...list.flatMap(straight), { kind: 'exit' }];
          const own = [0, 1, 2].map(
            (n) => ({ name: `m${n}`, type: 'array', keySize: 4, valueSize: 8, maxEntries: n + 1 }) as const,
          );
          const data = { name: '.data', type: 'array', keySize: 4, valueSize: 64, maxEntries: 1 } as const;
          const program: Program = { ...pass, instructions, functions: [], maps: [...own, data] };
          const [read] = readObject(writeObject([program], { byteOrder })).programs;
          expect(read?.instructions).toEqual(instructions);
        },
      ),
    );
  });

  test('function pointers, a map of maps, and variables that programs only read', () => {
    const inner = { name: 'outer.inner', type: 'array', keySize: 4, valueSize: 8, maxEntries: 4 } as const;
    const outer = { name: 'outer', type: 'hash_of_maps', keySize: 4, valueSize: 4, maxEntries: 2, inner } as const;
    const limits = { name: 'limits', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1, flags: 0x80 } as const;
    const text =
      'r1 = 1\nr2 = subprog[back]\nr3 = 0\nr4 = 0\ncall bpf_loop\nr1 = map[outer]\nr1 = map[limits][0]+0\nr0 = 0\nexit\nback:\nr0 = 0\nexit';
    const program = assembled('loop', text, { maps: [outer, limits] });
    const object = readObject(writeObject([program]));
    expect(object.maps).toEqual([outer, { ...limits, name: '.rodata.limits' }]);
    expect(object.programs[0]?.functions).toEqual(program.functions);
    expect(object.programs[0]?.instructions[1]).toEqual(program.instructions[1]);
  });
});

describe('what does not go into an object', () => {
  test.each<[string, string, readonly (Program | ObjectProgram)[]]>([
    ['nothing', 'ERR_INVALID_ARGUMENT', []],
    ['two licences', 'ERR_INVALID_ARGUMENT', [count, { ...pass, licence: 'GPL' }]],
    ['two programs of one name', 'ERR_INVALID_ARGUMENT', [pass, pass]],
    [
      'two maps of one name that differ',
      'ERR_INVALID_ARGUMENT',
      [count, { ...pass, maps: [{ ...(maps[1] as (typeof maps)[number]), name: 'counters' }] }],
    ],
    ['a program that no section is for', 'ERR_INVALID_ARGUMENT', [{ ...pass, type: 'cgroup_sock_addr' }]],
    ['a section that has another meaning', 'ERR_INVALID_ARGUMENT', [{ ...pass, section: '.maps' }]],
    ['a name that the kernel does not take', 'ERR_INVALID_ARGUMENT', [{ ...pass, name: 'from-pod' }]],
    [
      'a function with NUL in its name',
      'ERR_INVALID_ARGUMENT',
      [{ ...count, functions: count.functions.map(({ index }) => ({ name: `f\0${index}`, index })) }],
    ],
    ['no instructions', 'ERR_INVALID_ARGUMENT', [{ ...pass, instructions: [], functions: [] }]],
    [
      'functions out of order',
      'ERR_INVALID_ARGUMENT',
      [
        {
          ...pass,
          functions: [
            { name: 'a', index: 0 },
            { name: 'b', index: 0 },
          ],
        },
      ],
    ],
    ['a map that is not defined', 'ERR_UNRESOLVED', [{ ...count, maps: [] }]],
    [
      'a value of a map of several elements',
      'ERR_UNSUPPORTED',
      [{ ...count, maps: maps.map((map) => Object.assign({}, map, { maxEntries: 2 })) }],
    ],
  ])('%s', (_, code, programs) => {
    expect(failure(programs)).toMatchObject({ code });
  });

  test.each<[string, string, number, Instruction[]]>([
    [
      'a file descriptor',
      'ERR_UNSUPPORTED',
      0,
      [{ kind: 'ld_imm64', dst: 'r1', value: { type: 'map', map: 3 } }, { kind: 'exit' }],
    ],
    ['a call of the program itself', 'ERR_UNSUPPORTED', 0, [{ kind: 'call_local', target: -1 }, { kind: 'exit' }]],
    ['a call into the midst', 'ERR_OUT_OF_RANGE', 0, [{ kind: 'call_local', target: 0 }, { kind: 'exit' }]],
    ['a jump outside', 'ERR_OUT_OF_RANGE', 1, [{ kind: 'exit' }, { kind: 'ja', target: 1 }]],
    ['a register that there is not', 'ERR_INVALID_INSTRUCTION', 0, [{ kind: 'neg', width: 64, dst: 'r12' as 'r1' }]],
  ])('%s', (_, code, instruction, instructions) => {
    expect(failure([{ ...pass, instructions, functions: [] }])).toEqual({ code, instruction });
  });

  test('data of another size than the map, or for what holds zeros', () => {
    expect(failure([count], { data: new Map([['state', new Uint8Array(3)]]) })).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    const zeros = assembled('z', 'r1 = map[.bss][0]+0\nr0 = 0\nexit', {
      maps: [{ name: '.bss', type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 }],
    });
    expect(failure([zeros], { data: new Map([['.bss', new Uint8Array(4)]]) })).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    expect(failure([zeros])).toBe('written');
  });
});

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
