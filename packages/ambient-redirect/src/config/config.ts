import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { NetnsReference } from 'netlink-tc';
import { DEFAULT_SOCKET } from '../control/control.ts';
import { DEFAULT_DIRECTORY, type EngineOptions } from '../engine/options.ts';
import type { ProxyReference } from '../engine/proxy-state.ts';
import type { PodRequest } from '../engine/roster.ts';
import { AmbientRedirectError } from '../error.ts';
import type { ConfigFile, PodEntry, PodFile, ProxyEntry } from './config-file.ts';
import { listenAddress, type ListenAddress } from './listen-address.ts';
import { parseConfig } from './parse.ts';
import { CONFIG, POD_FILE } from './schema.ts';

/** The agent's configuration, filled up. */
export interface AgentConfig {
  /** What the engine is opened with, `directory` always. */
  readonly engine: Omit<EngineOptions, 'sys' | 'host'> & { readonly directory: string };
  readonly proxy: ProxyReference | undefined;
  readonly pods: readonly PodRequest[];
  readonly podsDirectory: string | undefined;
  /** Path of the control socket. */
  readonly socket: string;
  /** Where health and metrics are told by HTTP; undefined for nowhere. */
  readonly listen: ListenAddress | undefined;
  readonly drainMs: number;
  readonly reconcileMs: number;
}

/**
 * Reads the agent's configuration.
 * @throws AmbientRedirectError `ERR_CONFIG` with all that is wrong, by line and column, or why it cannot be read
 */
export function loadConfig(path: string): AgentConfig {
  return toConfig(parseConfig(readText(path), CONFIG, path));
}

/**
 * Reads a file that names one pod.
 * @param id the pod's id where the file does not say
 * @throws AmbientRedirectError `ERR_CONFIG`
 */
export function loadPod(path: string, id: string): PodRequest {
  return toPod({ id, ...parseConfig<PodFile>(readText(path), POD_FILE, path) });
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read: ${String(code)}`;
    throw new AmbientRedirectError('ERR_CONFIG', `${path}: ${why}`, { cause });
  }
}

function toConfig(file: ConfigFile): AgentConfig {
  const { proxy, pods = [], podsDirectory, agent = {}, directory = DEFAULT_DIRECTORY, ...engine } = file;
  const { socket = DEFAULT_SOCKET, listen, drainSeconds = 60, reconcileSeconds = 60 } = agent;
  return {
    // Commands find the agent by these, and have them in this form.
    engine: { ...engine, directory: resolve(directory) },
    proxy: proxy && toProxy(proxy),
    pods: pods.map(toPod),
    podsDirectory,
    socket: resolve(socket),
    listen: listen === undefined ? undefined : listenAddress(listen),
    drainMs: drainSeconds * 1000,
    reconcileMs: reconcileSeconds * 1000,
  };
}

const netnsOf = (text: string): NetnsReference => (text.includes('/') ? { path: text } : { name: text });

function toProxy({ netns, pid, interface: own }: ProxyEntry): ProxyReference {
  return {
    // The check of the file has seen to it that one of them is there.
    netns: netns === undefined ? { pid: Number(pid) } : netnsOf(netns),
    ...(pid === undefined ? {} : { pid }),
    ...(own === undefined ? {} : { interface: own }),
  };
}

/** A pod as the engine is asked for it. */
export function toPod({ id, netns, pid, interface: end, podInterface, addresses, policy }: PodEntry): PodRequest {
  return {
    id,
    ...(netns === undefined ? {} : { netns: netnsOf(netns) }),
    ...(pid === undefined ? {} : { netns: { pid } }),
    ...(end === undefined ? {} : { hostInterface: end }),
    ...(podInterface === undefined ? {} : { podInterface }),
    ...(addresses === undefined ? {} : { addresses }),
    ...(policy === undefined ? {} : { policy }),
  };
}
