import { openSys } from 'netlink-tc';
import { afterAll, beforeAll, describe } from 'vitest';
import { describeWith, root, tool } from '../support/needs.ts';
import { REACH } from './reach.rows.ts';
import { STREAMS } from './streams.rows.ts';
import { UNTOUCHED } from './untouched.rows.ts';
import { PATHS } from './path.rows.ts';
import { GUARDS } from './guard.rows.ts';
import { createFurnishedLab, registerRows, sceneOf, type Scene } from './scene.ts';

const ROWS = [...REACH, ...STREAMS, ...UNTOUCHED, ...PATHS, ...GUARDS];

describeWith([root, tool('haproxy')], 'redirection', () => {
  describe.each(['routed', 'bridge'] as const)('control: no mesh, %s', (cni) => {
    let scene: Scene;
    beforeAll(async () => {
      scene = sceneOf(await createFurnishedLab(await openSys(), { cni }));
    });
    afterAll(() => scene.lab.close());
    registerRows(ROWS, () => scene, 'control');
  });
});
