import { readFile } from "node:fs/promises";
import { loadSystemCalls } from "../../udp/system-calls.ts";
import type { Finding } from "./finding.ts";

/** A room that asks in the same second fills less than this: server/dhcp/device-socket.ts, server/stream. */
export const BUFFER_BYTES = 4 * 1024 * 1024;
const CAP_NET_ADMIN = 12n;

/** What makes packets fast here, or slow. */
export async function lookAtKernel(): Promise<Finding[]> {
  const read = (path: string) => readFile(path, "utf8").catch(() => "");
  const [receive, send, status, cpu] = await Promise.all(
    ["/proc/sys/net/core/rmem_max", "/proc/sys/net/core/wmem_max", "/proc/self/status", "/proc/cpuinfo"].map(read),
  );
  return [
    batchFinding(loadSystemCalls() !== undefined),
    bufferFinding({ rmem_max: Number(receive), wmem_max: Number(send) }, isNetAdmin(status ?? "")),
    ...hashFinding(cpu ?? ""),
  ];
}

function batchFinding(hasKoffi: boolean): Finding {
  const probe = "udp";
  if (hasKoffi) return { probe, status: "ok", detail: "Many datagrams a system call (koffi)." };
  return {
    probe,
    status: "warn",
    detail:
      "The optional package koffi is not there: one datagram a system call, three times the work, one network only.",
    fix: "sudo npm install -g bootcast (without --omit=optional)",
  };
}

/** @param limits in bytes; NaN where the system does not say */
export function bufferFinding(limits: Readonly<Record<"rmem_max" | "wmem_max", number>>, mayForce: boolean): Finding {
  const probe = "socket buffers";
  const small = Object.entries(limits).filter(([, bytes]) => bytes < BUFFER_BYTES);
  if (mayForce || small.length === 0) return { probe, status: "ok", detail: "As large as a room needs them." };
  const told = small.map(([name, bytes]) => `net.core.${name} is ${bytes}`).join(", ");
  return {
    probe,
    status: "warn",
    detail: `${told}: packets are lost when many machines ask in the same moment.`,
    fix: `sudo sysctl -w ${small.map(([name]) => `net.core.${name}=${BUFFER_BYTES}`).join(" ")}, and for good: sudo bootcast setup`,
  };
}

/** Whether this process may go beyond those limits: /proc/self/status. */
export function isNetAdmin(status: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective !== undefined && (BigInt(`0x${effective}`) & (1n << CAP_NET_ADMIN)) !== 0n;
}

function hashFinding(cpu: string): Finding[] {
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(cpu)?.[1];
  if (flags === undefined) return [];
  const isFast = /\b(sha_ni|sha2)\b/.test(flags);
  const detail = isFast
    ? "The processor hashes by itself."
    : "The processor has no instructions for SHA-256: checking images takes three times as long.";
  return [{ probe: "sha-256", status: isFast ? "ok" : "skip", detail }];
}
