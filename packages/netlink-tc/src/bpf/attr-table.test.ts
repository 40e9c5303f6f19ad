import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeWith, file, tool } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import * as table from './attr-table.ts';

/** Each table, with the member of the union that holds its fields; the empty one is anonymous. */
const MEMBERS = {
  '': [table.MAP_CREATE, table.MAP_ELEM, table.PROG_LOAD, table.OBJ, table.PROG_ATTACH, table.GET_ID, table.BTF_LOAD],
  'batch.': [table.MAP_BATCH],
  'test.': [table.TEST_RUN],
  'info.': [table.GET_INFO],
  'query.': [table.PROG_QUERY],
  'link_update.': [table.LINK_UPDATE],
} as const;

const fields: Record<string, number> = {};
for (const [member, tables] of Object.entries(MEMBERS)) {
  for (const fieldsOf of tables) for (const [name, offset] of Object.entries(fieldsOf)) fields[member + name] = offset;
}
const { relative_fd, expected_revision, ...link } = table.LINK_CREATE;
for (const [name, offset] of Object.entries(link)) fields[`link_create.${name}`] = offset;
fields['link_create.tcx.relative_fd'] = relative_fd;
fields['link_create.tcx.expected_revision'] = expected_revision;

function offsets(include: string, names: readonly string[], flags: readonly string[] = []): Record<string, number> {
  const directory = tempDir();
  const source = join(directory, 'offsets.c');
  const lines = names.map((name) => `  printf("%s %zu\\n", "${name}", offsetof(union bpf_attr, ${name}));`);
  writeFileSync(source, `${include}\nint main(void) {\n${lines.join('\n')}\n  return 0;\n}\n`);
  execFileSync('gcc', ['-w', ...flags, '-o', join(directory, 'offsets'), source], { cwd: directory });
  const output = execFileSync(join(directory, 'offsets'), { encoding: 'utf8' });
  return Object.fromEntries(
    output
      .trim()
      .split('\n')
      .map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]),
  );
}

/** Fields that the header of the distribution, older than the kernel, need not have. */
const NEWER = /log_true_size|revision|relative_fd|link_ids|link_attach_flags/;

// The layout is the same everywhere, but this machine's compiler sees the types as the header of each architecture has them.
describe.each([
  ['this machine', '/usr/include', []],
  ['riscv64', '/usr/riscv64-linux-gnu/include', ['-D__riscv', '-D__riscv_xlen=64']],
  ['s390x', '/usr/s390x-linux-gnu/include', ['-D__s390x__']],
] as const)('for %s', (_, directory, defines) => {
  describeWith([tool('gcc'), file(`${directory}/linux/bpf.h`)], 'union bpf_attr of the C header', () => {
    test('has every field where the table says', () => {
      const names = Object.keys(fields).filter((name) => !NEWER.test(name));
      expect(names.length).toBeGreaterThan(80);
      const wanted = Object.fromEntries(names.map((name) => [name, fields[name]]));
      const include = '#include <stddef.h>\n#include <stdio.h>\n#include <linux/bpf.h>';
      const flags = directory === '/usr/include' ? [] : ['-isystem', directory, ...defines];
      expect(offsets(include, names, flags)).toEqual(wanted);
    });
  });
});

describeWith(
  [tool('gcc'), tool('bpftool'), file('/sys/kernel/btf/vmlinux')],
  'union bpf_attr of the running kernel',
  () => {
    test('has every field where the table says, as far as the kernel knows it', () => {
      const header = execFileSync('bpftool', ['btf', 'dump', 'file', '/sys/kernel/btf/vmlinux', 'format', 'c'], {
        encoding: 'utf8',
        maxBuffer: 64 << 20,
        env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` },
      });
      const union = /^union bpf_attr \{[\s\S]*?^\};/m.exec(header)?.[0] ?? '';
      const names = Object.keys(fields).filter((name) => union.includes(name.slice(name.lastIndexOf('.') + 1)));
      expect(names.length).toBeGreaterThan(80);
      const types = 'typedef unsigned int __u32; typedef int __s32; typedef unsigned long long __u64;';
      const wanted = Object.fromEntries(names.map((name) => [name, fields[name]]));
      expect(offsets(`#include <stddef.h>\n#include <stdio.h>\n${types}\n${union}`, names)).toEqual(wanted);
    });
  },
);
