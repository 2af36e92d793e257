import { readFile } from "node:fs/promises";

/**
 * The local addresses on which other sockets of this machine hear a UDP port, before we open it: "0.0.0.0" for all.
 * Empty where the system has no such table.
 */
export async function udpListeners(port: number): Promise<string[]> {
  const text = await readFile("/proc/net/udp", "latin1").catch(() => "");
  return parseUdpTable(text, port);
}

/** Reads /proc/net/udp: addresses are hexadecimal, their bytes in the machine's own order (little-endian). */
export function parseUdpTable(text: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return text
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/)[1] ?? "")
    .filter((local) => local.endsWith(`:${wanted}`))
    .map((local) => [6, 4, 2, 0].map((at) => Number.parseInt(local.slice(at, at + 2), 16)).join("."));
}
