import { createRequire } from "node:module";
import { endianness } from "node:os";

/** The system calls that Node does not offer. Addresses of memory are plain numbers: Linux gives out 47 bits of them. */
export type SystemCalls = {
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(descriptor: number, level: number, name: number, value: Uint8Array, length: number): number;
  bind(descriptor: number, address: Uint8Array, length: number): number;
  close(descriptor: number): number;
  eventfd(count: number, flags: number): number;
  write(descriptor: number, bytes: Uint8Array, length: number): number;
  read(descriptor: number, bytes: Uint8Array, length: number): number;
  poll(entries: number, count: number, timeoutMs: number): number;
  schedYield(): number;
  recvmmsg(descriptor: number, messages: number, count: number, flags: number, timeout: null): number;
  sendmmsg(descriptor: number, messages: number, count: number, flags: number): number;
  sendto(
    descriptor: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ): number;
  recvfrom(
    descriptor: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: Uint32Array,
  ): number;
  ioctl(descriptor: number, request: number, argument: Uint8Array): number;
  /** In a thread of its own, for what a device may take long to do. `argument` has more than 64 bytes, so it stays in its place. */
  ioctlLater(descriptor: number, request: number, argument: Uint8Array): Promise<number>;
  clockGettime(clock: number, time: Uint8Array): number;
  errno(): number;
  addressOf(bytes: Uint8Array): number;
};

/** Undefined where the optional package `koffi` is missing, or where structures in memory look different from here. */
export function loadSystemCalls(): SystemCalls | undefined {
  const isKnown = process.platform === "linux" && ["x64", "arm64"].includes(process.arch) && endianness() === "LE";
  if (!isKnown) return undefined;
  const koffi = requireKoffi();
  if (koffi === undefined) return undefined;
  const library = koffi.load(null);
  const call = (declaration: string) => library.func(declaration) as never;
  const ioctl = library.func("int ioctl(int fd, unsigned long request, _Out_ void *argument)");
  return {
    socket: call("int socket(int domain, int type, int protocol)"),
    setsockopt: call("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)"),
    bind: call("int bind(int fd, const void *address, uint32_t length)"),
    close: call("int close(int fd)"),
    eventfd: call("int eventfd(unsigned int count, int flags)"),
    write: call("intptr_t write(int fd, const void *bytes, size_t length)"),
    read: call("intptr_t read(int fd, _Out_ void *bytes, size_t length)"),
    poll: call("int poll(intptr_t entries, unsigned long count, int timeout)"),
    schedYield: call("int sched_yield()"),
    recvmmsg: call("int recvmmsg(int fd, intptr_t messages, unsigned int count, int flags, void *timeout)"),
    sendmmsg: call("int sendmmsg(int fd, intptr_t messages, unsigned int count, int flags)"),
    sendto: call(
      "intptr_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t addressLength)",
    ),
    recvfrom: call(
      "intptr_t recvfrom(int fd, _Out_ void *bytes, size_t length, int flags, _Out_ void *address, _Inout_ uint32_t *addressLength)",
    ),
    ioctl: ioctl as never,
    ioctlLater: (descriptor, request, argument) =>
      new Promise((resolve, reject) => {
        ioctl.async(descriptor, request, argument, (error: Error | null, result: number) => {
          if (error) reject(error);
          else resolve(result);
        });
      }),
    clockGettime: call("int clock_gettime(int clock, _Out_ void *time)"),
    errno: () => koffi.errno(),
    addressOf: (bytes) => (bytes.byteLength === 0 ? 0 : Number(koffi.address(bytes))),
  };
}

// Not by import(): the boot image has only what require() finds, beside the agent's one file.
function requireKoffi(): typeof import("koffi") | undefined {
  try {
    return createRequire(import.meta.filename)("koffi") as typeof import("koffi");
  } catch {
    return undefined;
  }
}
