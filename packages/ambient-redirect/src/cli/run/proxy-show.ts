import type { CommandRun } from '../command-spec.ts';
import { EXIT } from '../errors.ts';
import { openToLook } from './node.ts';
import { proxyText } from './proxy-text.ts';

/** `ambient-redirect proxy show`. */
export const run: CommandRun = async ({ args, output }) => {
  await using control = await openToLook(args);
  const { proxy } = await control.status();
  output.result({ proxy: proxy ?? null }, () =>
    proxy === undefined ? 'there is no proxy; name it with `ambient-redirect proxy set`' : proxyText(proxy, output),
  );
  return proxy?.status === 'listening' ? EXIT.ok : EXIT.failed;
};
