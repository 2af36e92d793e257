import type { EventBody } from "../../api/schemas.ts";
import { FeedParser } from "./feed-parser.ts";

/** The server says every 10 s that it is there; after so long without a word it is not. */
const SILENCE_MS = 25_000;
const FIRST_RETRY_MS = 500;
const MOST_RETRY_MS = 8000;

export type FeedListener = {
  onEvent(event: EventBody): void;
  /** The feed is open: what was missed is to be asked for. */
  onLive(): void;
  onLost(): void;
};

/**
 * Follows the server's events until `signal`, and comes back by itself whenever the connection breaks.
 */
export async function followFeed(listener: FeedListener, signal: AbortSignal): Promise<void> {
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    try {
      await readFeed(listener, signal, () => {
        retryMs = FIRST_RETRY_MS;
        listener.onLive();
      });
    } catch {
      // As when it ends: it is opened again.
    }
    if (signal.aborted) return;
    listener.onLost();
    // Not all browsers of a room at the same moment.
    await pause(retryMs * (0.7 + Math.random() * 0.6), signal);
    retryMs = Math.min(MOST_RETRY_MS, retryMs * 2);
  }
}

async function readFeed(listener: FeedListener, signal: AbortSignal, onOpen: () => void): Promise<void> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENCE_MS);
  try {
    const response = await fetch("/api/v1/events?last=1&boots=false", {
      headers: { accept: "text/event-stream" },
      signal: AbortSignal.any([signal, silent.signal]),
    });
    if (!response.ok || response.body === null) throw new Error(`${response.status}`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new FeedParser();
    onOpen();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
      for (const { data, isComment } of parser.push(value)) {
        if (!isComment) listener.onEvent(JSON.parse(data) as EventBody);
      }
    }
  } finally {
    clearTimeout(timer);
    silent.abort();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
