/**
 * Enrolls one pod, shows what its packets meet, and takes it out again at Ctrl-C. As root:
 *
 *     enroll-pod.ts --pod /run/netns/cart --proxy /run/netns/ztunnel --pid 4711
 *
 * Both namespaces are given by a path; the pod can be given by the host's end of its interface as well, with `--interface`.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { DEFAULT_DIRECTORY, isAmbientRedirectError, RedirectEngine } from 'ambient-redirect';
import { needRoot } from './needs-root.ts';

needRoot();
const { values } = parseArgs({
  options: {
    pod: { type: 'string' },
    interface: { type: 'string' },
    proxy: { type: 'string' },
    pid: { type: 'string' },
    directory: { type: 'string', default: DEFAULT_DIRECTORY },
  },
});
const { pod, interface: hostInterface, proxy, pid, directory } = values;
if (proxy === undefined || (pod ?? hostInterface) === undefined) {
  console.error("Give a pod (--pod PATH or --interface NAME) and the proxy's namespace (--proxy PATH)");
  process.exit(2);
}

try {
  await using engine = await RedirectEngine.open({ directory });
  const { steering, listeners } = await engine.setProxy({
    netns: { path: proxy },
    ...(pid !== undefined && { pid: Number(pid) }),
  });
  const ports = [...new Set(listeners.map(({ port }) => port))];
  console.log(`the proxy listens on ${ports.join(', ')}; connections find it by ${steering.mode} (${steering.reason})`);

  const { id } = await engine.enroll({
    id: 'example',
    ...(pod !== undefined && { netns: { path: pod } }),
    ...(hostInterface !== undefined && { hostInterface }),
  });
  const { pods } = await engine.status();
  for (const each of pods.filter((one) => one.id === id)) {
    console.log(`${id}: ${each.status} on ${each.hostInterface.name}, ${each.addresses.join(', ')}`);
    for (const { direction, attached, program } of each.hooks)
      console.log(`  ${direction.padEnd(7)} ${program?.name} id ${program?.id} tag ${program?.tag} by ${attached}`);
  }

  console.log('Ctrl-C takes it out again.');
  const alive = setInterval(() => undefined, 60_000);
  await once(process, 'SIGINT');
  clearInterval(alive);
  const { pods: counted } = await engine.metrics();
  for (const { direction, family, verdict, packets } of counted.find((each) => each.id === id)?.traffic ?? [])
    console.log(`  ${direction} ${family} ${verdict}: ${packets} packets`);
  await engine.unenroll(id, { drain: { timeoutMs: 5_000 } });
  // The last one out puts back the settings of the node as well.
  if ((await engine.status()).pods.length === 0) await engine.teardown();
  console.log('nothing of it is left');
} catch (error) {
  if (!isAmbientRedirectError(error)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
