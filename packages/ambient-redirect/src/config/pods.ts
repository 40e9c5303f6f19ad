import type { PodRequest } from '../engine/roster.ts';
import { AmbientRedirectError } from '../error.ts';
import { toPod } from './config.ts';
import { parseConfig } from './parse.ts';
import { POD } from './schema.ts';
import { list } from './types.ts';

/**
 * Reads a list of pods, YAML or JSON: each as in the list `pods` of a configuration.
 * @param name what it is called in messages
 * @throws AmbientRedirectError `ERR_CONFIG` with all that is wrong, by line and column
 */
export function parsePods(text: string, name: string): readonly PodRequest[] {
  const pods = parseConfig(text, list(POD, 'pods'), name).map(toPod);
  const ids = pods.map(({ id }) => id);
  const twice = ids.find((id, at) => ids.indexOf(id) < at);
  if (twice === undefined) return pods;
  throw new AmbientRedirectError('ERR_CONFIG', `${name}: ${twice} is the name of two pods`, {
    hint: 'give each pod a name of its own',
  });
}
