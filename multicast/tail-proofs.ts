import type { Packet } from "./packet.ts";

/** After a wrong proof no other is looked at for so long: a check costs a fifth of a millisecond, and anybody can send. */
const WRONG_PAUSE_MS = 15;
const PROOF = new TextEncoder().encode("bootcast tail 1\n");

type TailPacket = Pick<Packet, "block" | "symbol" | "plannedParity" | "sequence">;

/** What the sender signs of a canary that asks who still lacks something; the signature begins its payload. */
export function tailText({ block, symbol, plannedParity, sequence }: TailPacket): Uint8Array {
  const text = new Uint8Array(PROOF.length + 10);
  text.set(PROOF);
  const view = new DataView(text.buffer, PROOF.length);
  view.setUint32(0, block);
  view.setUint8(4, symbol);
  view.setUint8(5, plannedParity);
  view.setUint32(6, sequence);
  return text;
}

/** How the signatures of a stream's sender are checked. */
export type TailKey = {
  /** What the control connection says; another one after the sender was started again; undefined: it says none. */
  readonly key: string | undefined;
  isSigned(key: string, text: Uint8Array, payload: Uint8Array): boolean;
};

/**
 * Which canaries at the end of a pass are the sender's own. How long a room's pause is decides how many ask at the same
 * time: so nobody else may say it, nor say again what the sender has said before.
 */
export class TailProofs {
  readonly #tailKey: TailKey;
  #key: string | undefined;
  #newest: number | undefined;
  #lookAt = 0;

  constructor(tailKey: TailKey) {
    this.#tailKey = tailKey;
  }

  isProven(packet: TailPacket & Pick<Packet, "payload">, now: number): boolean {
    const { key } = this.#tailKey;
    if (key === undefined || now < this.#lookAt) return false;
    if (key !== this.#key) this.#newest = undefined;
    this.#key = key;
    if (this.#newest !== undefined && ((packet.sequence - this.#newest) | 0) <= 0) return false;
    if (!this.#tailKey.isSigned(key, tailText(packet), packet.payload)) {
      this.#lookAt = now + WRONG_PAUSE_MS;
      return false;
    }
    this.#newest = packet.sequence;
    return true;
  }
}
