import { setTimeout as sleep } from "node:timers/promises";
import { Agent, type Dispatcher, request } from "undici";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import {
  MOST_REDIRECTS,
  readWebAnswer,
  strange,
  tooManyRedirects,
  type WebRange,
  webFileChanged,
  webSilent,
} from "./web-answer.ts";

/** Read and kept by pieces of this size. */
const PIECE_BYTES = 1024 * 1024;
/** A reader that goes from start to end finds so many pieces on their way. */
const PIECES_AHEAD = 6;
const MOST_PIECES = 32;
const CONNECTIONS = 4;
/** A connection that is silent for so long is given up, and the rest is asked for on another one. */
const STALL_MS = 15_000;
const DEFAULT_TIMEOUT_MS = 60_000;
/** A server that never answered may have another name; it is not asked for longer. */
const FIRST_ANSWER_MS = 20_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8000;

export type WebFileOptions = {
  /** Give up when no byte came for so long; 0 never. Default 60 s. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told why it waits, one sentence; empty when it goes on. */
  readonly onWait?: (why: string) => void;
  /** A silent connection is given up after this; default 15 s. */
  readonly stallMs?: number;
};

/**
 * A file on a web server, read by ranges: only what is asked for comes over the network, with some of what follows.
 * A connection that breaks costs what was on its way; the rest of the piece is asked for again. At most 32 MiB are kept.
 */
export class WebFile implements BlockSource {
  readonly url: URL;
  readonly sizeBytes: number;
  readonly #fetcher: RangeFetcher;
  readonly #pieces = new Map<number, Promise<Uint8Array>>();
  #newest = -1;

  private constructor(url: URL, sizeBytes: number, fetcher: RangeFetcher) {
    this.url = url;
    this.sizeBytes = sizeBytes;
    this.#fetcher = fetcher;
  }

  /**
   * Asks for the first byte, which tells how long the file is.
   *
   * @throws {Fault} SERVER_UNREACHABLE, WEB_MISSING, WEB_REFUSED, WEB_NO_RANGES, WEB_REDIRECT, WEB_ANSWER, IMAGE_EMPTY
   */
  static async open(url: URL, options: WebFileOptions = {}): Promise<WebFile> {
    const fetcher = new RangeFetcher(url, options);
    try {
      await fetcher.read({ startBytes: 0, endBytes: 1 }, new Uint8Array(1));
      return new WebFile(url, fetcher.sizeBytes, fetcher);
    } catch (error) {
      await fetcher.close();
      throw error;
    }
  }

  /** How many bytes have come over the network. */
  get fetchedBytes(): number {
    return this.#fetcher.fetchedBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.readInto(offset, bytes);
    return bytes;
  }

