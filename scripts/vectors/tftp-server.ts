import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pino } from "pino";
import type { Peer, TransferEnd, TransferEngine } from "../../server/tftp/engine.ts";
import { decodeTftp, encodeTftp, type TftpPacket } from "../../server/tftp/packet.ts";
import { TftpService } from "../../server/tftp/service.ts";
import { TransferPorts } from "../../server/tftp/transfer-ports.ts";

const ADDRESS = "10.0.1.5";
const CLIENT: Peer = { address: "10.0.1.50", port: 1024 };
/** A second one, whose transfer a packet is no part of. */
const OTHER: Peer = { address: "10.0.1.51", port: 1024 };
const OTHER_FILE = "other";
/** Reading a file takes some milliseconds. */
const DEADLINE_MS = 5000;

export type Surroundings = {
  /** What is there to be read; undefined: nothing. */
  readonly file: string | undefined;
  readonly fileBytes: number;
  /** The packet goes to the port of a transfer that another client has, not to the port for requests. */
  readonly isForTransfer: boolean;
};

/** What our TFTP server says first to a packet: all of it but its sockets. Undefined: nothing. */
export async function firstAnswer(bytes: Uint8Array, surroundings: Surroundings): Promise<TftpPacket | undefined> {
  const { file, fileBytes, isForTransfer } = surroundings;
  const root = await mkdtemp(join(tmpdir(), "bootcast-vectors-"));
  const server = new ServerWithoutSockets(root);
  try {
    for (const [name, size] of [[file, fileBytes] as const, ...(isForTransfer ? [[OTHER_FILE, 1] as const] : [])]) {
      if (name === undefined) continue;
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), "");
      // A hole needs no room on the disk.
      await truncate(join(root, name), size);
    }
    if (!isForTransfer) return await server.answerTo(bytes);
    await server.answerTo(encodeTftp({ type: "read", file: OTHER_FILE, mode: "octet", options: [] }), OTHER);
    return server.answerOnTransferPort(bytes);
  } finally {
    await server.close();
    await rm(root, { recursive: true, force: true });
  }
}

/** The service with its transfers, and instead of sockets a list of what would be sent. */
class ServerWithoutSockets {
  readonly #sent: TftpPacket[] = [];
  readonly #service: TftpService;
  readonly #table: ReturnType<TransferPorts<Peer>["add"]>;

  constructor(root: string) {
    const send = (packet: Uint8Array) => this.#sent.push(decodeTftp(packet));
    const ports = new TransferPorts<Peer>({
      ended: (id: number, end: TransferEnd) => this.#service.onEnd(id, end),
      suspectMtu: (id: number) => this.#service.onMtuSuspicion(id),
    });
    this.#table = ports.add(ADDRESS, {
      sendPacket: (_, packet) => send(packet),
      sendBlocks: ({ transfer, file }, first, count) => {
        for (let block = first; block < first + count; block += 1) {
          const { from, to } = transfer.dataOf(block);
          send(encodeTftp({ type: "data", block: transfer.wireNumber(block), data: file.subarray(from, to) }));
        }
      },
    });
    const engine: TransferEngine = {
      kind: "without sockets",
      start: (order) => ports.start(order, keyOf(order.peer), order.peer, 0),
      repeat: (id) => ports.repeat(id, 0),
      supersede: (id) => ports.supersede(id, 0),
      refuse: (address, peer, code, message) => ports.refuse(address, { key: keyOf(peer), peer }, { code, message }, 0),
      close: async () => ports.stopAll(0),
    };
    const settings = { addresses: [ADDRESS], port: 69, root, log: pino({ level: "silent" }), now: () => 0 };
    this.#service = new TftpService(settings, { engine, linkLimits: new Map(), isServed: () => true });
  }

  /** @returns once something was sent, or nothing can come any more */
  async answerTo(bytes: Uint8Array, from = CLIENT): Promise<TftpPacket | undefined> {
    this.#service.onMessage(bytes, { ...from, family: "IPv4", size: bytes.length }, ADDRESS);
    const untilMs = performance.now() + DEADLINE_MS;
    while (this.#sent.length === 0 && this.#service.active > 0) {
      if (performance.now() > untilMs) throw new Error(`No answer, and no silence either, within ${DEADLINE_MS} ms`);
      await nextTurn();
    }
    return this.#sent.shift();
  }

  answerOnTransferPort(bytes: Uint8Array): TftpPacket | undefined {
    this.#sent.length = 0;
    if (!this.#table.onPacket(keyOf(CLIENT), bytes, 0)) this.#table.onStranger(CLIENT, 0);
    return this.#sent.shift();
  }

  close(): Promise<void> {
    return this.#service.stop();
  }
}

const keyOf = ({ address, port }: Peer): string => `${address} ${port}`;
