import { userInfo } from "node:os";
import type { Command } from "commander";
import { Client } from "undici";
import { Fault } from "../fault.ts";
import { pinnedAuthority, unreachable } from "./access/pinned-server.ts";
import type { RemoteServer } from "./access/token-file.ts";
import { controlSocketOf } from "./serve/control-socket.ts";
import { configOf, remoteOf } from "./settings/read-configuration.ts";

/** A local server answers at once; an answer that takes this long will not come. */
const ANSWER_WITHIN_MS = 30_000;

const timeouts = { headersTimeout: ANSWER_WITHIN_MS, bodyTimeout: ANSWER_WITHIN_MS };

/** The API of a server: of the one on this machine over its UNIX socket, or of another one over HTTPS. */
export class ApiClient {
  readonly #client: Client;
  /** The socket's path or the URL. */
  readonly #place: string;
  readonly #isRemote: boolean;
  /** Who we are. */
  readonly #headers: Readonly<Record<string, string>>;

  private constructor(client: Client, place: string, isRemote: boolean, headers: Readonly<Record<string, string>>) {
    this.#client = client;
    this.#place = place;
    this.#isRemote = isRemote;
    this.#headers = headers;
  }

  static local(socketPath: string): ApiClient {
    const client = new Client("http://bootcast", { socketPath, ...timeouts });
    return new ApiClient(client, socketPath, false, { "x-bootcast-actor": userName() });
  }

  /** @throws {Fault} SERVER_UNREACHABLE, SERVER_NOT_TRUSTED */
  static async remote({ url, fingerprint, token }: RemoteServer): Promise<ApiClient> {
    const ca = await pinnedAuthority(url, fingerprint);
    // The authority signs this site's servers only, so it does not matter by which name we came.
    const connect = { ca, checkServerIdentity: () => undefined };
    return new ApiClient(new Client(url, { connect, ...timeouts }), url, true, { authorization: `Bearer ${token}` });
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
      const headers = { ...this.#headers, accept: "text/event-stream" };
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
        headers: { ...this.#headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      statusCode = response.statusCode;
      answer = await response.body.json();
    } catch (error) {
      throw this.#isRemote ? unreachable(this.#place, error) : this.#unreachable(error);
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
        why: `It answered on ${this.#place} until now.`,
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
          why: `${this.#place} belongs to the user that runs the server, and orders can erase disks.`,
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
        why: isAbsent ? `Nothing listens on ${this.#place}.` : `${this.#place}: ${message}`,
        fix: 'Start it ("sudo systemctl start bootcast"; without a service "sudo bootcast setup" makes one), or name its data directory with --data-dir or BOOTCAST_DATA_DIR.',
      },
      error,
    );
  }
}

function faultOf(answer: unknown): Fault {
  const { code, what, why, fix } = answer as Fault;
  return new Fault(code, { what, why, fix });
}

/** Whoever called sudo, or the user of this process: for the audit log. */
function userName(): string {
  const sudo = process.env["SUDO_USER"];
  if (sudo !== undefined && sudo !== "") return sudo;
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number that no name belongs to.
    return `uid-${process.getuid?.() ?? "unknown"}`;
  }
}

/** Runs `work` with the API of the server that the command names: by its data directory, or with `--server`. */
export async function withServer<T>(command: Command, work: (api: ApiClient) => Promise<T>): Promise<T> {
  const remote = remoteOf(command);
  const api =
    remote === undefined ? ApiClient.local(controlSocketOf(configOf(command).dataDir)) : await ApiClient.remote(remote);
  try {
    return await work(api);
  } finally {
    await api.close();
  }
}
