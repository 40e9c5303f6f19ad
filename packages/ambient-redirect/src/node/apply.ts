import { isNetlinkTcError } from 'netlink-tc';
import { addPart, deletePart, describePart, routingState } from './routing.ts';
import { planSettings, type Deviation, type SettingsRecord, type SysctlChange } from './settings.ts';
import { readSysctl, writeSysctl } from './sysctl.ts';
import { netnsOf, type SettingsTarget } from './target.ts';

function describeSysctl({ where, name }: Pick<SysctlChange, 'where' | 'name'>): string {
  return `net/${name} of the ${where}`;
}

/**
 * Makes the changes of a record. What is as it should be is left alone, so that doing it twice is doing it once.
 *
 * Forwarding goes off and routes come before rules: at no time is a packet forwarded that should be dropped.
 * @throws NetlinkTcError `ERR_PERMISSION` without `CAP_NET_ADMIN`; Error of node:fs when a setting cannot be written
 */
export async function applySettings(target: SettingsTarget, record: SettingsRecord): Promise<void> {
  for (const { where, name, wanted } of record.sysctls) {
    const netns = netnsOf(target, where);
    const now = readSysctl(netns, name);
    if (now !== undefined && now !== wanted) writeSysctl(netns, name, wanted);
  }
  const { missing } = await routingState(target);
  await target.proxy.socket.batch(missing.map(addPart));
}

/** One thing that the redirection needs to be set, and how it is found. */
export interface SettingState extends Deviation {
  /** What was there before the first change of ours; undefined where nothing was, or it is not recorded. */
  readonly before: string | undefined;
}

/**
 * Lists all that the redirection needs to be set: sysctls, routes, rules. Changes nothing.
 * @throws AmbientRedirectError as {@link planSettings}
 */
export async function listSettings(target: SettingsTarget, record?: SettingsRecord): Promise<SettingState[]> {
  const { sysctls } = await planSettings(target, record);
  const settings = sysctls.flatMap(({ where, name, wanted, before }): SettingState[] => {
    const found = readSysctl(netnsOf(target, where), name);
    return found === undefined ? [] : [{ what: describeSysctl({ where, name }), found, wanted, before }];
  });
  const { wanted, missing } = await routingState(target);
  const parts = wanted.map((part) => ({
    what: describePart(part),
    found: missing.includes(part) ? undefined : 'present',
    wanted: 'present',
    before: undefined,
  }));
  return [...settings, ...parts];
}

/**
 * Lists what is not as the redirection needs it; nothing when all is well.
 * @throws AmbientRedirectError as {@link planSettings}
 */
export async function checkSettings(target: SettingsTarget, record?: SettingsRecord): Promise<Deviation[]> {
  const all = await listSettings(target, record);
  return all
    .filter(({ found, wanted }) => found !== wanted)
    .map(({ what, found, wanted }) => ({ what, found, wanted }));
}

/**
 * Puts back what was there before. A setting that someone else has changed since is theirs, and stays; so does what is gone anyhow. Take the
 * hooks away before.
 * @returns what was left because it is not as we made it
 */
export async function restoreSettings(target: SettingsTarget, record: SettingsRecord): Promise<Deviation[]> {
  const looked = record.sysctls.map((change) => ({
    ...change,
    found: readSysctl(netnsOf(target, change.where), change.name),
  }));
  // All are read before the first is written: `all` changes the others.
  const ours = looked.filter(({ found, wanted }) => found === wanted);
  const theirs = looked.filter(({ found, wanted, before }) => ![wanted, before, undefined].includes(found));
  const answers = await Promise.allSettled(target.proxy.socket.send(record.routing.toReversed().map(deletePart)));
  for (const answer of answers) {
    if (answer.status === 'rejected' && !isNetlinkTcError(answer.reason, 'ERR_NOT_FOUND')) throw answer.reason;
  }
  for (const { where, name, before } of ours) {
    const netns = netnsOf(target, where);
    if (readSysctl(netns, name) !== before) writeSysctl(netns, name, before);
  }
  return theirs.map(({ where, name, found, before }) => ({
    what: describeSysctl({ where, name }),
    found,
    wanted: before,
  }));
}
