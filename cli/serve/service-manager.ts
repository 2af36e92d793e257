import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } from "../../udp/socket-constants.ts";
import { loadSystemCalls, type SystemCalls } from "../../udp/system-calls.ts";

/** Tells systemd how the server is (sd_notify(3)). */
export type ServiceManager = {
  /** Everybody is served from now on. @param status a line for `systemctl status` */
  ready(status: string): void;
  stopping(): void;
  close(): void;
};

/** Longest path of a UNIX socket, without the zero behind it. */
const LONGEST_PATH_BYTES = 107;
const MSG_NOSIGNAL = 0x4000;

/**
 * The manager that started this process; undefined where none did, or where it cannot be reached. As long as this
 * thread is not stuck it is told so, twice in the time after which it would end us. Programs that we start are not to
 * speak for us, so its address leaves the environment.
 */
export function serviceManager(
  env: NodeJS.ProcessEnv,
  calls: SystemCalls | null = loadSystemCalls() ?? null,
): ServiceManager | undefined {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: watchdog, WATCHDOG_PID: watched } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (path === undefined || calls === null || !/^[/@]/.test(path)) return undefined;
  const address = socketAddress(path);
  if (address === undefined) return undefined;
  const socket = calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return undefined;
  const tell = (text: string) => {
    const bytes = Buffer.from(text);
    // It waits for nothing that we say, but the first word, and its own limit ends that.
    calls.sendto(socket, bytes, bytes.length, MSG_NOSIGNAL, address, address.length);
  };
  let timer: NodeJS.Timeout | undefined;
  const isForUs = watched === undefined || Number(watched) === process.pid;
  const everyMs = Number(watchdog) / 2000;
  return {
    ready(status) {
      tell(`READY=1\nSTATUS=${status.replaceAll("\n", " ")}`);
      if (isForUs && everyMs > 0) timer = setInterval(() => tell("WATCHDOG=1"), everyMs).unref();
    },
    stopping: () => tell("STOPPING=1"),
    close() {
      clearInterval(timer);
      calls.close(socket);
    },
  };
}

/** struct sockaddr_un: family (2), path. "@" stands for the zero of an abstract name, which ends with its length. */
function socketAddress(path: string): Uint8Array | undefined {
  const name = Buffer.from(path);
  if (name.length > LONGEST_PATH_BYTES) return undefined;
  const isAbstract = path.startsWith("@");
  if (isAbstract) name[0] = 0;
  const address = Buffer.alloc(2 + name.length + (isAbstract ? 0 : 1));
  address.writeUInt16LE(AF_UNIX);
  name.copy(address, 2);
  return address;
}
