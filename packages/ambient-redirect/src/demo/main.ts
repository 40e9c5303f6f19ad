/**
 * The demo by itself, without the command `ambient-redirect`: it is bundled into one file for machines that are emulated.
 *
 * `--json` prints one JSON document, `--keep` waits for a key before all is taken away, `--attach` and `--steer` choose how. Exits with 1 when
 * anything is not as told, with 2 when it cannot run here.
 */
import { parseArgs } from 'node:util';
import { isNetlinkTcError } from 'netlink-tc';
import { isAmbientRedirectError } from '../error.ts';
import { showDemo, type ShowOptions } from './show.ts';

function options(): ShowOptions {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        attach: { type: 'string', default: 'auto' },
        steer: { type: 'string', default: 'auto' },
      },
    });
    return values as ShowOptions;
  } catch (error) {
    console.error(
      `${(error as Error).message}\nOptions: --json, --keep, --attach=auto|tcx|clsact, --steer=auto|sk_lookup|tproxy`,
    );
    process.exit(2);
  }
}

try {
  process.exitCode = (await showDemo(options(), process)) ? 0 : 1;
} catch (error) {
  if (!isNetlinkTcError(error) && !isAmbientRedirectError(error)) throw error;
  console.error(`The demo cannot run here: ${error.message}`);
  process.exitCode = 2;
}
