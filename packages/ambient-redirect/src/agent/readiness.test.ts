import { expect, test } from 'vitest';
import type { ControlStatus } from '../control/index.ts';
import { problemsOf, problemText } from './readiness.ts';

type Pod = Pick<ControlStatus['pods'][number], 'id' | 'status' | 'problems'>;

function status({
  pods = [],
  ...rest
}: Partial<Pick<ControlStatus, 'wanted' | 'agent'>> & {
  readonly pods?: readonly Pod[];
  readonly proxy?: { readonly status: 'listening' | 'away'; readonly missing: readonly string[] } | undefined;
}): ControlStatus {
  return { proxy: { status: 'listening', missing: [] }, pods, ...rest } as unknown as ControlStatus;
}

test('a node is ready when the proxy listens and nothing is amiss', () => {
  expect(problemsOf(status({ pods: [{ id: 'a', status: 'enrolled', problems: [] }] }))).toEqual([]);
  // Connections of its own that end are no reason.
  expect(problemsOf(status({ pods: [{ id: 'a', status: 'draining', problems: [] }] }))).toEqual([]);
});

test('what is amiss is a line each', () => {
  expect(problemsOf(status({ proxy: undefined }))).toEqual(['proxy: there is none']);
  const away = { status: 'away', missing: ['nothing listens at 15001', 'nor at 15006'] } as const;
  const agent = {
    pid: 1,
    config: '/etc/agent.yaml',
    since: '',
    problems: [{ subject: '/etc/agent.yaml', error: '/etc/agent.yaml:1:1: dn is no key' }],
  };
  const pods = [
    { id: 'a', status: 'degraded', problems: ['app_inbound was detached', 'app_outbound too'] },
    { id: 'b', status: 'missing', problems: ['its interface v-b is gone: reconcile unenrolls it'] },
    { id: 'c', status: 'enrolled', problems: [] },
  ] as const;
  const wanted = [{ id: 'd', code: undefined, error: 'it is being enrolled' }];
  expect(problemsOf(status({ proxy: away, agent, pods, wanted }))).toEqual([
    'proxy: it is away: nothing listens at 15001, nor at 15006',
    'd: it is being enrolled',
    'a: app_inbound was detached, app_outbound too',
    'b: its interface v-b is gone: reconcile unenrolls it',
    '/etc/agent.yaml:1:1: dn is no key',
  ]);
});

test('what an error begins with is not said twice', () => {
  expect(problemText({ subject: 'a', error: 'a: it is gone' })).toBe('a: it is gone');
  expect(problemText({ subject: 'a', error: 'it is gone' })).toBe('a: it is gone');
  expect(problemText({ subject: 'a', error: 'address 10.0.0.1 is taken' })).toBe('a: address 10.0.0.1 is taken');
});
