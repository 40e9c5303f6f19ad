import type { ProxyReference } from '../../engine/index.ts';
import type { Arguments } from '../arguments.ts';
import type { CommandRun } from '../command-spec.ts';
import { CliError, EXIT } from '../errors.ts';
import { engineOptionsOf, netnsOf, openToChange } from './node.ts';
import { showPlan } from './plan.ts';
import { proxyText } from './proxy-text.ts';

/** `ambient-redirect proxy set`. */
export const run: CommandRun = async ({ args, output }) => {
  const reference = referenceOf(args);
  const engine = engineOptionsOf(args);
  const handover = args.flag('handover');
  if (args.flag('dry-run'))
    return showPlan({ kind: 'set-proxy', proxy: reference, handover }, { args, output, engine });
  await using control = await openToChange(args, { engine });
  const proxy = await control.setProxy(reference, { handover });
  output.result(proxy, () => proxyText(proxy, output));
  return proxy.status === 'listening' ? EXIT.ok : EXIT.failed;
};

function referenceOf(args: Arguments): ProxyReference {
  const [netns, pid, name] = [args.text('netns'), args.number('pid'), args.text('interface')];
  const place = netns === undefined ? pid && { pid } : netnsOf(netns);
  if (!place) throw new CliError('where is the proxy?', { hint: 'give --netns or --pid' });
  return {
    netns: place,
    ...(pid === undefined ? {} : { pid }),
    ...(name === undefined ? {} : { interface: name }),
  };
}
