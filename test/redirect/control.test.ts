import { describeWith } from '../support/needs.ts';
import { describeControl, NEEDS } from './suite.ts';

describeWith(NEEDS, 'traffic of a node', () => {
  describeControl({ cni: 'routed' });
  describeControl({ cni: 'bridge' });
});
