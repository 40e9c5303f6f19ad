import type { EnrollOptions } from '../../engine/enroll.ts';
import type { Enrolment, PodRequest } from '../../engine/index.ts';
import type { PodPolicy, PortSpec, TrafficRules } from '../../policy.ts';
import type { Arguments } from '../arguments.ts';
import type { CommandIo, CommandRun } from '../command-spec.ts';
import { CliError, EXIT } from '../errors.ts';
import type { Output } from '../output.ts';
import { engineOptionsOf, netnsOf, openToChange } from './node.ts';
import { showPlan } from './plan.ts';
import { readPods } from './pods-file.ts';

/** Options that describe the one pod that is named. */
const OF_ONE = ['netns', 'pid', 'interface', 'pod-interface', 'address', 'dns'] as const;

/** `ambient-redirect enroll`. */
export const run: CommandRun = async ({ args, output, io }) => {
  const requests = await requestsOf(args, io);
  const options: EnrollOptions = {
    established: args.need('established') as NonNullable<EnrollOptions['established']>,
    onShadowed: args.need('on-shadowed') as NonNullable<EnrollOptions['onShadowed']>,
  };
  const engine = engineOptionsOf(args);
  if (args.flag('dry-run')) return showPlan({ kind: 'enroll', pods: requests, options }, { args, output, engine });
  await using control = await openToChange(args, { engine });
  const [first, ...more] = requests;
  const enrolled =
    more.length === 0 && first !== undefined
      ? [await control.enroll(first, options)]
      : await control.enroll(requests, options);
  output.result({ enrolled }, () => enrolled.map((one) => line(one, output)).join('\n'));
  for (const { warnings } of enrolled) for (const warning of warnings) output.warn(warning);
  const { proxy, withoutProxy } = await control.status();
  if (proxy?.status !== 'listening') {
    const why = proxy === undefined ? 'there is no proxy yet' : `the proxy is away (${proxy.missing.join('; ')})`;
    const name = proxy === undefined ? '; name it with `ambient-redirect proxy set`' : '';
    output.warn(`${why}: what is captured ${withoutProxy === 'drop' ? 'is dropped' : 'passes'}${name}`);
  }
  return EXIT.ok;
};

function line({ id, hostInterface, addresses, attached, changed }: Enrolment, output: Output): string {
  const done = changed ? output.paint('green', 'enrolled') : 'is enrolled';
  return `${id} ${done}: ${hostInterface}, ${addresses.join(', ')}, by ${attached}`;
}

/** The pods that are asked for. */
async function requestsOf(args: Arguments, io: CommandIo): Promise<readonly PodRequest[]> {
  const [id, file] = [args.text('POD'), args.text('file')];
  if (file !== undefined) {
    const policy = Object.keys(policyOf(args)).length > 0 ? ['a policy'] : [];
    const given = OF_ONE.filter((name) => args.has(name)).map((name) => `--${name}`);
    const extra = [...(id === undefined ? [] : [id]), ...given, ...policy];
    if (extra.length > 0)
      throw new CliError(`with --file, ${extra.join(', ')} has no place`, { hint: 'write it in the file' });
    const pods = await readPods(file, io);
    if (pods.length === 0) throw new CliError(`${file} has no pods`, { hint: 'give a list of at least one' });
    return pods;
  }
  if (id === undefined)
    throw new CliError('which pod?', {
      hint: 'give its name and where it is, or --file. Try: ambient-redirect enroll --help',
    });
  return [requestOf(id, args)];
}

function requestOf(id: string, args: Arguments): PodRequest {
  const [netns, pid, hostInterface] = [args.text('netns'), args.number('pid'), args.text('interface')];
  if (netns === undefined && pid === undefined && hostInterface === undefined)
    throw new CliError(`where is ${id}?`, { hint: 'give --netns, --pid or --interface' });
  if (netns !== undefined && pid !== undefined)
    throw new CliError('--netns and --pid both name the namespace', { hint: 'give one of them' });
  const podInterface = args.text('pod-interface');
  const addresses = args.all('address');
  const policy = policyOf(args);
  return {
    id,
    ...(netns === undefined ? {} : { netns: netnsOf(netns) }),
    ...(pid === undefined ? {} : { netns: { pid } }),
    ...(hostInterface === undefined ? {} : { hostInterface }),
    ...(podInterface === undefined ? {} : { podInterface }),
    ...(addresses.length === 0 ? {} : { addresses }),
    ...(Object.keys(policy).length === 0 ? {} : { policy }),
  };
}

function policyOf(args: Arguments): PodPolicy {
  const outbound = rulesOf(args, 'outbound');
  const inbound = rulesOf(args, 'inbound');
  return {
    ...(args.flag('dns') ? { dns: true } : {}),
    ...(Object.keys(outbound).length === 0 ? {} : { outbound }),
    ...(Object.keys(inbound).length === 0 ? {} : { inbound }),
  };
}

function rulesOf(args: Arguments, direction: 'outbound' | 'inbound'): TrafficRules {
  const lists = {
    includeCidrs: args.all(`${direction}-include-cidr`),
    excludeCidrs: args.all(`${direction}-exclude-cidr`),
    includePorts: args.all(`${direction}-include-port`) as readonly PortSpec[],
    excludePorts: args.all(`${direction}-exclude-port`) as readonly PortSpec[],
  };
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
}
