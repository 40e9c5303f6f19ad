import { expect, it } from 'vitest';
import {
  btfOf,
  compile,
  dedupBtf,
  isBpfAsmError,
  lddw,
  readBtf,
  readBtfExt,
  readObject,
  struct,
  writeBtf,
  writeObject,
} from './index.ts';

const nothing = undefined as never;

it.each<[string, () => unknown]>([
  ['writeObject of nothing', () => writeObject(nothing)],
  ['writeObject of null', () => writeObject([null] as never)],
  ['readObject', () => readObject(nothing)],
  ['writeBtf of nothing', () => writeBtf(nothing)],
  ['writeBtf of null', () => writeBtf([null] as never)],
  ['dedupBtf', () => dedupBtf(nothing)],
  ['btfOf', () => btfOf(nothing)],
  ['readBtf', () => readBtf(nothing)],
  ['readBtfExt', () => readBtfExt(nothing, nothing)],
  ['struct', () => struct('a', nothing)],
  ['lddw', () => lddw('r0', nothing)],
  ['compile', () => compile(nothing)],
])('%s without its argument is an error of ours', (_, call) => {
  let error: unknown;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  expect(isBpfAsmError(error)).toBe(true);
});
