import type { MeBody } from "../../api/access-schemas.ts";
import type { ProblemBody } from "../../api/problem.ts";

/** Why the server did not do it, in the words of its Fault. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly what: string;
  readonly why: string;
  readonly fix: string;

  constructor(status: number, { code, what, why, fix }: Pick<ProblemBody, "code" | "what" | "why" | "fix">) {
    super(what);
    this.status = status;
    this.code = code;
    this.what = what;
    this.why = why;
    this.fix = fix;
  }
}

const DEADLINE_MS = 20_000;

let csrf: string | null = null;
let onLoggedOut: () => void = () => undefined;

/** What changes carry from now on, and who hears that the login is over. */
export function useLogin(me: Pick<MeBody, "csrf"> | undefined): void {
  csrf = me?.csrf ?? null;
}

export function whenLoggedOut(listener: () => void): void {
  onLoggedOut = listener;
}

export function get<T>(path: string): Promise<T> {
  return ask("GET", path);
}

/** @param key makes a change that is sent twice one change */
export function send<T>(method: "POST" | "PATCH" | "PUT" | "DELETE", path: string, body: object = {}, key?: string) {
  return ask<T>(method, path, body, key);
}

/** @throws {Refusal} what the server says; a dead server is one, too */
async function ask<T>(method: string, path: string, body?: object, key?: string): Promise<T> {
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(csrf === null || method === "GET" ? {} : { "x-bootcast-csrf": csrf }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    answer = await response.json();
  } catch {
    throw new Refusal(0, {
      code: "SERVER_SILENT",
      what: "The server does not answer.",
      why: "The connection broke, or the server is being started again.",
      fix: "Wait a moment and try again.",
    });
  }
  if (response.ok) return answer as T;
  const refusal = new Refusal(response.status, answer as ProblemBody);
  if (refusal.code === "LOGIN_NEEDED") onLoggedOut();
  throw refusal;
}

/** Every page of a list. */
export async function getAll<T>(path: string, name: string): Promise<T[]> {
  const found: T[] = [];
  for (let cursor: string | undefined; ; ) {
    const more: string = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await get<Record<string, unknown>>(`${path}?limit=1000${more}`);
    found.push(...(page[name] as T[]));
    if (typeof page["next"] !== "string") return found;
    cursor = page["next"];
  }
}
