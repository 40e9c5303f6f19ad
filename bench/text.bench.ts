/**
 * Printing against joining the same lines when they are there already, and parsing against cutting the same text into words: no
 * printer and no parser can do without either. `JSON` is what one would use who does not want a text of one's own.
 */
import { parse, print } from 'bpf-asm/text';
import { compare } from './compare.ts';
import { COUNT, instructions } from './instructions.ts';

const shape = { units: COUNT, unit: 'instructions' };
for (const dialect of ['kernel', 'conformance'] as const) {
  const text = print(instructions, { dialect });
  const lines = text.split('\n');
  const json = JSON.stringify(instructions);
  const printer = { name: 'print', run: () => print(instructions, { dialect }) };
  const parser = { name: 'parse', run: () => parse(text, { dialect }) };
  await compare({
    title: `print, ${dialect}`,
    ...shape,
    subject: printer,
    floor: { name: 'join lines', run: () => lines.join('\n') },
  });
  await compare({
    title: `print, ${dialect}`,
    ...shape,
    subject: printer,
    floor: { name: 'JSON.stringify', run: () => JSON.stringify(instructions) },
  });
  await compare({
    title: `parse, ${dialect}`,
    ...shape,
    subject: parser,
    floor: { name: 'split words', run: () => text.split(/\s+/) },
  });
  await compare({
    title: `parse, ${dialect}`,
    ...shape,
    subject: parser,
    floor: { name: 'JSON.parse', run: (): unknown => JSON.parse(json) },
  });
}
