import { pino } from "pino";
import { standardDiskLoaders, standardLoaders, standardSecureLoaders } from "../../bsdp/boot-files.ts";
import { decodeDhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { messageTypeName, messageTypeOf } from "../../bsdp/dhcp-values.ts";
import { BROADCAST_ADDRESS, PROXY_PORT, SERVER_PORT } from "../../bsdp/reply-destination.ts";
import { DhcpAnswerer } from "../../server/dhcp/answer.ts";
import type { Behaviour } from "./behaviour.ts";
import type { Vector, VectorFile } from "./index-file.ts";
import type { Verdict } from "./verdict.ts";

/** Gives the packet to our proxy, which has a loader for everybody and an order for every machine. */
export async function checkPxeBehaviour(
  verdict: Verdict,
  { bytes, transport }: Vector,
  behaviour: Behaviour,
  server: VectorFile["server"],
): Promise<void> {
  const answerer = new DhcpAnswerer({
    interfaces: [],
    mode: "proxy",
    policyOf: async () => ({ boot: "agent" }),
    bootFiles: {
      httpPort: 80,
      loaders: standardLoaders,
      secureLoaders: standardSecureLoaders,
      diskLoaders: standardDiskLoaders,
      hasRaspberryPi: true,
      macImages: [],
      macPriority: 0,
    },
    log: pino({ level: "silent" }),
    now: () => 0,
  });
  const dst = transport?.dst ?? BROADCAST_ADDRESS;
  const answer = await answerer.answer(bytes, {
    port: transport?.dport === PROXY_PORT ? PROXY_PORT : SERVER_PORT,
    serverAddress: dst === BROADCAST_ADDRESS ? server.ip : dst,
    source: { address: transport?.src ?? "0.0.0.0", port: transport?.sport ?? 68 },
  });
  if (behaviour.action !== "reply") {
    if (answer !== undefined) verdict.differs("serverBehaviour", "no answer", decodeDhcpPacket(answer.bytes).options);
    return;
  }
  if (answer === undefined) {
    const reasons = Object.keys(answerer.counters.dropped).join();
    verdict.differs("serverBehaviour", behaviour.message, `no answer: ${reasons}`);
    return;
  }
  const { toAddress, toPort, message } = behaviour;
  if (toAddress !== undefined) verdict.same("serverBehaviour.toAddress", toAddress, answer.to.address);
  if (toPort !== undefined) verdict.same("serverBehaviour.toPort", toPort, answer.to.port);
  const type = messageTypeName(messageTypeOf(decodeDhcpPacket(answer.bytes)));
  const named = /\b(OFFER|ACK|NAK)\b/.exec(message)?.[1];
  if (named === undefined) verdict.skip(`message: ${message}`);
  else verdict.same("serverBehaviour.message", named, type);
}
