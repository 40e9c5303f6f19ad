import { CliError, EXIT } from '../errors.ts';

/** How many pods an error names. */
const NAMED = 10;

/** Refuses pods that are not enrolled: nothing would ever be told of them. @throws CliError `ERR_NO_POD` */
export function requirePods(ids: readonly string[], enrolled: readonly { readonly id: string }[]): void {
  const known = new Set(enrolled.map(({ id }) => id));
  const unknown = ids.filter((id) => !known.has(id));
  if (unknown.length === 0) return;
  throw new CliError(`${unknown.join(', ')} is not enrolled`, {
    code: 'ERR_NO_POD',
    exitCode: EXIT.failed,
    hint: known.size === 0 ? 'no pod is' : `those that are: ${[...known].slice(0, NAMED).join(', ')}`,
  });
}
