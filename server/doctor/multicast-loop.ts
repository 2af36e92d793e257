import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { ServedInterface } from "../network/interfaces.ts";
import type { Finding } from "./finding.ts";

const DATAGRAMS = 8;
const EVERY_MS = 50;

/** Sends to the group from one socket of this machine and hears it with another one; nothing leaves it (TTL 0). */
export async function lookAtMulticast(on: ServedInterface, group: string, signal: AbortSignal): Promise<Finding> {
  const probe = `multicast ${on.name}`;
  const receiver = createSocket({ type: "udp4", reuseAddr: true });
  const sender = createSocket("udp4");
  const mark = randomBytes(16);
  let timer: NodeJS.Timeout | undefined;
  try {
    receiver.bind(0, group);
    await once(receiver, "listening", { signal });
    receiver.addMembership(group, on.address);
    const { promise: heard, resolve } = Promise.withResolvers<boolean>();
    receiver.on("message", (bytes) => {
      if (bytes.equals(mark)) resolve(true);
    });
    sender.bind(0, on.address);
    await once(sender, "listening", { signal });
    sender.setMulticastInterface(on.address);
    sender.setMulticastTTL(0);
    sender.setMulticastLoopback(true);
    let left = DATAGRAMS;
    const send = () => {
      if (left === 0) return resolve(false);
      left -= 1;
      sender.send(mark, receiver.address().port, group, () => undefined);
    };
    timer = setInterval(send, EVERY_MS);
    send();
    if (await heard) return { probe, status: "ok", detail: `What is sent to ${group} is heard on this machine.` };
    return silent(on, group, "nothing came back");
  } catch (error) {
    if (signal.aborted) throw error;
    return silent(on, group, (error as Error).message);
  } finally {
    clearInterval(timer);
    for (const socket of [receiver, sender]) {
      // It may never have been bound.
      try {
        socket.close();
      } catch {}
    }
  }
}

function silent({ name }: ServedInterface, group: string, why: string): Finding {
  return {
    probe: `multicast ${name}`,
    status: "fail",
    detail: `What this machine sends to ${group} through ${name} it does not hear itself: ${why}.`,
    fix: `Look for a firewall (sudo nft list ruleset), and for multicast in "ip link show ${name}"`,
  };
}
