import { createSocket } from "node:dgram";
import { once } from "node:events";
import { checkGroup } from "../../multicast/group.ts";
import { HEARING_MARK_BYTES, type HearingTest } from "../contract.ts";

/**
 * Listens to a group for the server's test, and for nothing else: what does not begin with the mark counts for nothing.
 *
 * @param interfaceAddress ours, in the network that it is to come from
 * @param ready called when the group is joined; the datagrams come behind it
 * @returns how many different ones came
 * @throws {Fault} GROUP_REFUSED: whoever answers for the server has it join no group of others
 */
export async function hearTest(
  { mark, group, port, datagrams, withinMs }: HearingTest,
  interfaceAddress: string,
  ready: () => Promise<unknown>,
): Promise<number> {
  checkGroup(group);
  const heard = new Set<number>();
  const wanted = Buffer.from(mark, "hex");
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  try {
    socket.on("message", (bytes) => {
      if (bytes.length < HEARING_MARK_BYTES + 2 || !bytes.subarray(0, HEARING_MARK_BYTES).equals(wanted)) return;
      const number = bytes.readUInt16BE(HEARING_MARK_BYTES);
      if (number < datagrams) heard.add(number);
      if (heard.size === datagrams) resolve();
    });
    socket.bind(port, group);
    await once(socket, "listening");
    // From here on what fails is told by who waits for datagrams, and none comes.
    socket.on("error", () => undefined);
    socket.addMembership(group, interfaceAddress);
    await ready();
    timer = setTimeout(resolve, withinMs);
    await all;
    return heard.size;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}
