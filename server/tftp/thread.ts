import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { type IPv4Peer, peerNumber, Receiver, Sender } from "./datagrams.ts";
import type { Peer } from "./engine.ts";
import { loadSystemCalls, type SystemCalls } from "./system-calls.ts";
import type { FromThread, ThreadStart, ToThread } from "./thread-messages.ts";
import { portsPerAddress, TransferPorts } from "./transfer-ports.ts";
import type { TransferTable } from "./transfer-table.ts";

/**
 * The thread of `thread-engine.ts`: it waits in poll(2), takes all packets that wait in one call, decides, and sends all
 * answers in one call. It shares nothing with the rest of the server but the files' memory.
 */

type Port = { readonly descriptor: number; readonly table: TransferTable<IPv4Peer>; readonly sender: Sender };

const POLLIN = 1;
const longestWaitMs = 60_000;

async function run(parent: MessagePort, { addresses, wakeDescriptor }: ThreadStart): Promise<void> {
  const say = (message: FromThread) => parent.postMessage(message);
  const calls = await loadSystemCalls();
  if (calls === undefined) return say({ type: "refused", why: "koffi is not there" });
  const transfers = new TransferPorts<IPv4Peer>({
    ended: (id, end) => say({ type: "ended", id, end }),
    suspectMtu: (id) => say({ type: "suspectMtu", id }),
  });
  const ports: Port[] = [];
  try {
    for (const address of addresses) {
      for (let count = 0; count < portsPerAddress; count += 1) ports.push(openPort(calls, address, transfers));
    }
  } catch (error) {
    for (const { descriptor } of ports) calls.close(descriptor);
    return say({ type: "refused", why: (error as Error).message });
  }
  say({ type: "ready" });
  serve(calls, parent, { transfers, ports, wakeDescriptor });
  for (const { descriptor } of ports) calls.close(descriptor);
}

/** Returns when it is told to close. */
function serve(
  calls: SystemCalls,
  parent: MessagePort,
  { transfers, ports, wakeDescriptor }: { transfers: TransferPorts<IPv4Peer>; ports: Port[]; wakeDescriptor: number },
): void {
  const now = () => performance.now();
  const receiver = new Receiver(calls);
  const wakes = new Uint8Array(8);
  // struct pollfd: descriptor 4, events 2, revents 2.
  const entries = new Int32Array(2 * (ports.length + 1));
  const flags = new Int16Array(entries.buffer);
  for (const [at, descriptor] of [wakeDescriptor, ...ports.map((port) => port.descriptor)].entries()) {
    entries[2 * at] = descriptor;
    flags[4 * at + 2] = POLLIN;
  }
  const entriesAddress = calls.addressOf(new Uint8Array(entries.buffer));
  for (;;) {
    const waitMs = Math.min(longestWaitMs, Math.max(0, Math.ceil(transfers.deadline - now())));
    const ready = calls.poll(entriesAddress, ports.length + 1, waitMs);
    if (ready > 0 && flags[3] !== 0) {
      calls.read(wakeDescriptor, wakes, 8);
      for (let next = receiveMessageOnPort(parent); next !== undefined; next = receiveMessageOnPort(parent)) {
        const message = next.message as ToThread;
        if (message.type === "close") {
          transfers.stopAll(now());
          for (const { sender } of ports) sender.flush();
          return;
        }
        obey(transfers, message, now());
      }
    }
    const atMs = now();
    for (let at = 0; ready > 0 && at < ports.length; at += 1) {
      if (flags[4 * at + 7] === 0) continue;
      const { descriptor, table } = ports[at]!;
      // What waits behind a full batch makes poll return at once, after the answers to this one.
      receiver.receive(descriptor, (bytes, ip, port) =>
        table.onPacket(peerNumber(ip, port), bytes, atMs, () => ({ ip, port })),
      );
    }
    transfers.onTimer(atMs);
    for (const { sender } of ports) sender.flush();
  }
}

function obey(transfers: TransferPorts<IPv4Peer>, message: Exclude<ToThread, { type: "close" }>, now: number): void {
  switch (message.type) {
    case "start": {
      const { key, peer } = numbered(message.order.peer);
      transfers.start(message.order, key, peer, now);
      break;
    }
    case "repeat":
      transfers.repeat(message.id, now);
      break;
    case "supersede":
      transfers.supersede(message.id, now);
      break;
    case "refuse":
      transfers.refuse(message.serverAddress, numbered(message.peer), message, now);
  }
}

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
/** Windows of many clients; less than a card's queue holds, so that the socket is what makes us wait. */
const bufferBytes = 1024 * 1024;

function openPort(calls: SystemCalls, address: string, transfers: TransferPorts<IPv4Peer>): Port {
  const descriptor = calls.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) throw new Error(`socket: error ${calls.errno()}`);
  const size = new Uint8Array(new Int32Array([bufferBytes]).buffer);
  for (const [forced, asked] of [
    [SO_SNDBUFFORCE, SO_SNDBUF],
    [SO_RCVBUFFORCE, SO_RCVBUF],
  ] as const) {
    // Only root may pass the system's limit.
    if (calls.setsockopt(descriptor, SOL_SOCKET, forced, size, 4) < 0) {
      calls.setsockopt(descriptor, SOL_SOCKET, asked, size, 4);
    }
  }
  const { ip } = numbersOf({ address, port: 0 });
  const name = new Uint8Array([
    AF_INET,
    0,
    0,
    0,
    ip >>> 24,
    (ip >>> 16) & 255,
    (ip >>> 8) & 255,
    ip & 255,
    ...Array(8),
  ]);
  if (calls.bind(descriptor, name, name.length) < 0) {
    const code = calls.errno();
    calls.close(descriptor);
    throw new Error(`bind to ${address}: error ${code}`);
  }
  const sender = new Sender(calls, descriptor, { canSegment: true });
  const addresses = new WeakMap<Uint8Array, number>();
  const addressOf = (file: Uint8Array): number => {
    const known = addresses.get(file) ?? calls.addressOf(file);
    addresses.set(file, known);
    return known;
  };
  const table = transfers.add(address, {
    sendPacket: (peer, packet) => sender.addPacket(peer, packet),
    sendBlocks: ({ peer, file, transfer }, first, count) =>
      sender.addBlocks(peer, { transfer, file, fileAddress: addressOf(file) }, first, count),
  });
  return { descriptor, table, sender };
}

function numbered(given: Peer): { key: number; peer: IPv4Peer } {
  const peer = numbersOf(given);
  return { key: peerNumber(peer.ip, peer.port), peer };
}

function numbersOf({ address, port }: Peer): IPv4Peer {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  return { ip: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0, port };
}

await run(parentPort!, workerData as ThreadStart);
parentPort!.close();
