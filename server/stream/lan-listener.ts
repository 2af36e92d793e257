import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { decodeIgmpQuery } from "../../multicast/igmp.ts";
import { decodeIPv4, IPProtocol, udpPortOf } from "../../multicast/ipv4.ts";
import { loadSystemCalls } from "../../udp/system-calls.ts";
import { listenToWire } from "../../udp/wire-listener.ts";
import type { Heard } from "./lan-rules.ts";

export type ListenOptions = {
  readonly interfaceIndex: number;
  readonly interfaceAddress: string;
  readonly group: string;
  readonly port: number;
  /** For tests: as if the optional package were not installed. */
  readonly withoutKoffi?: boolean;
};

/**
 * Listens whether somebody else sends to a group, as a member of it, and for the questions of a querier. Joining makes
 * switches with snooping send the group here; leaving makes a querier ask at once whether anybody still listens, instead
 * of every two minutes.
 */
export class LanListener {
  readonly #member: Socket;
  readonly #options: ListenOptions;
  readonly #wire: { close(): void } | undefined;
  readonly #waiting = new Set<() => void>();
  #heard: Heard = {};
  #isMember = true;

  /** @throws what the system says when the group cannot be joined there */
  static async open(options: ListenOptions): Promise<LanListener> {
    const { group, port, interfaceAddress } = options;
    const member = createSocket({ type: "udp4", reuseAddr: true });
    try {
      member.bind({ address: group, port });
      await once(member, "listening");
      member.addMembership(group, interfaceAddress);
    } catch (error) {
      member.close();
      throw error;
    }
    return new LanListener(member, options);
  }

  private constructor(member: Socket, options: ListenOptions) {
    this.#member = member;
    this.#options = options;
    // It hears what other programs of this machine send; the wire below does not.
    member.on("message", (_, { address }) => this.#onSender(address, options.port));
    member.on("error", () => undefined);
    this.#wire = this.#listenToWire();
  }

  /** What was heard so far. Without rights, or without koffi, nothing can be said of a querier. */
  get heard(): Heard {
    return this.#heard;
  }

  get canHearQuerier(): boolean {
    return this.#wire !== undefined;
  }

  /** Leaves the group: a querier asks then who is left. */
  leave(): void {
    if (!this.#isMember) return;
    this.#isMember = false;
    this.#member.close();
  }

  /** Resolves when that was heard, or after so long. */
  async until(what: keyof Heard, ms: number, signal?: AbortSignal): Promise<void> {
    const deadline = AbortSignal.any([AbortSignal.timeout(ms), ...(signal === undefined ? [] : [signal])]);
    while (this.#heard[what] === undefined && !deadline.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      deadline.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  close(): void {
    this.leave();
    this.#wire?.close();
  }

  #listenToWire(): { close(): void } | undefined {
    const calls = this.#options.withoutKoffi === true ? undefined : loadSystemCalls();
    if (calls === undefined) return undefined;
    const { interfaceIndex, group } = this.#options;
    try {
      return listenToWire(calls, { interfaceIndex, group, onPacket: (bytes) => this.#onPacket(bytes) });
    } catch {
      // Only root may; the rest is heard without it.
      return undefined;
    }
  }

  #onPacket(bytes: Uint8Array): void {
    const packet = decodeIPv4(bytes);
    if (packet === undefined) return;
    if (packet.protocol === IPProtocol.igmp) {
      const query = decodeIgmpQuery(packet.payload);
      if (query === undefined || this.#heard.querier !== undefined) return;
      this.#heard = { ...this.#heard, querier: { address: packet.source, version: query.version } };
      this.#wake();
    } else if (packet.destination === this.#options.group) {
      this.#onSender(packet.source, packet.protocol === IPProtocol.udp ? udpPortOf(packet) : undefined);
    }
  }

  #onSender(address: string, port = 0): void {
    if (this.#heard.sender !== undefined) return;
    this.#heard = { ...this.#heard, sender: { address, port } };
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}