  /** @throws {Fault} SOURCE_CHANGED, and those of `open` */
  async readInto(offset: number, target: Uint8Array): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const number = Math.floor((offset + done) / PIECE_BYTES);
      const piece = await this.#piece(number);
      const from = offset + done - number * PIECE_BYTES;
      const part = piece.subarray(from, from + target.length - done);
      target.set(part, done);
      done += part.length;
    }
  }

  async close(): Promise<void> {
    await this.#fetcher.close();
    await Promise.allSettled(this.#pieces.values());
    this.#pieces.clear();
  }

  #piece(number: number): Promise<Uint8Array> {
    // Several readers of one image are a little apart.
    const isOnward = Math.abs(number - this.#newest) <= PIECES_AHEAD;
    this.#newest = number;
    const piece = this.#fetch(number);
    const end = Math.ceil(this.sizeBytes / PIECE_BYTES);
    // A jump is often the only one: only who goes on is read ahead for.
    if (isOnward)
      for (let next = number + 1; next <= number + PIECES_AHEAD && next < end; next += 1) void this.#fetch(next);
    return piece;
  }

  #fetch(number: number): Promise<Uint8Array> {
    const known = this.#pieces.get(number);
    if (known !== undefined) {
      // The one that was used last is given up last.
      this.#pieces.delete(number);
      this.#pieces.set(number, known);
      return known;
    }
    const startBytes = number * PIECE_BYTES;
    const endBytes = Math.min(startBytes + PIECE_BYTES, this.sizeBytes);
    const bytes = new Uint8Array(endBytes - startBytes);
    const fetched = this.#fetcher.read({ startBytes, endBytes }, bytes).then(() => bytes);
    // Whoever waits for it hears of it; what was only read ahead is asked for anew when it is wanted.
    fetched.catch(() => this.#pieces.delete(number));
    this.#pieces.set(number, fetched);
    for (const oldest of this.#pieces.keys()) {
      if (this.#pieces.size <= MOST_PIECES) break;
      this.#pieces.delete(oldest);
    }
    return fetched;
  }
}

/** Fetches ranges of one file, as often as it takes, and notices when it has become another file. */
class RangeFetcher {
  readonly #url: URL;
  readonly #timeoutMs: number;
  readonly #firstAnswerMs: number;
  readonly #stallMs: number;
  readonly #onWait: (why: string) => void;
  readonly #closing = new AbortController();
  readonly #signal: AbortSignal;
  readonly #dispatcher = new Agent({ connections: CONNECTIONS, connect: { timeout: 10_000 }, bodyTimeout: 0 });
  /** Where the address led to. */
  #location: URL;
  #known: { readonly sizeBytes: number; readonly version: string } | undefined;
  /** When a byte last came, on any connection. */
  #heardAt = performance.now();
  #isWaiting = false;
  fetchedBytes = 0;

  constructor(url: URL, { timeoutMs, signal, onWait, stallMs }: WebFileOptions) {
    this.#url = url;
    this.#location = url;
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#firstAnswerMs = Math.min(this.#timeoutMs || FIRST_ANSWER_MS, FIRST_ANSWER_MS);
    this.#stallMs = stallMs ?? STALL_MS;
    this.#onWait = onWait ?? (() => undefined);
    this.#signal = signal === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, signal]);
  }

  get sizeBytes(): number {
    return this.#known?.sizeBytes ?? 0;
  }

  /** Fills `target` with `range`. What came before a connection broke is kept. */
  async read(range: WebRange, target: Uint8Array): Promise<void> {
    const began = performance.now();
    for (let done = 0, pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      let why: string;
      let cause: unknown;
      try {
        const answer = await this.#request(
          { startBytes: range.startBytes + done, endBytes: range.endBytes },
          (part) => {
            target.set(part, done);
            done += part.length;
            pauseMs = FIRST_PAUSE_MS;
          },
        );
        if (done === target.length) return;
        why = answer ?? `${this.#location.host} ended the connection early`;
      } catch (error) {
        if (error instanceof Fault) throw error;
        this.#signal.throwIfAborted();
        why = `The connection to ${this.#location.host} broke (${(error as Error).message || (error as Error).name})`;
        cause = error;
      }
      const quietMs = performance.now() - Math.max(began, this.#heardAt);
      const patienceMs = this.#known === undefined ? this.#firstAnswerMs : this.#timeoutMs;
      if (patienceMs > 0 && quietMs + pauseMs > patienceMs) throw webSilent(this.#url, quietMs, why, cause);
      this.#isWaiting = true;
      this.#onWait(`${why}; asking again.`);
      await sleep(pauseMs, undefined, { signal: this.#signal }).catch(() => this.#signal.throwIfAborted());
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("The file was closed."));
    await this.#dispatcher.destroy();
  }

  /** One request, and those that it is sent on to. @returns why nothing came, when the server wants to be asked later */
  async #request(range: WebRange, onPart: (part: Uint8Array) => void): Promise<string | undefined> {
    let url = this.#location;
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
      const stalled = new AbortController();
      const timer = setTimeout(() => stalled.abort(new Error(`silent for ${this.#stallMs / 1000} s`)), this.#stallMs);
      try {
        const response = await request(url, {
          headers: { range: `bytes=${range.startBytes}-${range.endBytes - 1}`, "accept-encoding": "identity" },
          dispatcher: this.#dispatcher,
          signal: AbortSignal.any([this.#signal, stalled.signal]),
        });
        const read = this.#understand(url, range, response);
        if (read.kind === "content") {
          this.#check(read);
          this.#location = url;
          await this.#take(response.body, range, onPart, () => timer.refresh());
          return undefined;
        }
        response.body.on("error", () => undefined).destroy();
        if (read.kind === "later") return read.why;
        url = read.url;
      } finally {
        clearTimeout(timer);
      }
    }
    throw tooManyRedirects(this.#url);
  }

  /** An address that was led to may hold only for a while: then the first one leads to another. */
  #understand(url: URL, range: WebRange, response: Dispatcher.ResponseData) {
    try {
      return readWebAnswer(url, range, { status: response.statusCode, headers: response.headers });
    } catch (error) {
      response.body.on("error", () => undefined).destroy();
      const isOver = error instanceof Fault && (error.code === "WEB_MISSING" || error.code === "WEB_REFUSED");
      if (!isOver || url.href === this.#url.href || url.href !== this.#location.href) throw error;
      this.#location = this.#url;
      return { kind: "elsewhere", url: this.#url } as const;
    }
  }

  /** @throws {Fault} SOURCE_CHANGED */
  #check({ sizeBytes, version }: { readonly sizeBytes: number; readonly version: string }): void {
    this.#known ??= { sizeBytes, version };
    if (this.#known.sizeBytes !== sizeBytes || this.#known.version !== version) throw webFileChanged(this.#url);
  }

  async #take(
    body: Dispatcher.ResponseData["body"],
    range: WebRange,
    onPart: (part: Uint8Array) => void,
    onHeard: () => void,
  ): Promise<void> {
    let left = range.endBytes - range.startBytes;
    for await (const part of body as AsyncIterable<Uint8Array>) {
      if (part.length > left) throw strange(this.#url, "more came than was asked for");
      left -= part.length;
      this.fetchedBytes += part.length;
      this.#heardAt = performance.now();
      onHeard();
      if (this.#isWaiting) {
        this.#isWaiting = false;
        this.#onWait("");
      }
      onPart(part);
    }
  }
}
