import type { GuardTarget } from "./guard.ts";

/** Asks one machine again and again. */
export type LanProbe = {
  /** "the gateway 10.66.0.254". */
  readonly name: string;
  readonly target: GuardTarget;
  ask(): void;
  /** What has come since it was asked: how long it took, in milliseconds; undefined: nothing yet. */
  answer(): number | undefined;
  close(): void;
};
