export * from './bytes.ts';
export * from './fake.ts';
export * from './fd.ts';
export * from './open.ts';
export * from './platform.ts';
export * from './sys.ts';
