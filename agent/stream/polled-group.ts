import { BatchReceiver } from "../../udp/batch-receiver.ts";
import { openDescriptor } from "../../udp/open-descriptor.ts";
import type { SystemCalls } from "../../udp/system-calls.ts";
import type { GroupSocket, JoinOptions } from "./group-socket.ts";

/** How often the socket is looked at while the stream comes fast, slowly, and not at all. */
const BUSY_MS = 4;
const SLOW_MS = 8;
const IDLE_MS = 20;
/** So many messages in one look are fast. */
const FAST_MESSAGES = 16;
/** UDP_GRO gives at most 64 KiB at once. */
const LONGEST_BYTES = 64 * 1024;
const MESSAGES_A_CALL = 32;
/** Then others get their turn. */
const CALLS_A_TURN = 16;

/**
 * Listens to a group by looking every few milliseconds, and takes all that waits in one call. Node wakes up for every
 * single datagram, which costs more than all else that is done with it; the kernel's buffer holds what comes meanwhile.
 *
 * @throws {Error} naming the system call that failed
 */
export function joinPolledGroup(
  calls: SystemCalls,
  { group, port, interfaceAddress, datagramBytes, onDatagram }: JoinOptions,
  receiveBufferBytes: number,
): GroupSocket {
  const descriptor = openDescriptor(calls, {
    address: group,
    port,
    sharesAddress: true,
    receiveBufferBytes,
    group: { address: group, interfaceAddress },
    joinsReceived: true,
  });
  const receiver = new BatchReceiver(calls, { count: MESSAGES_A_CALL, longestBytes: LONGEST_BYTES });
  let isClosed = false;
  const look = () => {
    let nextMs = IDLE_MS;
    for (let call = 0; call < CALLS_A_TURN && !isClosed; call += 1) {
      const count = receiver.receive(descriptor.number, (bytes) => {
        // Strangers' datagrams of another length are cut wrongly, and dropped one by one for that.
        for (let at = 0; at < bytes.length; at += datagramBytes) onDatagram(bytes.subarray(at, at + datagramBytes));
      });
      // More waits: others get their turn, no more.
      nextMs = 0;
      if (count === MESSAGES_A_CALL) continue;
      if (count > 0 || call > 0) nextMs = count >= FAST_MESSAGES || call > 0 ? BUSY_MS : SLOW_MS;
      else nextMs = IDLE_MS;
      break;
    }
    if (!isClosed) timer = setTimeout(look, nextMs);
  };
  let timer = setTimeout(look, 0);
  return {
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      calls.close(descriptor.number);
    },
  };
}
