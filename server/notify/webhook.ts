import { Agent, request } from "undici";
import { Fault } from "../../fault.ts";
import { askedPauseMs } from "./backoff.ts";
import type { Message } from "./message.ts";
import { signedHeaders } from "./signature.ts";

/** What a try to tell somebody came to. */
export type Told =
  | { readonly isTold: true }
  | {
      readonly isTold: false;
      readonly fault: Fault;
      /** It is there, and does not want this message. */
      readonly isRefused: boolean;
      /** It asked to be left alone for so long. */
      readonly pauseMs?: number | undefined;
    };

const ANSWER_WITHIN_MS = 10_000;
/** Of an answer only so much is read, for the reason it gives. */
const MOST_ANSWER_BYTES = 16 * 1024;
const SHOWN_LETTERS = 200;

/** What every message of this server says of it. */
export type Sender = {
  /** The name of this machine. */
  readonly server: string;
  readonly version: string;
  readonly now: () => number;
};

/**
 * Sends one message to a URL as JSON, signed. An answer of 200 to 299 is a yes. Redirects are never followed: whoever
 * answers there could send us into a network that only we can reach.
 */
export async function sendWebhook(
  target: { readonly address: string; readonly secret: string; readonly dropped: number },
  message: Message,
  { server, version, now }: Sender,
  { signal, withinMs = ANSWER_WITHIN_MS }: { readonly signal: AbortSignal; readonly withinMs?: number },
): Promise<Told> {
  const { dropped } = target;
  const body = JSON.stringify({ ...message, server, ...(dropped > 0 && { dropped }) });
  // One connection for one message: nothing is kept open to where something is said twice a day.
  const agent = new Agent({ connect: { timeout: withinMs }, headersTimeout: withinMs, bodyTimeout: withinMs });
  try {
    const answer = await request(target.address, {
      method: "POST",
      dispatcher: agent,
      signal: AbortSignal.any([signal, AbortSignal.timeout(2 * withinMs)]),
      headers: {
        "content-type": "application/json",
        "user-agent": `bootcast/${version}`,
        ...signedHeaders(target.secret, { id: message.id, atMs: now(), body }),
      },
      body,
    });
    const { statusCode, headers } = answer;
    const said = await beginningOf(answer.body);
    if (statusCode >= 200 && statusCode < 300) return { isTold: true };
    return refused(statusCode, withoutPath(said, target.address), headers, now());
  } catch (error) {
    return { isTold: false, isRefused: false, fault: unreachable(error) };
  } finally {
    await agent.destroy();
  }
}

async function beginningOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    parts.push(part);
    bytes += part.length;
    if (bytes >= MOST_ANSWER_BYTES) break;
  }
  return Buffer.concat(parts)
    .toString()
    .replaceAll(/\p{Cc}+/gu, " ")
    .trim();
}

/** Many servers say which path they do not know, and it is often all that protects a webhook. Faults are shown to viewers. */
function withoutPath(said: string, address: string): string {
  const { pathname, search } = new URL(address);
  const paths = [`${pathname}${search}`, pathname, ...pathname.split("/").filter((part) => part.length >= 8)];
  return paths
    .filter((path) => path.length > 1)
    .reduce((text, path) => text.replaceAll(path, "…"), said)
    .slice(0, SHOWN_LETTERS);
}

function refused(
  status: number,
  said: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  nowMs: number,
): Told {
  if (status >= 300 && status < 400) {
    return { isTold: false, isRefused: true, fault: redirected(String(headers["location"] ?? "")) };
  }
  const asked = headers["retry-after"];
  const pauseMs = askedPauseMs(typeof asked === "string" ? asked : undefined, nowMs);
  // "Too early", "too many", "later": it may be as well as before in a moment.
  const isLater = status >= 500 || [408, 425, 429].includes(status);
  const fault = new Fault("WEBHOOK_REFUSED", {
    what: `The webhook answered ${status}.`,
    why: said === "" ? "It gave no reason." : `It said: ${said}`,
    fix: isLater ? "It is tried again by itself." : "Check its address, and whether it takes JSON.",
  });
  return { isTold: false, isRefused: !isLater, fault, ...(pauseMs === undefined ? {} : { pauseMs }) };
}

/** @param to the new address, of which only the beginning is shown: its path is often the old one */
function redirected(to: string): Fault {
  const place = URL.parse(to)?.host || "another place";
  return new Fault("WEBHOOK_REDIRECTED", {
    what: "The webhook sends us elsewhere, and we do not go.",
    why: `It answered that it is at ${place.slice(0, SHOWN_LETTERS)} now; whoever answers there could send us anywhere.`,
    fix: "When that is right, remove this one and add the new address.",
  });
}

function unreachable(error: unknown): Fault {
  const { name, message, code } = error as NodeJS.ErrnoException;
  const isLate = name === "TimeoutError" || String(code).includes("TIMEOUT");
  return new Fault(
    "WEBHOOK_UNREACHABLE",
    {
      what: "The webhook does not answer.",
      why: isLate ? "It took too long." : message || String(code ?? "The connection failed."),
      fix: "Check its address, its certificate, and that this server may go there. It is tried again by itself.",
    },
    error,
  );
}
