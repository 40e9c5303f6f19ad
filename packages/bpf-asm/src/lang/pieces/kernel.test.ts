import { expect, it } from 'vitest';
import { describeWith, root } from '../../../../../test/support/needs.ts';
import { createMap, loadProgram, type KernelMap } from '../../../test/kernel.ts';
import { ATTACH_TYPE, MAP_TYPE, PROGRAM_TYPE, resolveMaps, type Program } from '../../asm/index.ts';
import { encode } from '../../isa/index.ts';
import { PIECES } from './all.ts';

/** The verifier's word on a program: nothing where it takes it, else its log. */
function refusal({ instructions, licence, type, maps, expectedAttachType }: Program): string | undefined {
  const made = new Map<string, KernelMap>();
  try {
    for (const { name, type: mapType, keySize, valueSize, maxEntries, flags } of maps) {
      made.set(name, createMap(MAP_TYPE[mapType], keySize, valueSize, maxEntries, flags));
    }
    const code = encode(resolveMaps(instructions, (name) => made.get(name)?.fd));
    const attachType = expectedAttachType === undefined ? 0 : ATTACH_TYPE[expectedAttachType];
    const program = loadProgram(code, { type: PROGRAM_TYPE[type], attachType, licence, logLevel: 1 });
    program.close();
    return program.fd < 0 ? `errno ${-program.fd}: ${program.log}` : undefined;
  } finally {
    for (const map of made.values()) map.close();
  }
}

describeWith([root], 'the verifier', () => {
  it.each(Object.keys(PIECES))('takes %s', (name) => {
    const program = (PIECES[name] as () => Program)();
    expect(refusal(program)).toBeUndefined();
  });
});
