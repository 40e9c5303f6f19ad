/**
 * A node agent that is told of pods by files: where `shop-cart.json` appears in a directory, that pod is enrolled; where it disappears, the pod
 * is drained and unenrolled. A file says where the pod is, and may say what of its traffic is captured:
 *
 *     { "netns": "/run/netns/cart", "policy": { "inbound": { "excludePorts": [9090] } } }
 *
 * As root: `agent.ts --watch /run/pods --proxy /run/netns/ztunnel`. SIGTERM ends the agent and nothing else: pods stay redirected, and the
 * next agent takes over.
 *
 * This is how the library is used. The command `ambient-redirect agent` does the same and more: a configuration, a control socket, readiness and
 * metrics, and every wish that fails is tried again and told.
 */
import { once } from 'node:events';
import { readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULT_DIRECTORY, isAmbientRedirectError, RedirectEngine, type PodRequest } from 'ambient-redirect';
import { needRoot } from './needs-root.ts';

needRoot();
const { values } = parseArgs({
  options: {
    watch: { type: 'string', default: '.' },
    proxy: { type: 'string', default: '/run/netns/ztunnel' },
    directory: { type: 'string', default: DEFAULT_DIRECTORY },
    reconcile: { type: 'string', default: '30' },
  },
});
const everyMs = Number(values.reconcile) * 1000;

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
const complain = (what: string, error: unknown): void => {
  if (!stop.signal.aborted) console.error(`${what}: ${error instanceof Error ? error.message : String(error)}`);
};

/** What a file asks for; nothing where it cannot be understood. */
interface Wanted {
  readonly text: string;
  readonly request?: PodRequest;
}

function wantedPods(): Map<string, Wanted> {
  const names = readdirSync(values.watch).filter((name) => name.endsWith('.json'));
  return new Map(names.map((name) => [name.slice(0, -'.json'.length), wantedPod(name)]));
}

function wantedPod(name: string): Wanted {
  try {
    const text = readFileSync(join(values.watch, name), 'utf8');
    const { netns, ...rest } = JSON.parse(text) as { readonly netns: string };
    return { text, request: { id: name.slice(0, -'.json'.length), netns: { path: netns }, ...rest } };
  } catch (error) {
    complain(name, error);
    return { text: '' };
  }
}

await using engine = await RedirectEngine.open({ directory: values.directory });
await engine.setProxy({ netns: { path: values.proxy } });
/** What each file said when its pod was enrolled: one that says something else by now has another policy. */
const said = new Map<string, string>();

/** Brings the engine in line with the files. */
async function agree(): Promise<void> {
  const wanted = wantedPods();
  const { pods } = await engine.status();
  const draining = new Set(pods.filter(({ status }) => status === 'draining').map(({ id }) => id));
  for (const { id } of pods) {
    if (wanted.has(id) || draining.has(id)) continue;
    said.delete(id);
    // Not waited for: meanwhile others come and go.
    engine
      .unenroll(id, { drain: { timeoutMs: 60_000 }, signal: stop.signal })
      .then(() => console.log(`${id} is unenrolled`))
      .catch((error: unknown) => complain(id, error));
  }
  const news = [...wanted].flatMap(([id, { text, request }]) =>
    request === undefined || draining.has(id) || said.get(id) === text ? [] : [request],
  );
  if (news.length === 0) return;
  const failures = await engine.enroll(news).then(
    () => [],
    (error: unknown) => {
      if (!isAmbientRedirectError(error, 'ERR_ENROLMENT')) throw error;
      return error.failures ?? [];
    },
  );
  // They are tried again: their namespaces may come later than their files.
  for (const { id, error } of failures) complain(id, error);
  for (const { id } of news.filter((each) => !failures.some((failure) => failure.id === each.id))) {
    said.set(id, wanted.get(id)?.text ?? '');
    console.log(`${id} is enrolled`);
  }
}

/** Mends what others changed meanwhile. */
async function mend(): Promise<void> {
  const { repaired, removed, failed } = await engine.reconcile();
  for (const { subject, found } of repaired) console.log(`mended: ${subject}: ${found}`);
  for (const id of removed) console.log(`${id} is gone`);
  for (const { subject, error } of failed) complain(subject, error);
  for (const id of removed) said.delete(id);
}

const files = watch(values.watch);
console.log(`watching ${values.watch}`);
let due = Date.now() + everyMs;
while (!stop.signal.aborted) {
  const patience = AbortSignal.timeout(Math.max(0, due - Date.now()));
  // Before the look, so that no change is missed; many at once are one.
  const change = once(files, 'change', { signal: AbortSignal.any([stop.signal, patience]) }).catch(() => undefined);
  await agree().catch((error: unknown) => complain('pods', error));
  await change;
  if (Date.now() < due || stop.signal.aborted) continue;
  await mend().catch((error: unknown) => complain('reconcile', error));
  due = Date.now() + everyMs;
}
files.close();
console.log('pods stay as they are');
