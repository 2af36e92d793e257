import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { Agent, request } from "undici";
import { Fault } from "../../fault.ts";
import { openSealedPack, SEAL_BYTES } from "../../images/sealed-pack.ts";
import { LARGEST_SYMBOL_BYTES } from "../../multicast/frame-size.ts";
import { decodeAnswer } from "../client/ask.ts";
import { type ServerPlace, type Servers, serversAt } from "../client/servers.ts";
import { FaultBody, type Join, Joined, type Progress, ProgressAnswer, StreamInfo, StreamList } from "../contract.ts";
import { STREAM_ELSEWHERE } from "./ask-again.ts";
import type { GroupKeys } from "./group-keys.ts";

const CONNECT_TIMEOUT_MS = 5_000;
/** The server reads and hashes a pack before its first byte comes. */
const HEADERS_TIMEOUT_MS = 20_000;
/** Between two pieces of a body. */
const SILENCE_MS = 10_000;
/** JSON answers and keys are small. */
const MOST_ANSWER_BYTES = 16 * 1024 * 1024;
/** 0.05 % of the image: enough for 16 TB. */
const MOST_MANIFEST_BYTES = 8 * 1024 * 1024 * 1024;

/**
 * The control connection: asks the server of a stream over HTTP.
 *
 * Every request has deadlines for the connection, for the first byte, and for
 * every next one; and it ends when `signal` is aborted. Faults that the server
 * answers with are thrown as they are; SERVER_UNREACHABLE is ours.
 */
export class StreamControl {
  readonly #servers: Servers;
  readonly #token: string | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #groupKeys: GroupKeys | undefined;
  readonly #http = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: HEADERS_TIMEOUT_MS,
    // Our own deadline (SILENCE_MS) is kept below: undici's does not run while we are slow ourselves.
    bodyTimeout: 0,
  });

  /** @param options.server "http://10.77.0.1:8440": the routes are under /agent/v1. Of several the next one is asked when one does not have the stream */
  constructor(options: {
    readonly server: ServerPlace;
    readonly token?: string | undefined;
    readonly signal?: AbortSignal | undefined;
    /** For streams that may be encrypted: `join` learns the key, `pack` uses it. */
    readonly groupKeys?: GroupKeys | undefined;
  }) {
    this.#servers = serversAt(options.server);
    this.#token = options.token;
    this.#signal = options.signal;
    this.#groupKeys = options.groupKeys;
  }

  async streams(): Promise<StreamList> {
    return this.#json(StreamList, "GET", "/streams");
  }

  async info(streamId: string): Promise<StreamInfo> {
    return this.#json(StreamInfo, "GET", `/streams/${streamId}?mostSymbolBytes=${LARGEST_SYMBOL_BYTES}`);
  }

  /** The signed manifest; check it with `decodeManifest`. */
  async manifest(streamId: string): Promise<Uint8Array> {
    return this.#bytes(`/streams/${streamId}/manifest`, MOST_MANIFEST_BYTES);
  }

  /** The key that the server says signed the manifest, as PEM. Trust it only when somebody decided to. */
  async key(streamId: string): Promise<string> {
    return Buffer.from(await this.#bytes(`/streams/${streamId}/key`, MOST_ANSWER_BYTES)).toString("utf8");
  }

  /** The stored bytes of one pack; check them with `decodePack`. */
  async pack(streamId: string, pack: { readonly digest: string; readonly storedBytes: number }): Promise<Uint8Array> {
    const bytes = await this.#bytes(`/streams/${streamId}/packs/${pack.digest}`, pack.storedBytes + SEAL_BYTES);
    const key = this.#groupKeys?.of(streamId);
    return key === undefined ? bytes : openSealedPack(pack.digest, bytes, key);
  }

  async join(streamId: string, join: Join): Promise<Joined> {
    const publicKey = this.#groupKeys?.publicKey;
    const body = publicKey === undefined ? join : { ...join, publicKey };
    const joined = await this.#json(Joined, "POST", `/streams/${streamId}/receivers`, body);
    this.#groupKeys?.onJoined(streamId, joined);
    return joined;
  }

  async report(streamId: string, receiverId: string, progress: Progress): Promise<ProgressAnswer> {
    return this.#json(ProgressAnswer, "POST", `/streams/${streamId}/receivers/${receiverId}`, progress);
  }

  async close(): Promise<void> {
    await this.#http.destroy();
  }

  async #json<Schema extends TSchema>(
    schema: Schema,
    method: "GET" | "POST",
    path: string,
    body?: unknown,
  ): Promise<Static<Schema>> {
    return decodeAnswer(schema, await this.#ask(method, path, MOST_ANSWER_BYTES, body), path);
  }

  #bytes(path: string, mostBytes: number): Promise<Uint8Array> {
    return this.#ask("GET", path, mostBytes);
  }

  async #ask(method: "GET" | "POST", path: string, mostBytes: number, body?: unknown): Promise<Uint8Array> {
    const stalled = new AbortController();
    const signal = this.#signal === undefined ? stalled.signal : AbortSignal.any([stalled.signal, this.#signal]);
    const deadline = deadlineOf(stalled);
    const server = this.#servers.current;
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["content-type"] = "application/json";
    if (this.#token !== undefined) headers["authorization"] = `Bearer ${this.#token}`;
    try {
      deadline.restart(CONNECT_TIMEOUT_MS + HEADERS_TIMEOUT_MS);
      const answer = await request(new URL(`/agent/v1${path}`, server), {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        dispatcher: this.#http,
        signal,
      });
      const limit = answer.statusCode === 200 ? mostBytes : MOST_ANSWER_BYTES;
      const parts: Buffer[] = [];
      let length = 0;
      deadline.restart(SILENCE_MS);
      for await (const part of answer.body as AsyncIterable<Buffer>) {
        deadline.restart(SILENCE_MS);
        length += part.length;
        if (length > limit) throw tooLong(path, limit);
        parts.push(part);
      }
      const bytes = Buffer.concat(parts);
      if (answer.statusCode !== 200) throw faultOfAnswer(answer.statusCode, path, bytes);
      return bytes;
    } catch (error) {
      if (error instanceof Fault && error.code === STREAM_ELSEWHERE) this.#servers.goOn(server);
      if (error instanceof Fault) throw error;
      if (this.#signal?.aborted === true) throw this.#signal.reason;
      this.#servers.goOn(server);
      throw unreachable(server, stalled.signal.aborted ? new Error("it did not answer in time") : error);
    } finally {
      deadline.stop();
    }
  }
}

