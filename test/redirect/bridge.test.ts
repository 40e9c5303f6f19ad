import { describeWith } from '../support/needs.ts';
import { describeMesh, NEEDS } from './suite.ts';

describeWith(NEEDS, 'traffic of a mesh on a bridge', () => {
  describeMesh({ attach: 'tcx', steer: 'sk_lookup' }, { cni: 'bridge' });
  describeMesh({ attach: 'clsact', steer: 'tproxy' }, { cni: 'bridge' });
});
