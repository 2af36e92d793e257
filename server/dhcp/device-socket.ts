import { createSocket, type Socket } from "node:dgram";
import { networkInterfaces } from "node:os";
import { Fault } from "../../fault.ts";
import {
  AF_INET,
  SO_BINDTODEVICE,
  SO_BROADCAST,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "../../udp/socket-constants.ts";

/** Where a packet came from. */
export type PacketSource = { readonly address: string; readonly port: number };

/** A UDP socket that hears and speaks on one network interface only, broadcasts included. */
export type DeviceSocket = {
  send(bytes: Uint8Array, to: { readonly address: string; readonly port: number }): Promise<void>;
  close(): Promise<void>;
};

export type DeviceSocketOptions = {
  /** Name of the interface, for example "eth0". */
  readonly device: string;
  /** Our address on it. */
  readonly address: string;
  readonly port: number;
  readonly onPacket: (bytes: Uint8Array, source: PacketSource) => void;
  /** An error of the socket after it was opened; it is not closed by it. */
  readonly onError: (error: Error) => void;
  /** Hear what is sent to everybody and nothing else: another program has this port for what is meant for it. */
  readonly hearsOnlyBroadcasts?: boolean;
  /** For tests: do as if the optional package were not installed. */
  readonly withoutKoffi?: boolean;
};

/**
 * Opens a UDP socket for one interface. With the optional package `koffi` it is
 * bound to the device (SO_BINDTODEVICE), so that a broadcast tells where it
 * came from and leaves where it should. Without it this works on a machine
 * with a single interface, by a pair of ordinary sockets.
 *
 * @throws {Fault} UDP_NOT_PERMITTED, UDP_PORT_TAKEN, UDP_NEEDS_KOFFI or UDP_SOCKET
 */
export async function openDeviceSocket(options: DeviceSocketOptions): Promise<DeviceSocket> {
  const calls = options.withoutKoffi === true ? undefined : await systemCalls();
  if (calls === undefined) return openPlainPair(options);
  const socket = createSocket({ type: "udp4" });
  const descriptor = calls.openBound(options, (call, code) => socketFault(options, call, code));
  try {
    await bound(socket, () => socket.bind({ fd: descriptor }));
  } catch (error) {
    calls.close(descriptor);
    throw socketFault(options, "adopt", "", error);
  }
  listen(socket, options);
  return deviceSocket([socket], socket);
}

/** Without device binding: one socket hears broadcasts, the other sends them and hears what is meant for us alone. */
async function openPlainPair(options: DeviceSocketOptions): Promise<DeviceSocket> {
  const others = Object.entries(networkInterfaces()).filter(
    ([name, addresses]) =>
      name !== options.device && addresses?.some((one) => one.family === "IPv4" && !one.internal) === true,
  );
  if (others.length > 0) {
    throw new Fault("UDP_NEEDS_KOFFI", {
      what: `Port ${options.port}/udp cannot be opened on ${options.device} alone.`,
      why: `The optional package koffi is not installed, and there is also ${others.map(([name]) => name).join(", ")}.`,
      fix: "Install it (npm install koffi), or run on a machine with one network interface.",
    });
  }
  const sockets: Socket[] = [];
  try {
    // The address comes last: it is the one that sends.
    const addresses = options.hearsOnlyBroadcasts === true ? ["255.255.255.255"] : ["0.0.0.0", options.address];
    for (const address of addresses) {
      const socket = createSocket({ type: "udp4", reuseAddr: true, recvBufferSize: RECEIVE_BUFFER_BYTES });
      sockets.push(socket);
      await bound(socket, () => socket.bind({ port: options.port, address, exclusive: true }));
      socket.setBroadcast(true);
      listen(socket, options);
    }
  } catch (error) {
    for (const socket of sockets) socket.close();
    throw socketFault(options, "bind", (error as NodeJS.ErrnoException).code ?? "", error);
  }
  return deviceSocket(sockets, sockets.at(-1)!);
}

function listen(socket: Socket, options: DeviceSocketOptions): void {
  socket.on("message", (bytes, source) => options.onPacket(bytes, { address: source.address, port: source.port }));
  socket.on("error", options.onError);
}

function deviceSocket(sockets: readonly Socket[], sender: Socket): DeviceSocket {
  return {
    send: (bytes, to) =>
      new Promise((resolve, reject) => {
        sender.send(bytes, to.port, to.address, (error) => (error === null ? resolve() : reject(error)));
      }),
    close: async () => {
      await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
    },
  };
}

function bound(socket: Socket, bind: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    // Before the bind: with a descriptor it is listening at once.
    socket.once("listening", () => {
      socket.off("error", reject);
      resolve();
    });
    bind();
  });
}

