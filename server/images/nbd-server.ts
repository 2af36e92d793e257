import { createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";
import { encodeReply, NbdError } from "./nbd-packet.ts";
import { NbdSession } from "./nbd-session.ts";

/** Where an NBD server is heard: a UNIX socket, or an address and a port (0: a free one). */
export type NbdPlace = { readonly path: string } | { readonly host: string; readonly port: number };

export type NbdServerOptions = {
  readonly source: BlockSource;
  /** Of the export; clients may also ask for the one without a name. */
  readonly name: string;
  readonly place: NbdPlace;
  /** A client could not be given what it read, or broke the protocol. */
  readonly onProblem?: (problem: unknown) => void;
  /** How many clients there are, whenever that changes. */
  readonly onClients?: (count: number) => void;
};

export type NbdServer = {
  /** As asked for, with the port that it got. */
  readonly place: NbdPlace;
  /** Ends all connections, and takes the socket's name away. */
  close(): Promise<void>;
};

/** Programs open one to four each. */
const MOST_CLIENTS = 64;
/** Content is read, and sent, in pieces of this. */
const PIECE_BYTES = 1 << 20;
/** A virtual machine that stands still does not read; after so long it is taken for gone. */
const SEND_MS = 300_000;

/**
 * Exports a disk, read-only, by the Network Block Device protocol: `nbd-client`,
 * `qemu-nbd`, `qemu-img` and virtual machines read it. There is no password: a
 * UNIX socket is for its owner alone, a port is for whoever reaches it.
 *
 * @throws {Fault} NBD_PLACE_TAKEN; any other reason of the system as it is
 */
export async function serveNbd(options: NbdServerOptions): Promise<NbdServer> {
  const clients = new Set<Socket>();
  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    clients.add(socket);
    options.onClients?.(clients.size);
    socket.once("close", () => {
      clients.delete(socket);
      options.onClients?.(clients.size);
    });
    void new Client(socket, options).serve();
  });
  server.maxConnections = MOST_CLIENTS;
  await listen(server, options.place);
  return {
    place: placeOf(server, options.place),
    close: async () => {
      const gone = [...clients].map((client) => new Promise((resolve) => client.once("close", resolve).destroy()));
      await Promise.all([new Promise((resolve) => server.close(resolve)), ...gone]);
    },
  };
}

class Client {
  readonly #socket: Socket;
  readonly #options: NbdServerOptions;
  readonly #session: NbdSession;
  #sent: Promise<void> = Promise.resolve();

  constructor(socket: Socket, options: NbdServerOptions) {
    this.#socket = socket;
    this.#options = options;
    const { name, source } = options;
    this.#session = new NbdSession({ name, sizeBytes: source.sizeBytes }, performance.now());
    // It ends the reading below, too, where it is seen.
    socket.on("error", () => undefined);
  }

  /** Never rejects: one client's end is no other's. */
  async serve(): Promise<void> {
    try {
      await this.#send(this.#session.hello());
      let timer = this.#wait();
      // While its requests are answered nothing more is read from the client.
      for await (const bytes of this.#socket) {
        clearTimeout(timer);
        if (!(await this.#answer(bytes as Buffer))) break;
        timer = this.#wait();
      }
      clearTimeout(timer);
      await this.#sent;
    } catch {
      // The client went away; there is nobody to tell.
    } finally {
      this.#socket.destroy();
    }
  }

  #wait(): NodeJS.Timeout | undefined {
    const nowMs = performance.now();
    const deadlineMs = this.#session.deadline(nowMs);
    if (deadlineMs === undefined) return undefined;
    return setTimeout(() => this.#socket.destroy(), Math.max(0, deadlineMs - nowMs)).unref();
  }

  /** @returns false when the connection is over */
  async #answer(bytes: Buffer): Promise<boolean> {
    for (const action of this.#session.onBytes(bytes)) {
      if (action.type === "close") {
        if (action.reason !== undefined)
          this.#options.onProblem?.(new Error(`A client was sent away: ${action.reason}.`));
        // A last word before it, as ABORT gets one.
        await this.#sent;
        return false;
      }
      if (action.type === "send") await this.#send(action.bytes);
      else await this.#read(action);
    }
    return true;
  }

  async #read({ cookie, offset, length }: { cookie: bigint; offset: number; length: number }): Promise<void> {
    for (let done = 0; done < length; done += PIECE_BYTES) {
      const content = await this.#content(offset + done, Math.min(PIECE_BYTES, length - done));
      if (content === undefined && done === 0) return this.#send(encodeReply(cookie, NbdError.inputOutput));
      // Behind a reply that promised all of it only the end of the connection says that it will not come.
      if (content === undefined) throw new Error("the rest cannot be read");
      await this.#send(done === 0 ? Buffer.concat([encodeReply(cookie, NbdError.none), content]) : content);
    }
  }

  async #content(offset: number, length: number): Promise<Uint8Array | undefined> {
    try {
      return await this.#options.source.read(offset, length);
    } catch (error) {
      this.#options.onProblem?.(error);
      return undefined;
    }
  }

  /** One piece is on its way while the next is read, never more. */
  async #send(bytes: Uint8Array): Promise<void> {
    await this.#sent;
    this.#sent = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => this.#socket.destroy(), SEND_MS).unref();
      this.#socket.write(bytes, (error) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      });
    });
    // Whoever sends next is told; without a next one nobody needs to be.
    this.#sent.catch(() => undefined);
  }
}

async function listen(server: Server, place: NbdPlace): Promise<void> {
  const where: ListenOptions = "path" in place ? { path: place.path } : { host: place.host, port: place.port };
  // The socket's name appears within `listen`: nobody else may connect, not even for a moment.
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(where, () => resolve());
    }).finally(() => server.removeAllListeners("error"));
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "EADDRINUSE" ? placeTaken(place, error) : error;
  } finally {
    process.umask(before);
  }
}

function placeOf(server: Server, place: NbdPlace): NbdPlace {
  const address = server.address();
  return "path" in place || address === null || typeof address === "string" ? place : { ...place, port: address.port };
}

function placeTaken(place: NbdPlace, cause: unknown): Fault {
  const isPath = "path" in place;
  return new Fault(
    "NBD_PLACE_TAKEN",
    {
      what: `${isPath ? place.path : `Port ${place.port}`} is taken already.`,
      why: isPath ? "There is a file of this name, or a program listens there." : "Another program listens there.",
      fix: isPath ? "Give another --listen, or remove the file when no program uses it." : "Give another --listen.",
    },
    cause,
  );
}
