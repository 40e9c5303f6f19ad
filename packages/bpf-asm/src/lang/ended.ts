declare const END: unique symbol;

/**
 * What is returned by everything that ends a path of the program: a verdict, a return, `when` and `match` all of whose sides end. A function that
 * must give an `Ended` cannot forget a verdict: the type checker sees it.
 */
export interface Ended {
  readonly [END]: 'end';
}

/** The one value of type {@link Ended}; it carries nothing. */
export const ENDED: Ended = Object.freeze({}) as Ended;
