/** Listens to the events of the engine in a directory, until it is killed. Arguments: the directory, the path of the host's network namespace. */
import { RedirectEngine, recordedOptions } from '../src/engine/index.ts';

const [directory = '', path = ''] = process.argv.slice(2);
const engine = await RedirectEngine.open({ ...(await recordedOptions({ directory })), directory, host: { path } });
using stream = await engine.events();
console.log('listens');
for await (const event of stream) console.log(event.verdict);
