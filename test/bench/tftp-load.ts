/**
 * Clients that fetch one file each at the same time, in a process of its own: `node tftp-load.ts '{"server":…}'`
 * (`Load`). It says "ready", starts with the first line of its input, and prints what came of it (`LoadResult`).
 *
 * Every byte is compared with the file. The same program asks every server; it uses the system calls of
 * `udp/`, so that it costs less than what it measures.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { encodeTftp, type TftpOption } from "../../server/tftp/packet.ts";
import { BatchReceiver } from "../../udp/batch-receiver.ts";
import { BatchSender } from "../../udp/batch-sender.ts";
import { type IPv4Peer, ipv4Peer } from "../../udp/ipv4-peer.ts";
import { openDescriptor } from "../../udp/open-descriptor.ts";
import { loadSystemCalls } from "../../udp/system-calls.ts";

export type Load = {
  readonly server: string;
  readonly name: string;
  /** The same content here. */
  readonly path: string;
  /** One client at each. */
  readonly addresses: readonly string[];
  readonly blockBytes: number;
  readonly windowBlocks: number;
  /** How often all of them fetch it; the last time counts. A server that runs has compiled what it runs. */
  readonly times: number;
};

export type LoadResult = {
  readonly seconds: number;
  readonly bytes: number;
  /** Times that a client waited a second for nothing. */
  readonly timeouts: number;
  readonly cpuSeconds: number;
};

const retryMs = 1000;
const giveUpMs = 60_000;
const POLLIN = 1;

const load = JSON.parse(process.argv[2] ?? "{}") as Load;
const file = readFileSync(load.path);
const calls = loadSystemCalls()!;
const receiver = new BatchReceiver(calls, { count: 64, longestBytes: 2048 });
const listening = ipv4Peer(load.server, 69);

/** One client: RFC 1350 with the options of 2348 and 7440. */
class Client {
  readonly descriptor: number;
  readonly #sender: BatchSender;
  #peer: IPv4Peer = listening;
  #last: Uint8Array = request();
  #received = 0;
  #bytes = 0;
  #windowBlocks = 1;
  #blockBytes = 512;
  #inWindow = 0;
  #hasToldGap = false;
  #heardMs = 0;
  timeouts = 0;
  isDone = false;

  constructor(address: string) {
    const bufferBytes = 256 * 1024;
    const options = { address, receiveBufferBytes: bufferBytes, sendBufferBytes: bufferBytes };
    this.descriptor = openDescriptor(calls, options).number;
    this.#sender = new BatchSender(calls, { descriptor: this.descriptor, canSegment: false, stuckMs: 20 });
  }

  begin(now: number): void {
    this.#say(this.#last, now);
    this.#sender.flush();
  }

  readonly onDatagram = (bytes: Uint8Array, ip: number, port: number): void => {
    if (this.isDone) return;
    if (this.#peer.port === 69) this.#peer = { ip, port };
    if (bytes[1] === 3) {
      this.#onData(bytes);
      return;
    }
    if (bytes[1] !== 6) throw new Error(`The server said ${Buffer.from(bytes).toString("latin1")}.`);
    const words = Buffer.from(bytes.subarray(2)).toString("latin1").toLowerCase().split("\0");
    this.#blockBytes = Number(words[words.indexOf("blksize") + 1]);
    if (words.includes("windowsize")) this.#windowBlocks = Number(words[words.indexOf("windowsize") + 1]);
    if (this.#blockBytes !== load.blockBytes) throw new Error(`The server gives blocks of ${this.#blockBytes} bytes.`);
    this.#acknowledge();
  };

  onTurn(now: number): void {
    this.#heardMs = now;
    this.#sender.flush();
  }

  onTimer(now: number): void {
    if (this.isDone || now - this.#heardMs < retryMs) return;
    this.timeouts += 1;
    this.#say(this.#last, now);
    this.#sender.flush();
  }

  get bytes(): number {
    return this.#bytes;
  }

  #onData(bytes: Uint8Array): void {
    const block = (bytes[2]! << 8) | bytes[3]!;
    if (block !== ((this.#received + 1) & 0xffff)) {
      // RFC 7440: a gap is told once.
      if (this.#windowBlocks > 1 && !this.#hasToldGap) this.#acknowledge();
      this.#hasToldGap = true;
      return;
    }
    const size = bytes.length - 4;
    if (file.compare(bytes, 4, bytes.length, this.#bytes, this.#bytes + size) !== 0) throw new Error("Wrong content.");
    this.#hasToldGap = false;
    this.#received += 1;
    this.#bytes += size;
    this.#inWindow += 1;
    this.isDone = size < this.#blockBytes;
    if (this.isDone || this.#inWindow === this.#windowBlocks) this.#acknowledge();
    if (this.isDone && this.#bytes !== file.length) throw new Error(`${this.#bytes} bytes of ${file.length}.`);
  }

  #acknowledge(): void {
    this.#inWindow = 0;
    this.#last = Uint8Array.of(0, 4, (this.#received >> 8) & 0xff, this.#received & 0xff);
    this.#sender.addPacket(this.#peer, this.#last);
  }

  #say(packet: Uint8Array, now: number): void {
    this.#heardMs = now;
    this.#sender.addPacket(this.#peer, packet);
  }
}

function request(): Uint8Array {
  const options: TftpOption[] = [["blksize", String(load.blockBytes)]];
  if (load.windowBlocks > 1) options.push(["windowsize", String(load.windowBlocks)]);
  return encodeTftp({ type: "read", file: load.name, mode: "octet", options });
}

/** All clients fetch the file. */
function fetchAll(): Omit<LoadResult, "cpuSeconds"> {
  const clients = load.addresses.map((address) => new Client(address));
  const entries = new Int32Array(2 * clients.length);
  const flags = new Int16Array(entries.buffer);
  for (const [at, { descriptor }] of clients.entries()) {
    entries[2 * at] = descriptor;
    flags[4 * at + 2] = POLLIN;
  }
  const entriesAddress = calls.addressOf(new Uint8Array(entries.buffer));
  const startedMs = performance.now();
  for (const client of clients) client.begin(startedMs);
  let checkedMs = startedMs;
  for (let running = clients.length; running > 0; ) {
    const ready = calls.poll(entriesAddress, clients.length, 100);
    const now = performance.now();
    for (let at = 0; ready > 0 && at < clients.length; at += 1) {
      if (flags[4 * at + 3] === 0) continue;
      const client = clients[at]!;
      receiver.receive(client.descriptor, client.onDatagram);
      client.onTurn(now);
      if (!client.isDone) continue;
      running -= 1;
      entries[2 * at] = -1;
      flags[4 * at + 3] = 0;
    }
    if (now - checkedMs < 100) continue;
    checkedMs = now;
    if (now - startedMs > giveUpMs) throw new Error(`${running} clients have not finished.`);
    for (const client of clients) client.onTimer(now);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  for (const { descriptor } of clients) calls.close(descriptor);
  return {
    seconds,
    bytes: clients.reduce((sum, client) => sum + client.bytes, 0),
    timeouts: clients.reduce((sum, client) => sum + client.timeouts, 0),
  };
}

for (let time = 1; time < load.times; time += 1) fetchAll();
console.log("ready");
await once(process.stdin, "data");
const cpu = process.cpuUsage();
const fetched = fetchAll();
const { user, system } = process.cpuUsage(cpu);
const result: LoadResult = { ...fetched, cpuSeconds: (user + system) / 1e6 };
console.log(JSON.stringify(result));
process.exit(0);
