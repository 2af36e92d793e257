import { crc32 } from "node:zlib";
import type { StreamDescription } from "../../multicast/description.ts";
import { StreamLayout } from "../../multicast/layout.ts";
import { FRAME_BYTES, PACKET_HEADER_BYTES, type PacketFormat, packetFormat } from "../../multicast/packet.ts";
import { ParityCodec } from "../../multicast/parity.ts";
import type { SenderAction } from "../../multicast/sender.ts";
import { type TailKey, tailText } from "../../multicast/tail-proofs.ts";
import { descriptionOf } from "../multicast/streams.ts";

/** All of a simulated stream that goes by the size of its symbols. */
export type SimWire = {
  readonly description: StreamDescription;
  readonly layout: StreamLayout;
  readonly format: PacketFormat;
  readonly codec: ParityCodec;
  /** A datagram as it counts on the wire. */
  readonly datagramBytes: number;
  /** What a source or parity symbol carries. */
  payloadOf(block: number, symbol: number): Uint8Array;
};

/** @param streamBytes the packs end to end; they have these sizes */
export function simWire(
  streamBytes: Uint8Array,
  sizes: readonly number[],
  shape: { readonly symbolBytes: number; readonly symbolsPerBlock: number },
): SimWire {
  const { symbolBytes, symbolsPerBlock } = shape;
  const description = descriptionOf(sizes, shape);
  const layout = new StreamLayout(
    description,
    sizes.map((storedBytes) => ({ storedBytes })),
  );
  const content = new Uint8Array(layout.symbolCount * symbolBytes);
  content.set(streamBytes.subarray(0, layout.streamBytes));
  const codec = new ParityCodec(symbolsPerBlock, symbolBytes);
  return {
    description,
    layout,
    format: packetFormat(description),
    codec,
    datagramBytes: PACKET_HEADER_BYTES + symbolBytes + FRAME_BYTES,
    payloadOf(block, symbol) {
      const { blockBytes } = layout;
      const bytes = content.subarray(block * blockBytes, (block + 1) * blockBytes);
      if (symbol >= symbolsPerBlock) return codec.encode(bytes, symbol);
      return bytes.subarray(symbol * symbolBytes, (symbol + 1) * symbolBytes);
    },
  };
}

/** Stands for signatures: who forges in these rooms does not know it. */
export function tailProof(canary: SenderAction & { readonly type: "send" }): Uint8Array {
  return proofOf(tailText(canary));
}

export const tailKey: TailKey = {
  key: "the sender's",
  isSigned: (_, text, payload) => Buffer.compare(proofOf(text), payload.subarray(0, 4)) === 0,
};

function proofOf(text: Uint8Array): Uint8Array {
  const proof = Buffer.alloc(4);
  proof.writeUInt32BE(crc32(text, 0x5eed));
  return proof;
}
