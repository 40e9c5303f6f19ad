import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith, file, tool } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { ATTACH_TYPE, MAP_FLAG, MAP_TYPE, PROGRAM_TYPE } from './index.ts';

const HEADER = '/usr/include/linux/bpf.h';

describeWith([tool('gcc'), file(HEADER)], 'the numbers of kernel types', () => {
  it('are those of the kernel header, as far as it goes', () => {
    const tables = {
      'enum bpf_map_type': ['BPF_MAP_TYPE_', MAP_TYPE],
      'enum bpf_prog_type': ['BPF_PROG_TYPE_', PROGRAM_TYPE],
      'enum bpf_attach_type': ['BPF_', ATTACH_TYPE],
      enum: ['BPF_F_', MAP_FLAG],
    } as const;
    const text = execFileSync('gcc', ['-E', '-P', HEADER], { encoding: 'utf8' });
    const lines: string[] = [];
    for (const [prefix, table] of Object.values(tables)) {
      for (const [name, value] of Object.entries(table)) {
        const constant = `${prefix}${name.toUpperCase()}`;
        if (new RegExp(`\\b${constant}\\b`).test(text))
          lines.push(`_Static_assert(${constant} == ${value}, "${constant}");`);
      }
    }
    expect(lines.length).toBeGreaterThan(100);
    const source = join(tempDir(), 'numbers.c');
    writeFileSync(source, `#include <linux/bpf.h>\n${lines.join('\n')}\n`);
    execFileSync('gcc', ['-fsyntax-only', source]);
  });
});
