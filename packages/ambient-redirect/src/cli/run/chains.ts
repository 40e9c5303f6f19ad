import {
  getLink,
  isNetlinkTcError,
  NetlinkSocket,
  openNetns,
  openSys,
  ProgramReader,
  type Link,
  type NetnsReference,
  type Sys,
} from 'netlink-tc';
import { readChains, type InterfaceChain } from '../../chain/index.ts';
import type { ControlStatus } from '../../control/index.ts';
import { recordedOptions } from '../../engine/index.ts';
import { Host } from '../../topology/index.ts';
import type { Arguments } from '../arguments.ts';
import { CliError, EXIT } from '../errors.ts';
import { nodeOf } from './node.ts';

type Named = Pick<Link, 'index' | 'name'>;

/** The host's namespace of an engine: the one that is named, or that is recorded, or that of this process. Close it. */
export async function openHost(args: Arguments, sys?: Sys): Promise<Host> {
  const { directory, host } = nodeOf(args);
  const opened = sys ?? (await openSys());
  const where: NetnsReference | undefined = host ?? (await recordedHost(opened, directory));
  return new Host(opened, where);
}

async function recordedHost(sys: Sys, directory: string): Promise<NetnsReference | undefined> {
  const host = (await recordedOptions({ sys, directory }))?.host;
  return host !== undefined && 'fd' in host ? undefined : host;
}

/** The interfaces that an engine has its programs on. */
function interfacesOf({ pods, proxy }: Pick<ControlStatus, 'pods' | 'proxy'>): Named[] {
  const all = [
    ...(proxy === undefined ? [] : [proxy.hostInterface]),
    ...pods.map(({ hostInterface }) => hostInterface),
  ];
  return [...new Map(all.map((each) => [each.index, each])).values()];
}

/** The chains of the engine's interfaces; those that are gone are left out, for the status tells of them. */
export async function chainsOf(host: Host, status: ControlStatus): Promise<InterfaceChain[]> {
  const chains: InterfaceChain[] = [];
  const reader = new ProgramReader(host.sys);
  for (const link of interfacesOf(status)) {
    try {
      const { name } = await host.socket.request(getLink(link.index));
      if (name === link.name) chains.push(...(await read(host, [link], status, reader)));
    } catch (error) {
      if (!isNetlinkTcError(error, 'ERR_NOT_FOUND')) throw error;
    }
  }
  return [...chains, ...(await ownChains(host, status))];
}

/** The chains of the proxy's own interface, where one of our programs is on it and a process leads there. */
async function ownChains({ sys }: Host, status: ControlStatus): Promise<InterfaceChain[]> {
  const { proxy } = status;
  if (proxy?.steering.mode !== 'tproxy' || proxy.pid === undefined) return [];
  try {
    using netns = openNetns(sys, { pid: proxy.pid });
    // The id may be another process's by now.
    if (String(netns.inode) !== proxy.netnsInode) return [];
    using socket = NetlinkSocket.open(sys, { netns });
    const links = [proxy.ownInterface];
    return await readChains(sys, socket, { links, netns, where: 'proxy', ours: idsOf(status) });
  } catch (error) {
    if (!isNetlinkTcError(error, 'ERR_NOT_FOUND')) throw error;
    return [];
  }
}

/**
 * The chains of interfaces of the host, by their names.
 * @param status of the engine, where there is one: which programs are ours
 * @throws CliError where there is no such interface
 */
export async function chainsOfNames(
  host: Host,
  names: readonly string[],
  status: ControlStatus | undefined,
): Promise<InterfaceChain[]> {
  const links: Named[] = [];
  for (const name of names) {
    try {
      links.push(await host.socket.request(getLink(name)));
    } catch (error) {
      if (!isNetlinkTcError(error, 'ERR_NOT_FOUND')) throw error;
      throw new CliError(`there is no interface ${name}`, {
        code: 'ERR_INTERFACE_NOT_FOUND',
        exitCode: EXIT.failed,
        hint: 'names are those of the host’s network namespace; give --host if that is another',
        cause: error,
      });
    }
  }
  return read(host, links, status);
}

function read(
  { sys, socket, netns }: Host,
  links: readonly Named[],
  status: ControlStatus | undefined,
  reader = new ProgramReader(sys),
): Promise<InterfaceChain[]> {
  return readChains(sys, socket, { links, netns, where: 'host', ours: idsOf(status), reader });
}

/** Ids of the engine's programs. */
function idsOf(status: ControlStatus | undefined): ReadonlySet<number> {
  const programs = [
    ...(status?.programs ?? []),
    ...(status?.pods ?? []).flatMap(({ hooks }) => hooks.flatMap(({ program }) => program ?? [])),
  ];
  return new Set(programs.map(({ id }) => id));
}
