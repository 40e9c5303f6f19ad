import { expect, test } from 'vitest';
import type { ControlStatus } from '../control/index.ts';
import type { RedirectEngine } from '../engine/index.ts';
import { agentControl, type AgentView } from './agent-control.ts';
import type { EngineHolder } from './engine-holder.ts';

/** A control whose engine notes what it is asked for, and is well. */
function control(view: Partial<AgentView> = {}): {
  readonly asked: unknown[];
  readonly of: ReturnType<typeof agentControl>;
} {
  const asked: unknown[] = [];
  const engine = {
    enroll: (pods: unknown) => Promise.resolve(asked.push(['enroll', pods])),
    status: () => Promise.resolve({ ok: true, pods: [] }),
    reconcile: () => Promise.resolve({ repaired: [], removed: ['gone'], failed: [] }),
  } as unknown as RedirectEngine;
  const holder = {
    use: (work: (one: RedirectEngine) => unknown) => Promise.resolve(work(engine)),
    unenroll: (ids: unknown, options: unknown) => Promise.resolve(asked.push(['unenroll', ids, options])),
  } as unknown as EngineHolder;
  const of = agentControl(holder, {
    wanted: () => new Map([['shop/cart', { request: { id: 'shop/cart' }, source: '/run/pods/cart.yaml' }]]),
    report: () => ({ wanted: [] }),
    onRemoved: (ids) => asked.push(['removed', ids]),
    teardown: () => Promise.resolve([]),
    ...view,
  });
  return { asked, of };
}

test('pods that the configuration names come and go by it alone', async () => {
  const { asked, of } = control();
  const refused = {
    code: 'ERR_CONFLICT',
    message: 'shop/cart is wanted by /run/pods/cart.yaml; change it there: the agent does as it says',
  };
  const pod = { id: 'shop/cart', netns: { name: 'cart' } };
  await expect(of.enroll(pod)).rejects.toMatchObject(refused);
  await expect(of.enroll([{ ...pod, id: 'other' }, pod])).rejects.toMatchObject(refused);
  await expect(of.unenroll('shop/cart')).rejects.toMatchObject(refused);
  await expect(of.unenroll(['other', 'shop/cart'])).rejects.toMatchObject(refused);
  expect(asked).toEqual([]);
  await of.enroll({ ...pod, id: 'other' });
  await of.unenroll(['other'], { drain: { timeoutMs: 5 } });
  expect(asked).toEqual([
    ['enroll', { ...pod, id: 'other' }],
    ['unenroll', ['other'], { drain: { timeoutMs: 5 } }],
  ]);
});

test('pods that are found gone are told to the agent', async () => {
  const { asked, of } = control();
  expect(await of.reconcile()).toMatchObject({ removed: ['gone'] });
  expect(asked).toEqual([['removed', ['gone']]]);
});

test('the state is good where the engine is well and nothing else is amiss', async () => {
  const agent: NonNullable<ControlStatus['agent']> = { pid: 1, config: '/etc/agent.yaml', since: '', problems: [] };
  const statusOf = (report: ReturnType<AgentView['report']>): Promise<ControlStatus> =>
    control({ report: () => report }).of.status();
  expect(await statusOf({ agent, wanted: [] })).toEqual({ ok: true, pods: [], agent, wanted: [] });
  const wanted = [{ id: 'a', code: 'ERR_NETNS_GONE', error: 'it is gone' }];
  expect(await statusOf({ agent, wanted })).toMatchObject({ ok: false, wanted });
  const ill = { ...agent, problems: [{ subject: 'proxy', error: 'it does not listen' }] };
  expect(await statusOf({ agent: ill, wanted: [] })).toMatchObject({ ok: false, agent: ill });
});
