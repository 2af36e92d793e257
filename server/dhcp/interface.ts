import { PROXY_PORT, SERVER_PORT } from "../../bsdp/reply-destination.ts";
import type { DhcpAnswerer } from "./answer.ts";
import type { DeviceSocket, PacketSource } from "./device-socket.ts";
import { openDeviceSocket } from "./device-socket.ts";
import type { NetworkOf } from "./network.ts";
import type { OtherServers } from "./other-servers.ts";
import type { DhcpInterface, DhcpSettings } from "./settings.ts";

/** Answers on the ports of one interface until it is closed. */
export type DhcpOnInterface = { close(): Promise<void> };

/**
 * Opens ports 67 and 4011 of an interface and answers there.
 *
 * @throws {Fault} of `openDeviceSocket`
 */
export async function answerOn(
  on: DhcpInterface,
  {
    settings,
    answerer,
    others,
    networkOf,
    ownAddresses,
  }: {
    readonly settings: Pick<DhcpSettings, "mode" | "log">;
    readonly answerer: DhcpAnswerer;
    readonly others: OtherServers;
    readonly networkOf: NetworkOf | undefined;
    /** Ours on all interfaces, now. */
    ownAddresses(): readonly string[];
  },
): Promise<DhcpOnInterface> {
  const { log } = settings;
  const sockets: DeviceSocket[] = [];
  const running = new Set<Promise<void>>();

  async function open(port: number): Promise<void> {
    let socket: DeviceSocket | undefined;
    const onPacket = (bytes: Uint8Array, source: PacketSource) => {
      // A packet may come before the socket is ours to send from; its sender will repeat it.
      if (socket === undefined) return;
      const work = answer(socket, bytes, source, port).catch((error) => {
        log.error({ err: error, interface: on.name, port }, "a packet could not be answered");
      });
      running.add(work);
      void work.finally(() => running.delete(work));
    };
    const onError = (error: Error) =>
      log.error({ err: error, interface: on.name, port }, "the socket reports an error");
    socket = await openDeviceSocket({ device: on.name, address: on.address, port, onPacket, onError });
    sockets.push(socket);
  }

  async function answer(socket: DeviceSocket, bytes: Uint8Array, source: PacketSource, port: number): Promise<void> {
    const arrival = { port, serverAddress: on.address, ownAddresses: ownAddresses(), source };
    const found = await answerer.answer(bytes, arrival, networkOf);
    if (found !== undefined) await socket.send(found.bytes, found.to);
  }

  const close = async () => {
    await Promise.all(running);
    await Promise.all(sockets.map((socket) => socket.close()));
  };
  try {
    if (settings.mode !== "proxy-4011") await open(SERVER_PORT);
    await open(PROXY_PORT);
  } catch (error) {
    await close();
    throw error;
  }
  const listener = await others.listen(on);
  if (listener !== undefined) sockets.push(listener);
  return { close };
}
