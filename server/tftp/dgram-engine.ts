import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { Logger } from "pino";
import type { EngineEvents, Peer, TransferEngine } from "./engine.ts";
import { encodeTftp } from "./packet.ts";
import { type PortSender, portsPerAddress, TransferPorts } from "./transfer-ports.ts";

/** Transfers on Node's own sockets: works everywhere, with one system call for each packet. */
export async function openDgramEngine(
  addresses: readonly string[],
  events: EngineEvents,
  log: Logger,
): Promise<TransferEngine> {
  const now = () => performance.now();
  const ports = new TransferPorts<Peer>(events);
  const sockets: Socket[] = [];
  let timer: NodeJS.Timeout | undefined;
  let wakesAtMs = Number.POSITIVE_INFINITY;

  /** Sets the clock for the first deadline, when that is before what it is set for. */
  function wind(): void {
    const { deadline } = ports;
    if (deadline >= wakesAtMs) return;
    clearTimeout(timer);
    wakesAtMs = deadline;
    timer = setTimeout(
      () => {
        wakesAtMs = Number.POSITIVE_INFINITY;
        // The timer may fire a little early; then nothing was due and it is set again.
        ports.onTimer(now());
        wind();
      },
      Math.max(0, deadline - now()),
    );
  }

  try {
    for (const address of addresses) {
      for (let count = 0; count < portsPerAddress; count += 1) {
        const socket = await boundSocket(address);
        sockets.push(socket);
        const table = ports.add(address, senderOn(socket));
        socket.on("error", (error) => log.warn({ err: error, address }, "tftp: socket error"));
        socket.on("message", (bytes, from) => {
          const isOurs = table.onPacket(keyOf(from), bytes, now());
          if (!isOurs) table.onStranger({ address: from.address, port: from.port }, now());
          wind();
        });
      }
    }
  } catch (error) {
    for (const socket of sockets) socket.close();
    throw error;
  }
  return {
    kind: "dgram",
    start(order) {
      ports.start(order, keyOf(order.peer), order.peer, now());
      wind();
    },
    repeat(id) {
      ports.repeat(id, now());
      wind();
    },
    supersede: (id) => ports.supersede(id, now()),
    refuse: (address, peer, code, message) =>
      ports.refuse(address, { key: keyOf(peer), peer }, { code, message }, now()),
    async close() {
      ports.stopAll(now());
      clearTimeout(timer);
      // Sends are handed to the system at once when the address is a number, but Node may keep a queue: close behind it.
      await new Promise((resolve) => setImmediate(resolve));
      await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
    },
  };
}

function senderOn(socket: Socket): PortSender<Peer> {
  // Lost here is like lost on the way: the timer sends it again.
  const send = (packet: Uint8Array, { address, port }: Peer) => socket.send(packet, port, address, ignoreSendError);
  return {
    sendPacket: (peer, packet) => send(packet, peer),
    sendBlocks({ transfer, file, peer }, first, count) {
      for (let block = first; block < first + count; block += 1) {
        const { from, to } = transfer.dataOf(block);
        const data = file.subarray(from, to);
        send(encodeTftp({ type: "data", block: transfer.wireNumber(block), data }), peer);
      }
    },
  };
}

const keyOf = ({ address, port }: Peer): string => `${address} ${port}`;

async function boundSocket(address: string): Promise<Socket> {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  try {
    socket.bind(0, address);
    await once(socket, "listening");
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function ignoreSendError(): void {}