/**
 * Room for a room full of machines that ask in the same moment: about 500 bytes a packet, and the kernel counts
 * 1,280 for it. Its own default holds some 160 packets; the others' firmware would try again four seconds later.
 */
const RECEIVE_BUFFER_BYTES = 4 << 20;

type SystemCalls = {
  openBound(options: DeviceSocketOptions, fault: (call: string, code: string) => Fault): number;
  close(descriptor: number): void;
};

const errorNames: Readonly<Record<number, string>> = { 1: "EPERM", 13: "EACCES", 19: "ENODEV", 98: "EADDRINUSE" };

let loaded: Promise<SystemCalls | undefined> | undefined;

function systemCalls(): Promise<SystemCalls | undefined> {
  loaded ??= loadSystemCalls();
  return loaded;
}

async function loadSystemCalls(): Promise<SystemCalls | undefined> {
  if (process.platform !== "linux") return undefined;
  // An optional package: not installed, or not built for this machine.
  const koffi = await import("koffi").then(
    (module) => module.default,
    () => undefined,
  );
  if (koffi === undefined) return undefined;
  const library = koffi.load(null);
  const socket = library.func("int socket(int domain, int type, int protocol)");
  const setOption = library.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");
  const bind = library.func("int bind(int fd, const void *address, uint32_t length)");
  const close = library.func("int close(int fd)");
  return {
    openBound({ device, port, hearsOnlyBroadcasts = false }, fault) {
      const failed = (call: string) => fault(call, errorNames[koffi.errno()] ?? `errno ${koffi.errno()}`);
      const descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) as number;
      if (descriptor < 0) throw failed("socket");
      const one = numberBytes(1);
      const buffer = numberBytes(RECEIVE_BUFFER_BYTES);
      // Beyond net.core.rmem_max for root; others get as much as that allows.
      if (setOption(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, buffer, 4) !== 0) {
        setOption(descriptor, SOL_SOCKET, SO_RCVBUF, buffer, 4);
      }
      const steps: readonly (readonly [call: string, run: () => number])[] = [
        ["SO_REUSEADDR", () => setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, one, 4)],
        ["SO_BROADCAST", () => setOption(descriptor, SOL_SOCKET, SO_BROADCAST, one, 4)],
        [
          "SO_BINDTODEVICE",
          () => setOption(descriptor, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${device}\0`), device.length + 1),
        ],
        ["bind", () => bind(descriptor, socketAddress(port, hearsOnlyBroadcasts ? 255 : 0), 16)],
      ];
      for (const [call, run] of steps) {
        if (run() === 0) continue;
        const error = failed(call);
        close(descriptor);
        throw error;
      }
      return descriptor;
    },
    close: (descriptor) => void close(descriptor),
  };
}

/** An int as setsockopt takes it. */
function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** struct sockaddr_in for 0.0.0.0, where all is heard, or 255.255.255.255. */
function socketAddress(port: number, eachByte: 0 | 255): Buffer {
  const address = Buffer.alloc(16);
  address.fill(eachByte, 4, 8);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  return address;
}

function socketFault(options: DeviceSocketOptions, call: string, code: string, cause?: unknown): Fault {
  const what = `Port ${options.port}/udp could not be opened on ${options.device}.`;
  switch (code) {
    case "EPERM":
    case "EACCES":
      return new Fault(
        "UDP_NOT_PERMITTED",
        { what, why: `The system refused it (${call}: ${code}).`, fix: "Run bootcast as root (sudo)." },
        cause,
      );
    case "EADDRINUSE":
      return new Fault(
        "UDP_PORT_TAKEN",
        {
          what,
          why: "Another program on this machine listens there.",
          fix:
            options.port === 68
              ? `Stop that DHCP client; "ss -ulpn sport = :68" names it.`
              : `Stop it ("ss -ulpn sport = :${options.port}" names it), or leave that port to it: network.dhcp = "proxy-4011" where it sends option 60 "PXEClient", else "off".`,
        },
        cause,
      );
    case "ENODEV":
      return new Fault(
        "UDP_NO_INTERFACE",
        {
          what,
          why: `There is no network interface called ${options.device}.`,
          fix: 'Correct network.interfaces; "ip link" lists them.',
        },
        cause,
      );
    default:
      return new Fault(
        "UDP_SOCKET",
        { what, why: `${call} failed${code === "" ? "" : ` (${code})`}.`, fix: "Look at the system's log." },
        cause,
      );
  }
}
