import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { describeWith, file, tool } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { arbitraryTypes } from '../../test/arbitrary-btf.ts';
import { arbitraryStruct } from '../../test/arbitrary-layout.ts';
import { isBpfAsmError } from '../error.ts';
import {
  array,
  be16,
  bytes,
  i64,
  ipv6Address,
  string,
  struct,
  u8,
  type AnyLayout,
  type StructLayout,
} from '../layout/index.ts';
import {
  btfOf,
  mapReferences,
  printC,
  printTs,
  readBtf,
  writeBtf,
  type Btf,
  type BtfInt,
  type BtfMember,
  type BtfType,
} from './index.ts';

const VMLINUX = '/sys/kernel/btf/vmlinux';
const int: BtfInt = { kind: 'int', name: 'int', size: 4, bits: 32, bitOffset: 0, encoding: 'signed' };
const member = (name: string, type: number, bitOffset: number, bitSize = 0): BtfMember => ({
  name,
  type,
  bitOffset,
  bitSize,
});
const btfFrom = (...types: BtfType[]): Btf => readBtf(writeBtf(types));
const squeeze = (text: string): string => text.replace(/\s+/g, ' ').trim();
const Inner = struct('inner', { low: be16, text: string(6), data: bytes(3) });
const Outer = struct('outer', { tag: u8, list: array(Inner, 2), address: ipv6Address, when: i64 });
const layouts = readBtf(btfOf([Outer]).btf.bytes());

/** What the compiler says of a C file; nothing when it is fine. */
function compile(code: string): string {
  const path = join(tempDir(), 'types.c');
  writeFileSync(path, code);
  return spawnSync('gcc', ['-fsyntax-only', '-w', '-fmax-errors=5', path], { encoding: 'utf8' }).stderr;
}

const assertion = (expression: string, value: number): string =>
  `_Static_assert(${expression} == ${value}, "${expression}");\n`;
const offsets = (type: string, fields: readonly { readonly name: string; readonly offset: number }[]): string =>
  fields.map(({ name, offset }) => assertion(`__builtin_offsetof(${type}, ${name})`, offset)).join('');

describe('C', () => {
  it('of layouts', () => {
    expect(squeeze(printC(layouts, { ids: [layouts.find('outer', 'struct') ?? 0] }))).toBe(
      'typedef unsigned char __u8; typedef unsigned short __u16; typedef __u16 __be16; struct inner { __be16 low; char text[6]; __u8 data[3]; }; ' +
        'typedef unsigned int __u32; typedef __u32 __be32; typedef long long __s64; ' +
        'struct outer { __u8 tag; struct inner list[2]; __be32 address[4]; __s64 when; };',
    );
  });

  it('of pointers in circles, functions, qualifiers, bit fields and padding', () => {
    const btf = btfFrom(
      int,
      { kind: 'struct', name: 'node', size: 24, members: [member('next', 3, 0), member('call', 6, 64), member('a', 1, 128, 3), member('b', 1, 136, 9)] },
      { kind: 'ptr', type: 2 },
      { kind: 'func_proto', returns: 3, params: [{ name: 'from', type: 5 }, { name: '', type: 0 }] },
      { kind: 'ptr', type: 7 },
      { kind: 'ptr', type: 4 },
      { kind: 'const', type: 2 },
      { kind: 'func', name: 'walk', type: 4, linkage: 'global' },
      { kind: 'struct', name: 'odd', size: 5, members: [member('x', 1, 8)] },
      { kind: 'array', element: 6, index: 1, length: 2 },
      { kind: 'ptr', type: 10 },
      { kind: 'var', name: 'table', type: 11, linkage: 'global' },
      { kind: 'struct', name: 'node', size: 16, members: [member('x', 1, 0), member('', 14, 64)] },
      { kind: 'union', name: '', size: 8, members: [member('y', 1, 0)] },
      { kind: 'enum', name: 'colour', size: 1, signed: true, values: [{ name: 'red', value: -1 }] },
      { kind: 'enum64', name: 'wide', size: 8, signed: false, values: [{ name: 'red', value: (1n << 64n) - 1n }] },
    ); // prettier-ignore
    const text = printC(btf, { ids: [8, 9, 12, 13, 15, 16] });
    expect(squeeze(text)).toBe(
      'struct node; struct node *walk(const struct node *from, ...); ' +
        'struct odd { unsigned char __padding_0[1]; int x; } __attribute__((packed)); ' +
        'extern struct node *(*(*table)[2])(const struct node *from, ...); ' +
        'struct node___2 { int x; unsigned char __padding_1[4]; union { int y; unsigned char __padding_2[8]; }; }; ' +
        'enum colour { red = -1, } __attribute__((mode(byte))); enum wide { red___2 = 18446744073709551615ULL, } __attribute__((mode(DI)));',
    );
    expect(squeeze(printC(btf, { ids: [2] }))).toBe(
      'struct node; struct node { struct node *next; struct node *(*call)(const struct node *from, ...); int a : 3; unsigned char : 5; int b : 9; };',
    );
  });

  it.each<[string, BtfType[]]>([
    ['a struct that contains itself', [{ kind: 'struct', name: 's', size: 4, members: [member('s', 1, 0)] }]],
    ['a circle of typedefs in a struct', [{ kind: 'typedef', name: 't', type: 1 }, { kind: 'struct', name: 's', size: 4, members: [member('t', 1, 0)] }]],
    ['a variable as a type', [{ kind: 'var', name: 'v', type: 0, linkage: 'static' }, { kind: 'ptr', type: 1 }, { kind: 'typedef', name: 't', type: 2 }]],
    ['constants without end', [{ kind: 'const', type: 1 }, { kind: 'typedef', name: 't', type: 1 }]],
  ])('refuses %s', (_, types) => {
    expect(() => printC(btfFrom(...types))).toThrow(expect.objectContaining({ code: 'ERR_BTF' }) as Error);
  }); // prettier-ignore
});

