import { Type } from "typebox";
import type { Fault } from "../../fault.ts";

/** Why something was not done: RFC 9457 with the Fault's own words beside. */
export const ProblemBody = Type.Object({
  /** "urn:bootcast:fault:" and the code. */
  type: Type.String(),
  title: Type.String(),
  status: Type.Number(),
  detail: Type.String(),
  /** For programs; it never changes its meaning. */
  code: Type.String(),
  what: Type.String(),
  why: Type.String(),
  /** What to do about it. */
  fix: Type.String(),
});
export type ProblemBody = Type.Static<typeof ProblemBody>;

export const PROBLEM_TYPE = "application/problem+json; charset=utf-8";

export function problemOf(fault: Fault, status: number): ProblemBody {
  const { code, what, why, fix } = fault;
  return { type: `urn:bootcast:fault:${code}`, title: what, status, detail: `${why} ${fix}`, code, what, why, fix };
}
