/** What a person is told when something cannot be done. */
export type FaultText = {
  /** What happened, as one sentence with the names and numbers of this case. */
  readonly what: string;
  /** Why it happened, as far as it is known. */
  readonly why: string;
  /** What to do about it: a command where there is one. */
  readonly fix: string;
};

/**
 * The one error shape: `code` is for programs and never changes its meaning,
 * `what`, `why` and `fix` are for people.
 *
 * A broken invariant of our own is an `assert`, never a Fault. Bad input from
 * the network is a Fault that the socket layer counts and drops.
 */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: string;
  readonly what: string;
  readonly why: string;
  readonly fix: string;

  constructor(code: string, text: FaultText, cause?: unknown) {
    super(`${text.what} ${text.why} ${text.fix}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.what = text.what;
    this.why = text.why;
    this.fix = text.fix;
  }

  toJSON(): FaultText & { readonly code: string } {
    return { code: this.code, what: this.what, why: this.why, fix: this.fix };
  }
}
