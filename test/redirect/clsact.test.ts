import { describeWith } from '../support/needs.ts';
import { describeMesh, NEEDS } from './suite.ts';

describeWith(NEEDS, 'traffic of a mesh', () => {
  describeMesh({ attach: 'clsact', steer: 'sk_lookup' }, { rpFilter: 1 });
  describeMesh({ attach: 'clsact', steer: 'tproxy' });
});
