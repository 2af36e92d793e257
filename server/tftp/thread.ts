import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { BatchReceiver } from "../../udp/batch-receiver.ts";
import { BatchSender } from "../../udp/batch-sender.ts";
import { type IPv4Peer, ipv4Peer, peerNumber } from "../../udp/ipv4-peer.ts";
import { openDescriptor } from "../../udp/open-descriptor.ts";
import { loadSystemCalls, type SystemCalls } from "../../udp/system-calls.ts";
import { addBlocks } from "./block-sender.ts";
import type { Peer } from "./engine.ts";
import type { FromThread, ThreadStart, ToThread } from "./thread-messages.ts";
import { portsPerAddress, TransferPorts } from "./transfer-ports.ts";
import type { TransferTable } from "./transfer-table.ts";

/**
 * The thread of `thread-engine.ts`: it waits in poll(2), takes all packets that wait in one call, decides, and sends all
 * answers in one call. It shares nothing with the rest of the server but the files' memory.
 */

type Port = { readonly descriptor: number; readonly table: TransferTable<IPv4Peer>; readonly sender: BatchSender };

const POLLIN = 1;
/**
 * So long the next packet is waited for without sleeping, giving way to whoever else wants the processor: a lockstep
 * client answers soon, and waking up costs more than its packet. With more than a few clients there is always one that
 * has answered, and the processor is theirs.
 */
const patienceMs = 0.2;
const patienceForClients = 2;
// A process that exits waits for this thread, and cannot wake it.
const longestWaitMs = 500;
/** ACK and ERROR packets are short; what is longer is cut, and was not for us. */
const longestPacketBytes = 256;
const packetsAtOnce = 64;
/** A card that takes nothing for so long loses what it is given. */
const stuckMs = 20;

function run(parent: MessagePort, { addresses, wakeDescriptor }: ThreadStart): void {
  const say = (message: FromThread) => parent.postMessage(message);
  const calls = loadSystemCalls();
  if (calls === undefined) {
    say({ type: "refused", why: "koffi is not there" });
    return;
  }
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
    say({ type: "refused", why: (error as Error).message });
    return;
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
  const receiver = new BatchReceiver(calls, { count: packetsAtOnce, longestBytes: longestPacketBytes });
  const wakes = new Uint8Array(8);
  // struct pollfd: descriptor 4, events 2, revents 2.
  const entries = new Int32Array(2 * (ports.length + 1));
  const flags = new Int16Array(entries.buffer);
  for (const [at, descriptor] of [wakeDescriptor, ...ports.map((port) => port.descriptor)].entries()) {
    entries[2 * at] = descriptor;
    flags[4 * at + 2] = POLLIN;
  }
  const entriesAddress = calls.addressOf(new Uint8Array(entries.buffer));
  let isPatient = false;
  for (;;) {
    const waitMs = Math.min(longestWaitMs, Math.max(0, Math.ceil(transfers.deadline - now())));
    let ready = calls.poll(entriesAddress, ports.length + 1, 0);
    for (const untilMs = now() + patienceMs; isPatient && ready === 0 && now() < untilMs; ) {
      calls.schedYield();
      ready = calls.poll(entriesAddress, ports.length + 1, 0);
    }
    if (ready === 0) ready = calls.poll(entriesAddress, ports.length + 1, waitMs);
    isPatient = ready > 0 && transfers.count <= patienceForClients;
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
      receiver.receive(descriptor, (bytes, ip, port) => {
        if (!table.onPacket(peerNumber(ip, port), bytes, atMs)) table.onStranger({ ip, port }, atMs);
      });
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

/** Windows of many clients; less than a card's queue holds, so that the socket is what makes us wait. */
const bufferBytes = 1024 * 1024;

function openPort(calls: SystemCalls, address: string, transfers: TransferPorts<IPv4Peer>): Port {
  const options = { address, receiveBufferBytes: bufferBytes, sendBufferBytes: bufferBytes };
  const { number: descriptor, canSegment } = openDescriptor(calls, options);
  const sender = new BatchSender(calls, { descriptor, canSegment, stuckMs });
  const addresses = new WeakMap<Uint8Array, number>();
  const addressOf = (file: Uint8Array): number => {
    const known = addresses.get(file) ?? calls.addressOf(file);
    addresses.set(file, known);
    return known;
  };
  const table = transfers.add(address, {
    sendPacket: (peer, packet) => sender.addPacket(peer, packet),
    sendBlocks: ({ peer, file, transfer }, first, count) =>
      addBlocks(sender, peer, { transfer, file, fileAddress: addressOf(file) }, { first, count }),
  });
  return { descriptor, table, sender };
}

function numbered(given: Peer): { key: number; peer: IPv4Peer } {
  const peer = ipv4Peer(given.address, given.port);
  return { key: peerNumber(peer.ip, peer.port), peer };
}

run(parentPort!, workerData as ThreadStart);
parentPort!.close();