function deadlineOf(controller: AbortController) {
  let timer: NodeJS.Timeout | undefined;
  return {
    restart(ms: number): void {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(), ms);
    },
    stop(): void {
      clearTimeout(timer);
    },
  };
}

function faultOfAnswer(status: number, path: string, body: Buffer): Fault {
  try {
    const fault: unknown = JSON.parse(body.toString("utf8"));
    if (Value.Check(FaultBody, fault)) return new Fault(fault.code, fault);
  } catch {
    // Not JSON: something that is not bootcast answered.
  }
  return new Fault("SERVER_ANSWER", {
    what: `The server answered ${status} to ${path}.`,
    why: "The answer is not one that bootcast gives.",
    fix: "Check the address and the port: something else answers there.",
  });
}

function tooLong(path: string, limit: number): Fault {
  return new Fault("SERVER_ANSWER", {
    what: `The server's answer to ${path} is longer than the ${limit} bytes it can have.`,
    why: "It is broken, or is not a bootcast server.",
    fix: "Check the address and the port, and that server and agent have the same version.",
  });
}

function unreachable(server: URL, cause: unknown): Fault {
  return new Fault(
    "SERVER_UNREACHABLE",
    {
      what: `The server ${server.host} cannot be reached.`,
      why: `The connection says: ${reasonOf(cause)}.`,
      fix: "Check that the server runs, and that a firewall between lets this TCP port through.",
    },
    cause,
  );
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || (cause as NodeJS.ErrnoException).code || cause.name;
}
