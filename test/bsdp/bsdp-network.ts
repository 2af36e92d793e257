import type { BsdpClientAction, BsdpClientOptions } from "../../bsdp/bsdp-client.ts";
import { BsdpClient } from "../../bsdp/bsdp-client.ts";
import { encodeDhcpPacket } from "../../bsdp/dhcp-packet.ts";
import type { Arrival } from "../../bsdp/proxy.ts";
import type { DhcpAnswerer } from "../../server/dhcp/answer.ts";

/** A server on the wire: how it answers, and the time of its clock. */
export type WireServer = { readonly address: string; readonly answerer: DhcpAnswerer };

/** What was sent when, for the tests to look at. */
export type Sent = { readonly atMs: number; readonly bytes: Uint8Array };

export type WireOptions = {
  readonly servers: readonly WireServer[];
  /** One way, in milliseconds. */
  readonly delayMs?: number;
  /** True for a packet that gets lost on its way. */
  readonly isLost?: (packet: { readonly direction: "up" | "down"; readonly number: number }) => boolean;
  /** Changes an answer on its way. */
  readonly alter?: (bytes: Uint8Array) => Uint8Array;
};

/** Runs one client against real answerers on a virtual clock until it ends. */
export async function runClient(
  options: BsdpClientOptions,
  { servers, delayMs = 1, isLost = () => false, alter = (bytes) => bytes }: WireOptions,
): Promise<{ actions: BsdpClientAction[]; sent: Sent[]; endedMs: number; client: BsdpClient }> {
  const client = new BsdpClient(options);
  const actions: BsdpClientAction[] = [];
  const sent: Sent[] = [];
  let arrivals: { atMs: number; bytes: Uint8Array }[] = [];
  const numbers = { up: 0, down: 0 };
  let nowMs = 0;
  const passes = (direction: "up" | "down") => !isLost({ direction, number: numbers[direction]++ });
  const obey = async (made: readonly BsdpClientAction[]) => {
    for (const action of made) {
      actions.push(action);
      if (action.type !== "send") continue;
      const bytes = encodeDhcpPacket(action.packet);
      sent.push({ atMs: nowMs, bytes });
      for (const { address, answerer } of servers) {
        if (!passes("up")) continue;
        const source = { address: options.address, port: options.replyPort };
        const arrival: Arrival = { port: 67, serverAddress: address, source };
        const answer = await answerer.answer(bytes, arrival);
        if (answer === undefined || answer.to.port !== options.replyPort || !passes("down")) continue;
        arrivals.push({ atMs: nowMs + 2 * delayMs, bytes: alter(answer.bytes) });
      }
    }
  };
  await obey(client.start(nowMs));
  // Ten minutes of waiting are enough for anything.
  while (!client.hasEnded && nowMs < 600_000) {
    const next = Math.min(...arrivals.map((one) => one.atMs), client.deadline);
    nowMs = next;
    const due = arrivals.filter((one) => one.atMs <= nowMs);
    arrivals = arrivals.filter((one) => one.atMs > nowMs);
    for (const { bytes } of due) await obey(client.onPacket(bytes, nowMs));
    await obey(client.onTimer(nowMs));
  }
  return { actions, sent, endedMs: nowMs, client };
}
