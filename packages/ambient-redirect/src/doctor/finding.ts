/**
 * How grave a finding is:
 * - `error`: redirection does not work here, or would not;
 * - `warning`: it works, but something of the traffic may go another way than is thought, or will when something changes;
 * - `info`: good to know;
 * - `ok`: looked at, and as it should be.
 */
export type Severity = 'ok' | 'info' | 'warning' | 'error';

/** What was looked at, in the order in which it is told. */
export const AREAS = [
  'kernel',
  'privileges',
  'container',
  'mounts',
  'lockdown',
  'state',
  'sysctls',
  'cni',
  'chains',
  'leftovers',
  'self-test',
] as const;

/** One of {@link AREAS}. */
export type AreaName = (typeof AREAS)[number];

/** Something that the doctor found. */
export interface Finding {
  /** Stable: none is renamed, or used for something else. */
  readonly code: string;
  readonly area: AreaName;
  readonly severity: Severity;
  /** What it is about: `v-client ingress`, `CAP_BPF`. */
  readonly subject: string;
  /** What is found, in one sentence. */
  readonly title: string;
  /** What was read, as it was read. */
  readonly evidence: readonly string[];
  /** What to do. */
  readonly remedy: string;
  /** Where more is said of it. */
  readonly page: string;
}

/** What is said of a code, wherever it is found: `docs/doctor.md` is made of it. */
export interface CodeSpec {
  readonly severity: Severity;
  /** What is found, in one sentence without its full stop. */
  readonly title: string;
  /** Why it is so, and what it costs. */
  readonly cause: string;
  /** Commands that show it. `DEV` stands for an interface, `NETNS` for the path of a network namespace, `DIR` for a path. */
  readonly see: readonly string[];
  /** What to do, in sentences. */
  readonly remedy: string;
}

/** An area with its codes. */
export interface Area<C extends string = string> {
  readonly name: AreaName;
  readonly codes: Readonly<Record<C, CodeSpec>>;
  /**
   * Makes a finding of a code.
   * @param places what stands in the remedy for `DEV`, `DIR` and others like these
   */
  finding(code: C, subject: string, evidence: readonly string[], places?: Readonly<Record<string, string>>): Finding;
}

/** Makes an area of its codes. */
export function area<C extends string>(name: AreaName, codes: Readonly<Record<C, CodeSpec>>): Area<C> {
  return {
    name,
    codes,
    finding: (code, subject, evidence, places = {}) => {
      const { severity, title, remedy: text } = codes[code];
      const remedy = text.replace(/\b[A-Z]{2,}\b/g, (word) => places[word] ?? word);
      return { code, area: name, severity, subject, title, evidence, remedy, page: `docs/doctor.md#${code}` };
    },
  };
}
