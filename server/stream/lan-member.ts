import { createSocket, type Socket } from "node:dgram";

/**
 * Membership of the sender in its own group. Switches with snooping send a group that nobody joined to every port; so
 * this machine joins it until a receiver has, and again when none is left. It hears nothing of it: no port is open.
 */
export class LanMember {
  readonly #group: string;
  readonly #interfaceAddress: string;
  #socket: Socket | undefined;

  constructor(group: string, interfaceAddress: string) {
    this.#group = group;
    this.#interfaceAddress = interfaceAddress;
  }

  join(): void {
    if (this.#socket !== undefined) return;
    const socket = createSocket("udp4");
    socket.on("error", () => undefined);
    this.#socket = socket;
    socket.bind(0, this.#interfaceAddress, () => {
      try {
        if (this.#socket === socket) socket.addMembership(this.#group, this.#interfaceAddress);
      } catch {
        // The interface went away: nothing is sent there either.
      }
    });
  }

  leave(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}
