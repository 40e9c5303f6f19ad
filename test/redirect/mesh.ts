import type { LabProcess } from '../support/lab-process.ts';

/** A mesh in a lab: an engine with its proxy. */
export interface Mesh {
  readonly haproxy: LabProcess;
  readonly steer: 'sk_lookup' | 'tproxy';
}
