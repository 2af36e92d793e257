import { readFileSync } from "node:fs";

/** One entry of test/vectors/packets.json, whose README tells the form. Only the keys the tests here read. */
export type PacketVector = {
  readonly name: string;
  readonly family: "bsdp" | "dhcp" | "pxe-dhcp" | "tftp" | "http";
  readonly kind: string;
  readonly layer: string;
  readonly hex: string;
  // biome-ignore lint/suspicious/noExplicitAny: the expectations differ from layer to layer.
  readonly expect: any;
  readonly request?: string;
  readonly requestHex?: string;
  // biome-ignore lint/suspicious/noExplicitAny: settings differ from reply to reply.
  readonly input?: any;
  readonly serverBehaviour?: {
    readonly action: "reply" | "ignore" | "ignore-unless-bound";
    readonly toAddress?: string;
    readonly toPort?: number;
    readonly message?: string;
  };
};

const file = new URL("../vectors/packets.json", import.meta.url);

export const packetVectors: readonly PacketVector[] = JSON.parse(readFileSync(file, "utf8")).vectors;

export function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export function vectorNamed(name: string): PacketVector {
  const found = packetVectors.find((vector) => vector.name === name);
  if (found === undefined) throw new Error(`test/vectors/packets.json has no vector ${name}`);
  return found;
}
