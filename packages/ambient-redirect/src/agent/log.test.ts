import { expect, test } from 'vitest';
import { lineLog, type LineLogOptions } from './log.ts';

function lines(format: LineLogOptions['format']): string[] {
  let said = '';
  const log = lineLog((text) => (said += text), { format });
  log.info('one');
  log.warn('two\n  lines\n');
  log.error('three');
  return said.split('\n');
}

test('a message is a line, whatever it has', () => {
  expect(lines('plain')).toEqual(['info: one', 'warn: two | lines', 'error: three', '']);
  expect(lines('journal')).toEqual(['<6>one', '<4>two | lines', '<3>three', '']);
  const [, second = ''] = lines('json');
  expect(JSON.parse(second)).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    level: 'warn',
    message: 'two\n  lines\n',
  });
});