describe('TypeScript', () => {
  it('of layouts', () => {
    expect(printTs(layouts)).toBe(`export interface inner {
  readonly low: number; // __be16, byte 0
  readonly text: string; // byte 2
  readonly data: Uint8Array; // byte 8
}

export interface outer {
  readonly tag: number; // __u8, byte 0
  readonly list: inner[]; // byte 2
  readonly address: number[]; // byte 28
  readonly when: bigint; // __s64, byte 48
}
`);
  });

  it('of what has no name of its own', () => {
    const btf = btfFrom(
      int,
      { kind: 'struct', name: 'class', size: 16, members: [member('', 3, 0), member('p', 4, 64), member('b', 1, 32, 4), member('c', 6, 40)] },
      { kind: 'union', name: '', size: 4, members: [member('x', 1, 0), member('y', 1, 0)] },
      { kind: 'ptr', type: 0 },
      { kind: 'enum', name: '', size: 1, signed: false, values: [{ name: 'on', value: 1 }] },
      { kind: 'typedef', name: 'state', type: 5 },
    ); // prettier-ignore
    expect(squeeze(printTs(btf))).toBe(
      'export interface class___2 { readonly x: number; // byte 0 readonly y: number; // byte 0 readonly p: bigint; // byte 8 ' +
        'readonly b: number; // bits 32 to 35 readonly c: state; // byte 5 } ' +
        'export const state = { "on": 1, } as const; export type state = (typeof state)[keyof typeof state];',
    );
  });
});

it('gives up on types that would go on for ever', () => {
  // Each of sixty structs without a name has the one before twice: printed in place, that is 2^60 of them.
  const doubling = Array.from({ length: 60 }, (_, i): BtfType => ({
    kind: 'union',
    name: i === 59 ? 'all' : '',
    size: 4,
    members: i === 0 ? [member('x', 0, 0)] : [member('', i, 0), member('', i, 0)],
  }));
  for (const print of [printC, printTs]) {
    const int1 = [int, ...doubling.map((type) => mapReferences(type, (id) => id + 1))];
    expect(() => print(btfFrom(...int1))).toThrow(expect.objectContaining({ code: 'ERR_BTF' }) as Error);
  }
});

