import { expect, test } from 'vitest';
import { meaningOf, sectionNameOf } from './index.ts';

test.each([
  ['tc', { type: 'sched_cls' }],
  ['tcx/ingress', { type: 'sched_cls', expectedAttachType: 'tcx_ingress' }],
  ['xdp', { type: 'xdp', expectedAttachType: 'xdp' }],
  ['sk_lookup', { type: 'sk_lookup', expectedAttachType: 'sk_lookup' }],
  ['sockops', { type: 'sock_ops', expectedAttachType: 'cgroup_sock_ops' }],
  ['sk_msg', { type: 'sk_msg', expectedAttachType: 'sk_msg_verdict' }],
  ['cgroup/connect4', { type: 'cgroup_sock_addr', expectedAttachType: 'cgroup_inet4_connect' }],
  ['cgroup_skb/egress', { type: 'cgroup_skb', expectedAttachType: 'cgroup_inet_egress' }],
] as const)('%s is what it means, both ways', (section, meaning) => {
  expect(meaningOf(section)).toEqual(meaning);
  expect(sectionNameOf(meaning)).toBe(section);
});

test.each([
  ['classifier', 'sched_cls'],
  ['classifier/from-pod', 'sched_cls'],
  ['?tc', 'sched_cls'],
  ['kprobe/tcp_connect', 'kprobe'],
  ['kprobe.multi/tcp_*', 'kprobe'],
  ['tp/sched/sched_switch', 'tracepoint'],
  ['fentry.s/vfs_open', 'tracing'],
] as const)('%s is %s', (section, type) => {
  expect(meaningOf(section)?.type).toBe(type);
});

test('a name that says nothing', () => {
  expect(meaningOf('from-pod')).toBeUndefined();
  expect(meaningOf('tcx')).toBeUndefined();
  expect(meaningOf('kprobes/x')).toBeUndefined();
});

test('a type alone says its section, unless its programs need an attach type', () => {
  expect(sectionNameOf({ type: 'sched_cls' })).toBe('tc');
  expect(sectionNameOf({ type: 'xdp' })).toBe('xdp');
  expect(sectionNameOf({ type: 'cgroup_skb' })).toBe('cgroup/skb');
  expect(sectionNameOf({ type: 'cgroup_sock_addr' })).toBeUndefined();
  expect(sectionNameOf({ type: 'sched_cls', expectedAttachType: 'sk_lookup' })).toBeUndefined();
});
