import { exit, mov64 } from 'bpf-asm';
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { programOf } from '../../test/program.ts';
import { createFakeSys } from '../sys/index.ts';
import { BPF_COMMAND } from './command.ts';
import { PROG_LOAD } from './attr-table.ts';
import { loadProgram } from './program-load.ts';

const { EAGAIN, EINVAL, ENOSPC } = constants.errno;
const program = programOf([mov64('r0', 0), exit()]);

test('a verification that a signal interrupted is begun again', () => {
  let loads = 0;
  const sys = createFakeSys({
    answer: (_name, [command]) => {
      if (command !== BPF_COMMAND.BPF_PROG_LOAD) return -EINVAL;
      loads += 1;
      return loads < 4 ? -EAGAIN : 7;
    },
  });
  loadProgram(sys, program, { btf: false }).close();
  expect(loads).toBe(4);
});

test('a log grows by steps where the kernel does not tell its size', () => {
  const log = `0: (95) exit\nR0 !read_ok\n${' '.repeat(1)}\n`.padStart(3000, '; line\n');
  const sizes: number[] = [];
  const sys = createFakeSys({
    answer: (_name, [command, attr], memory) => {
      if (command !== BPF_COMMAND.BPF_PROG_LOAD || !(attr instanceof Uint8Array)) return -EINVAL;
      const view = new DataView(attr.buffer, attr.byteOffset);
      const size = view.getUint32(PROG_LOAD.log_size, true);
      if (size === 0) return -EINVAL;
      sizes.push(size);
      memory.at(view.getBigUint64(PROG_LOAD.log_buf, true)).set(new TextEncoder().encode(log.slice(0, size - 1)));
      return size > log.length ? -EINVAL : -ENOSPC;
    },
  });
  expect(() => loadProgram(sys, program, { btf: false, log: 64 })).toThrow(/R0 !read_ok: EINVAL.*set r0 on every path/);
  expect(sizes).toEqual([64, 256, 1024, 4096]);
});

test('bytes that are no text do not stop a log from being read', () => {
  const sys = createFakeSys({
    answer: (_name, [command, attr], memory) => {
      if (command !== BPF_COMMAND.BPF_PROG_LOAD || !(attr instanceof Uint8Array)) return -EINVAL;
      const view = new DataView(attr.buffer, attr.byteOffset);
      if (view.getUint32(PROG_LOAD.log_size, true) > 0) {
        memory
          .at(view.getBigUint64(PROG_LOAD.log_buf, true))
          .set([0xff, 0xfe, 0x0a, ...new TextEncoder().encode('unreachable insn 1')]);
      }
      return -EINVAL;
    },
  });
  expect(() => loadProgram(sys, program, { btf: false })).toThrow(/unreachable insn 1/);
});
