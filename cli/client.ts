import type { Command } from "commander";
import { Client } from "undici";
import { Fault } from "../fault.ts";
import { configOf } from "./configuration.ts";
import { controlSocketOf } from "./control-socket.ts";

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

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.#request<T>("PATCH", path, body);
  }

  delete<T>(path: string): Promise<T> {
    return this.#request<T>("DELETE", path);
  }

  close(): Promise<void> {
    return this.#client.destroy();
  }

  /** @throws {Fault} the server's own, SERVER_UNREACHABLE, NOT_PERMITTED */
  async #request<T>(method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T> {
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
    const { code, what, why, fix } = answer as Fault;
    throw new Fault(code, { what, why, fix });
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

/** Runs `work` with the API of the server whose data directory the command names. */
export async function withServer<T>(command: Command, work: (api: ApiClient) => Promise<T>): Promise<T> {
  const api = new ApiClient(controlSocketOf(configOf(command).dataDir));
  try {
    return await work(api);
  } finally {
    await api.close();
  }
}
