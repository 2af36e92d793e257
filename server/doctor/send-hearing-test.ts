import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { HEARING_DATAGRAM_BYTES, HEARING_MARK_BYTES, type HearingTest } from "../../agent/contract.ts";
import { DEFAULT_TTL } from "../stream/hub.ts";

/** Sends a test's datagrams to its group through the interface of an address of ours, evenly. */
export async function sendHearingTest(test: HearingTest, interfaceAddress: string, everyMs: number): Promise<void> {
  const socket = createSocket("udp4");
  try {
    socket.bind(0, interfaceAddress);
    await once(socket, "listening");
    socket.setMulticastInterface(interfaceAddress);
    socket.setMulticastTTL(DEFAULT_TTL);
    for (let number = 0; number < test.datagrams; number += 1) {
      const bytes = Buffer.alloc(HEARING_DATAGRAM_BYTES);
      bytes.write(test.mark, "hex");
      bytes.writeUInt16BE(number, HEARING_MARK_BYTES);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket.send(bytes, test.port, test.group, (error) => (error ? reject(error) : resolve()));
      await promise;
      if (everyMs > 0) await sleep(everyMs);
    }
  } finally {
    socket.close();
  }
}
