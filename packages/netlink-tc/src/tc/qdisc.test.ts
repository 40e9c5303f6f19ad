import { expect, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { expectLacking, testPair, toolCan } from '../../test/netns.ts';
import { testSys } from '../../test/sys.ts';
import { formatHandle } from './handle.ts';
import { tbf } from './options.ts';
import { addQdisc, deleteQdisc, getQdisc, listQdiscs, replaceQdisc, type QdiscSpec } from './qdisc.ts';

describeWith([root, tool('ip'), tool('tc')], 'qdiscs of the kernel', () => {
  test('what we make, tc sees; what tc makes, we see', async () => {
    const { socket, json, run } = await testPair(await testSys());
    const [clsact, bucket] = await socket.batch([
      addQdisc({ device: 2, kind: 'clsact' }),
      addQdisc({ device: 2, kind: 'tbf', handle: '1:', options: tbf({ rate: 125_000, burst: 10_000, limit: 30_000 }) }),
    ]);
    expect(clsact).toMatchObject({ device: 2, kind: 'clsact', handle: 0xffff_0000, parent: 0xffff_fff1 });
    expect(bucket).toMatchObject({ kind: 'tbf', handle: 0x10000 });
    run('tc', 'qdisc', 'add', 'dev', 'v1', 'root', 'handle', '5:', 'pfifo', 'limit', '77');
    run('tc', 'qdisc', 'add', 'dev', 'v1', 'ingress');
    const told = json('tc', '-j', 'qdisc', 'show');
    expect(told).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'clsact', dev: 'v0', parent: 'ffff:fff1' }),
        expect.objectContaining({
          kind: 'tbf',
          handle: '1:',
          options: expect.objectContaining({
            rate: 125_000,
            burst: 10_000,
            lat: expect.anything() as unknown,
          }) as unknown,
        }),
      ]),
    );
    const ours = await socket.request(listQdiscs());
    const seen = ours.map(({ device, kind, handle }) => `${device} ${kind} ${formatHandle(handle)}`);
    const theirs = told.map(
      (each) =>
        `${each['dev'] === 'v0' ? 2 : each['dev'] === 'v1' ? 3 : 1} ${String(each['kind'])} ${String(each['handle'])}`,
    );
    expect(seen.filter((each) => !each.startsWith('1 '))).toEqual(theirs.filter((each) => !each.startsWith('1 ')));
    expect(ours.find(({ kind }) => kind === 'pfifo')?.options).toEqual({ limit: 77 });
    expect(await socket.request(getQdisc(3, 'clsact'))).toMatchObject({ kind: 'ingress' });
    expect((await socket.request(listQdiscs({ device: 3 }))).map(({ kind }) => kind).toSorted()).toEqual([
      'ingress',
      'pfifo',
    ]);

    await expect(socket.request(addQdisc({ device: 3, kind: 'clsact' }))).rejects.toMatchObject({
      code: 'ERR_EXISTS',
      kernelMessage: 'Exclusivity flag on, cannot modify',
    });
    await expect(socket.request(addQdisc({ device: 1, kind: 'no-such' }))).rejects.toMatchObject({
      kernelMessage: expect.stringContaining('qdisc kind is unknown') as string,
    });
    await socket.request(replaceQdisc({ device: 3, kind: 'pfifo', handle: '6:', options: { limit: 5 } }));
    expect(await socket.request(getQdisc(3, 'root'))).toMatchObject({ kind: 'pfifo', options: { limit: 5 } });
    await socket.request(replaceQdisc({ device: 3, kind: 'noqueue' }));
    expect(json('tc', '-j', 'qdisc', 'show', 'dev', 'v1')).toEqual(
      expect.arrayContaining([expect.objectContaining({ kind: 'noqueue' })]),
    );
    await socket.batch([deleteQdisc({ device: 2, parent: 'root' }), deleteQdisc({ device: 2, parent: 'clsact' })]);
    await expect(socket.request(getQdisc(2, 'clsact'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  const priomap = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];
  // What we make and how tc tells it, what tc makes on another link and how we tell it.
  const kinds: [QdiscSpec, object, string, object][] = [
    [{ device: 2, kind: 'clsact' }, {}, 'clsact', {}],
    [{ device: 2, kind: 'ingress' }, {}, 'ingress', {}],
    [{ device: 2, kind: 'noqueue' }, {}, 'root noqueue', {}],
    [
      qdisc({ device: 2, kind: 'tbf', options: tbf({ rate: 250_000, burst: 10_000, limit: 30_000 }) }),
      { rate: 250_000, burst: 10_000 },
      'root tbf rate 1mbit burst 10000b limit 20000b',
      { parameters: { rate: { rate: 125_000 }, limit: 20_000 } },
    ],
    [
      qdisc({ device: 2, kind: 'fq', options: { limit: 50, quantum: 3000 } }),
      { limit: 50, quantum: 3000 },
      'root fq limit 60 quantum 4000',
      { limit: 60, quantum: 4000 },
    ],
    [
      qdisc({ device: 2, kind: 'prio', options: { bands: 4, priomap } }),
      { bands: 4, priomap },
      'root prio bands 3',
      { bands: 3, priomap },
    ],
    // A kind without a table: `TCA_FQ_CODEL_LIMIT` by its number.
    [
      { device: 2, kind: 'fq_codel', options: { unknown: [{ type: 2, data: word(500) }] } },
      { limit: 500 },
      'root fq_codel limit 600',
      {},
    ],
  ];
  function word(value: number): Uint8Array {
    return new Uint8Array(Uint32Array.of(value).buffer);
  }
  function qdisc<K extends string>(spec: QdiscSpec<K>): QdiscSpec {
    return spec as QdiscSpec;
  }

  test.each(kinds)(
    '%j: both ways, or refused both ways where the kernel has no such qdisc',
    async (ours, told, words, read) => {
      const { socket, json, run } = await testPair(await testSys());
      const lacking = /qdisc kind is unknown/;
      if (!toolCan(() => run('tc', 'qdisc', 'add', 'dev', 'v1', ...words.split(' ')), lacking)) {
        await expectLacking(socket.request(addQdisc(ours)), lacking);
        return;
      }
      const theirs = await socket.request(listQdiscs({ device: 3 }));
      const theirOne = theirs.find(({ kind }) => kind === ours.kind);
      expect(theirOne?.options ?? {}).toMatchObject(read);
      await socket.request(addQdisc(ours));
      const seen = json('tc', '-j', 'qdisc', 'show', 'dev', 'v0').find(({ kind }) => kind === ours.kind);
      expect(seen?.['options'] ?? {}).toMatchObject(told);
      expect([seen?.['kind'], theirOne?.kind]).toEqual([ours.kind, ours.kind]);
    },
  );
});
