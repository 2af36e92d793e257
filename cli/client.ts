import type { Command } from "commander";
import { Client } from "undici";
import { Fault } from "../fault.ts";
import { controlSocketOf } from "./control-socket.ts";
import { configOf } from "./read-configuration.ts";

/** A local server answers at once; an answer that takes this long will not come. */
const ANSWER_WITHIN_MS = 30_000;

/** The API of the server on this machine, over its UNIX socket. */
export class ApiClient {
  readonly #client: Client;
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
    this.#client = new Client("http://bootcast", {
      socketPath,
      headersTimeout: ANSWER_WITHIN_MS,
      bodyTimeout: ANSWER_WITHIN_MS,
    });
  }

  get<T>(path: string): Promise<T> {
    return this.#request<T>("GET", path);
  }

  post<T>(path: string, body?: unknown): Promise<T> {
    return this.#request<T>("POST", path, body);
  }

  put<T>(path: string, body: unknown): Promise<T> {
    return this.#request<T>("PUT", path, body);
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.#request<T>("PATCH", path, body);
  }

  delete<T>(path: string): Promise<T> {
    return this.#request<T>("DELETE", path);
  }

  /**
   * What a path that never ends says, object by object (server-sent events), until `signal` is aborted.
   *
   * @throws {Fault} as the others; SERVER_UNREACHABLE when the server ends; the signal's reason
   */
  async *follow<T>(path: string, signal: AbortSignal): AsyncGenerator<T> {
    let text = "";
    try {
      const headers = { accept: "text/event-stream" };
      const { statusCode, body } = await this.#client.request({ method: "GET", path, headers, signal });
      if (statusCode >= 400) throw faultOf(await body.json());
      body.setEncoding("utf8");
      for await (const chunk of body) {
        text += chunk as string;
        const events = text.split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) {
          const data = event.split("\n").find((line) => line.startsWith("data: "));
          if (data !== undefined) yield JSON.parse(data.slice("data: ".length)) as T;
        }
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof Fault) throw error;
      throw this.#ended(error);
    }
    throw this.#ended();
  }

  close(): Promise<void> {
    return this.#client.destroy();
  }

  /** @throws {Fault} the server's own, SERVER_UNREACHABLE, NOT_PERMITTED */
  async #request<T>(method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T> {
    let statusCode: number;
    let answer: unknown;
    try {
      const response = await this.#client.request({
        method,
        path,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      });
      statusCode = response.statusCode;
      answer = await response.body.json();
    } catch (error) {
      throw this.#unreachable(error);
    }
    if (statusCode < 400) return answer as T;
    throw faultOf(answer);
  }

  #ended(cause?: unknown): Fault {
    const { code } = (cause ?? {}) as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ECONNREFUSED" || code === "EACCES") return this.#unreachable(cause);
    return new Fault(
      "SERVER_UNREACHABLE",
      {
        what: "The server has ended, or does not answer any more.",
        why: `It answered on ${this.#socketPath} until now.`,
        fix: 'Look at it with "bootcast status" and at its log; start it again ("sudo bootcast serve") and repeat the command.',
      },
      cause,
    );
  }

  #unreachable(error: unknown): Fault {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM") {
      return new Fault(
        "NOT_PERMITTED",
        {
          what: "You may not give this server orders.",
          why: `${this.#socketPath} belongs to the user that runs the server, and orders can erase disks.`,
          fix: "Run the command with sudo, or as that user.",
        },
        error,
      );
    }
    const isAbsent = code === "ENOENT" || code === "ECONNREFUSED";
    return new Fault(
      "SERVER_UNREACHABLE",
      {
        what: "No bootcast server answers here.",
        why: isAbsent ? `Nothing listens on ${this.#socketPath}.` : `${this.#socketPath}: ${message}`,
        fix: 'Start it ("sudo bootcast serve"), or name its data directory with --data-dir or BOOTCAST_DATA_DIR.',
      },
      error,
    );
  }
}

function faultOf(answer: unknown): Fault {
  const { code, what, why, fix } = answer as Fault;
  return new Fault(code, { what, why, fix });
}

/** Runs `work` with the API of the server whose data directory the command names. */
export async function withServer<T>(command: Command, work: (api: ApiClient) => Promise<T>): Promise<T> {
  const api = new ApiClient(controlSocketOf(configOf(command).dataDir));
  try {
    return await work(api);
  } finally {
    await api.close();
  }
}
