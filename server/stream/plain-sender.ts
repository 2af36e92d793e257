import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Pacer } from "../../multicast/pacer.ts";
import { encodePacket, FRAME_BYTES, PACKET_HEADER_BYTES } from "../../multicast/packet.ts";
import { SendFence } from "./send-fence.ts";
import { type DataSender, type SenderOptions, STUCK_MS, sendBufferBytes } from "./sender-options.ts";

/** Sends by Node's own socket, one datagram at a time. @throws what the system says when it refuses the address */
export async function openPlainSender(options: SenderOptions): Promise<DataSender> {
  const socket = createSocket({ type: "udp4", sendBufferSize: sendBufferBytes(options.rateBytesPerSecond) });
  try {
    socket.bind({ address: options.interfaceAddress, port: 0, exclusive: true });
    await once(socket, "listening");
    socket.setMulticastInterface(options.interfaceAddress);
    socket.setMulticastTTL(options.ttl);
    socket.setMulticastLoopback(options.loopback);
    // A connected socket spares the kernel the route for every datagram: a quarter of its price.
    socket.connect(options.port, options.group);
    await once(socket, "connect");
  } catch (error) {
    socket.close();
    throw error;
  }
  let refused = 0;
  const onError = (error: Error) => {
    if (refused === 0) options.log.warn({ error: error.message }, "the system refuses to send the stream");
    refused += 1;
  };
  socket.on("error", onError);
  const { format, rateBytesPerSecond } = options;
  const fence = options.fence === undefined ? undefined : new SendFence(options.fence);
  const packetBytes = PACKET_HEADER_BYTES + format.symbolBytes + FRAME_BYTES;
  return {
    pace: new Pacer(rateBytesPerSecond, packetBytes, performance.now()),
    async send(packet) {
      // What is not sent counts as lost, and comes again.
      if (fence?.isOpen === false) return;
      try {
        socket.send(encodePacket({ ...packet, sendTimeTenthsMs: Math.floor(performance.now() * 10) & 0xffff }, format));
      } catch (error) {
        onError(error as Error);
      }
      // Nearly always empty at once. If not, the card is busy: hold the stream back, do not queue.
      const until = performance.now() + STUCK_MS;
      while (socket.getSendQueueSize() > 0 && performance.now() < until) await nextTurn();
    },
    get refused() {
      return refused;
    },
    close: () => socket.close(),
  };
}