it('prints any types, or has an error of its own', () => {
  fc.assert(
    fc.property(arbitraryTypes, fc.constantFrom(printC, printTs), (types, print) => {
      const btf = btfFrom(...types);
      let outcome: unknown;
      try {
        outcome = print(btf, { ids: Array.from(types, (_, i) => i + 1) });
      } catch (error) {
        outcome = error;
      }
      expect(typeof outcome === 'string' || isBpfAsmError(outcome, 'ERR_BTF')).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

describeWith([tool('gcc'), tool('objcopy')], 'the C compiler', () => {
  /** A declaration of the same struct that leaves every offset to the compiler. */
  class Declarations {
    text =
      'typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;\n';
    #count = 0;

    of(layout: AnyLayout, name: string): string {
      switch (layout.kind) {
        case 'integer':
          return `u${layout.bits} ${name}`;
        case 'address':
          return { mac: `u8 ${name}[6]`, ipv4: `u32 ${name}`, ipv6: `u32 ${name}[4]` }[layout.family];
        case 'bytes':
        case 'string':
          return `u8 ${name}[${layout.size}]`;
        case 'array':
          return this.of(layout.element, `${name}[${layout.length}]`);
        case 'struct':
          return `struct ${this.struct(layout)} ${name}`;
      }
    }

    struct(layout: StructLayout): string {
      const tag = `s${this.#count++}`;
      const fields = Object.values(layout.fields).map((field) => `${this.of(field.layout, field.name)};`);
      this.text += `struct ${tag} { ${fields.join(' ')} }${layout.packed ? ' __attribute__((packed))' : ''};\n`;
      const type = `struct ${tag}`;
      this.text +=
        offsets(type, Object.values(layout.fields)) +
        assertion(`sizeof(${type})`, layout.size) +
        assertion(`_Alignof(${type})`, layout.align);
      return tag;
    }
  }

  it('lays structs out as the layouts do', () => {
    fc.assert(
      fc.property(fc.array(arbitraryStruct, { minLength: 40, maxLength: 60 }), (structs) => {
        const declarations = new Declarations();
        for (const layout of structs) declarations.struct(layout);
        expect(compile(declarations.text)).toBe('');
      }),
      { numRuns: 5 },
    );
    expect(compile(assertion('sizeof(int)', 5))).toMatch(/static assertion failed/);
  });

  it('takes what is printed of them, and lays it out the same', () => {
    fc.assert(
      fc.property(fc.array(arbitraryStruct, { minLength: 40, maxLength: 60 }), (structs) => {
        const { btf, ids } = btfOf(structs);
        for (const [i, type] of ids.entries()) btf.add({ kind: 'typedef', name: `top_${i}`, type });
        const checks = structs.map(
          (s, i) => offsets(`top_${i}`, Object.values(s.fields)) + assertion(`sizeof(top_${i})`, s.size),
        );
        expect(compile(printC(readBtf(btf.bytes())) + checks.join(''))).toBe('');
      }),
      { numRuns: 5 },
    );
  });

  it('writes BTF that says the same as it was given', () => {
    const directory = tempDir();
    const [source, object, section] = ['a.c', 'a.o', 'a.btf'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(source, `${printC(layouts)}\nstruct outer outer; int main(void) { return 0; }\n`);
    execFileSync('gcc', ['-gbtf', '-c', '-o', object, source]);
    execFileSync('objcopy', [
      '-O',
      'binary',
      '--only-section=.BTF',
      '--set-section-flags',
      '.BTF=alloc',
      object,
      section,
    ]);
    const read = readBtf(readFileSync(section));
    const shape = (btf: Btf): unknown => {
      const type = btf.type(btf.find('outer', 'struct') ?? 0);
      return type.kind === 'struct' ? [type.size, type.members.map(({ name, bitOffset }) => [name, bitOffset])] : type;
    };
    expect(shape(read)).toEqual(shape(layouts));
    expect(read.find('main', 'func')).toBeDefined();
  });
});

describeWith([file(VMLINUX), tool('gcc')], 'every type of the running kernel', () => {
  const btf = readBtf(readFileSync(VMLINUX));

  it('is laid out the same by the C compiler', () => {
    let checks = '';
    let count = 0;
    for (const [id, type] of btf) {
      // The first of a name keeps it, unless another kind of type has it too.
      if (
        (type.kind !== 'struct' && type.kind !== 'union') ||
        type.name === '' ||
        btf.find(type.name, type.kind) !== id
      )
        continue;
      if (
        (['struct', 'union', 'enum', 'enum64'] as const).filter((kind) => btf.find(type.name, kind) !== undefined)
          .length > 1
      )
        continue;
      const name = `${type.kind} ${type.name}`;
      const plain = type.members.filter((m) => m.name !== '' && m.bitSize === 0);
      checks += assertion(`sizeof(${name})`, type.size) + offsets(name, plain.map((m) => ({ name: m.name, offset: m.bitOffset / 8 }))); // prettier-ignore
      count++;
    }
    expect(count).toBeGreaterThan(5000);
    expect(compile(printC(btf) + checks)).toBe('');
  }, 60_000);

  it('is TypeScript', () => {
    const { diagnostics } = ts.transpileModule(printTs(btf), { reportDiagnostics: true });
    expect(diagnostics?.map(({ messageText }) => messageText)).toEqual([]);
  }, 60_000);
});
