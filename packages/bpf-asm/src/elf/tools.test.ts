import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { link, type Program } from '../asm/index.ts';
import { assembled, clangObject, COUNT, maps } from '../../test/objects.ts';
import { parseItems } from '../text/index.ts';
import { readObject, writeObject } from './index.ts';

const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/** Runs a command, and gives what it prints on either output; fails the test where the command fails. */
function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env });
  expect(status, `${command} ${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout + stderr;
}

const both = maps.filter(({ name }) => name !== 'events');
const programs = [
  assembled('count', COUNT, { maps: both }),
  assembled('count_again', COUNT, { maps: both }),
  assembled('pass', 'r0 = 2\nexit', { type: 'xdp' }),
  assembled('steer', 'r0 = 1\nexit', { type: 'sk_lookup' }),
  assembled('connect4', 'r0 = 1\nexit', { type: 'cgroup_sock_addr', expectedAttachType: 'cgroup_inet4_connect' }),
  assembled('watch', 'r0 = 1\nexit', { type: 'sock_ops' }),
  assembled('message', 'r0 = 1\nexit', { type: 'sk_msg' }),
];

/** A directory with the objects and a bpffs of its own. */
function workshop(): { file: string; pins: string } {
  const directory = tempDir();
  const file = join(directory, 'object.o');
  const pins = join(directory, 'pins');
  mkdirSync(pins);
  run('mount', '-t', 'bpf', 'bpf', pins);
  onTestFinished(() => void run('umount', pins));
  return { file, pins };
}

describeWith([tool('readelf')], 'binutils', () => {
  test.each(['little', 'big'] as const)('readelf finds nothing wrong in an object, %s endian', (byteOrder) => {
    const file = join(tempDir(), 'object.o');
    writeFileSync(file, writeObject(programs, { byteOrder }));
    const text = run('readelf', '--all', '--wide', file);
    expect(text).not.toMatch(/warning|error|corrupt|<unknown>/i);
    expect(text).toMatch(/Machine:\s+Linux BPF/);
    expect(text).toMatch(/FUNC\s+GLOBAL\s+DEFAULT\s+\d+ count_again/);
    expect(text).toMatch(/R_BPF_INSN_64\s+0+ counters/);
  });
});

describeWith([root, tool('bpftool')], 'libbpf, through bpftool', () => {
  test("loads every program as what it is, with the author's lines", () => {
    const { file, pins } = workshop();
    writeFileSync(file, writeObject(programs));
    expect(run('bpftool', 'prog', 'loadall', file, join(pins, 'all'))).toBe('');
    expect(readdirSync(join(pins, 'all')).toSorted()).toEqual(programs.map(({ name }) => name).toSorted());
    for (const { name, type } of programs) {
      const shown = JSON.parse(run('bpftool', '-j', 'prog', 'show', 'pinned', join(pins, 'all', name))) as Record<
        string,
        unknown
      >;
      expect(shown).toMatchObject({ name, type, btf_id: expect.any(Number) as number });
    }
    const listing = run('bpftool', 'prog', 'dump', 'xlated', 'pinned', join(pins, 'all', 'count_again'), 'linum');
    expect(listing).toContain('; call twice [file:count_again.bpf line_num:21 line_col:3]');
    expect(listing).toMatch(/int twice\(/);
  });

  test('the first program alone, its map with the names of fields', () => {
    const { file, pins } = workshop();
    writeFileSync(file, writeObject(programs.slice(0, 1)));
    run('bpftool', 'prog', 'load', file, join(pins, 'count'), 'pinmaps', join(pins, 'maps'));
    const map = join(pins, 'maps', 'counters');
    run(
      'bpftool',
      'map',
      'update',
      'pinned',
      map,
      'key',
      'hex',
      '01',
      '0',
      '0',
      '0',
      '2',
      '0',
      '0',
      '0',
      'value',
      'hex',
      '3',
      '0',
      '0',
      '0',
      '0',
      '0',
      '0',
      '0',
    );
    expect(JSON.parse(run('bpftool', '-j', 'map', 'dump', 'pinned', map))).toMatchObject([
      { formatted: { key: { address: 1, port: 2 }, value: 3 } },
    ]);
  });

  test('a program whose instructions have no source', () => {
    const { file, pins } = workshop();
    const instructions = link(parseItems('r0 = 0\nexit')).instructions;
    const program: Program = { name: 'bare', type: 'sched_cls', licence: 'GPL', instructions, functions: [], maps: [] };
    writeFileSync(file, writeObject([program]));
    // libbpf says that there are no lines; what it must not say is that it leaves out the names of functions too.
    expect(run('bpftool', 'prog', 'loadall', file, join(pins, 'all'))).not.toMatch(/error|func info/i);
    expect(run('bpftool', 'prog', 'dump', 'xlated', 'pinned', join(pins, 'all', 'bare'))).toMatch(/^int bare\(void/);
  });

  test('BTF of the file', () => {
    const { file } = workshop();
    writeFileSync(file, writeObject(programs));
    const text = run('bpftool', 'btf', 'dump', 'file', file);
    expect(text).toContain("DATASEC '.maps'");
    expect(text).toContain("FUNC 'count' ");
    expect(text).toContain("STRUCT 'flow' size=8");
  });

  test("an object of clang's that was read and written again", () => {
    const { file, pins } = workshop();
    const object = readObject(clangObject('filter'));
    writeFileSync(file, writeObject(object.programs, object));
    run('bpftool', 'prog', 'loadall', file, join(pins, 'all'));
    expect(readdirSync(join(pins, 'all')).toSorted()).toEqual(['count', 'report', 'sum']);
  });
});

describeWith([root, tool('tc'), tool('ip')], 'libbpf, through tc', () => {
  test('loads the section that is asked for', () => {
    const { file } = workshop();
    const [count, again] = programs as [(typeof programs)[number], (typeof programs)[number]];
    writeFileSync(file, writeObject([count, { ...again, section: 'classifier/again' }]));
    const netns = `ambient-elf-${process.pid}`;
    run('ip', 'netns', 'add', netns);
    onTestFinished(() => void run('ip', 'netns', 'del', netns));
    const tc = (...args: string[]): string => run('ip', 'netns', 'exec', netns, 'tc', ...args);
    run('ip', '-n', netns, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    tc('qdisc', 'add', 'dev', 'v0', 'clsact');
    tc('filter', 'add', 'dev', 'v0', 'ingress', 'bpf', 'da', 'obj', file, 'sec', 'classifier/again');
    tc('filter', 'add', 'dev', 'v0', 'egress', 'bpf', 'da', 'obj', file, 'sec', 'tc');
    expect(tc('filter', 'show', 'dev', 'v0', 'ingress')).toMatch(
      /object\.o:\[classifier\/again\] direct-action .* name count_again /,
    );
    expect(tc('filter', 'show', 'dev', 'v0', 'egress')).toMatch(/object\.o:\[tc\] direct-action .* name count /);
  });
});
