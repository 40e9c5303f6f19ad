export * from './object.ts';
export * from './read-object.ts';
export * from './section-names.ts';
export { writeObject, type WriteObjectOptions } from './write-object.ts';
