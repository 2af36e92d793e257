import { type Static, Type } from "typebox";
import { oneOf } from "../disk/disk.ts";

/** One pack that the store has. */
export const KeptPack = Type.Object({ digest: Type.String({ pattern: "^[0-9a-f]{64}$" }), storedBytes: Type.Number() });
export type KeptPack = Static<typeof KeptPack>;

/**
 * To each list of cells (images/cell-lists.ts), in order: the pack with exactly these cells, or which of them the
 * store has not (bit 0 is the first). None missing and yet no pack: they lie in several.
 */
export const CellAnswers = Type.Object({
  packs: Type.Array(Type.Union([KeptPack, Type.Object({ missing: Type.Integer({ minimum: 0, maximum: 0xffff }) })])),
});
export type CellAnswers = Static<typeof CellAnswers>;

/** How much of the manifest has arrived; a piece is 1 MiB at most. */
export const ManifestPiece = Type.Object({ bytes: Type.Number() });
export type ManifestPiece = Static<typeof ManifestPiece>;
export const MOST_PIECE_BYTES = 1024 * 1024;

/** The manifest is there: length and SHA-256 of its bytes (images/manifest-codec.ts, without signature). */
export const FinishCapture = Type.Object({
  manifestBytes: Type.Integer({ minimum: 1 }),
  manifestDigest: Type.String({ pattern: "^[0-9a-f]{64}$" }),
});
export type FinishCapture = Static<typeof FinishCapture>;

/** "checking", "waiting" (somebody else makes a version of this image): ask again. */
export const CaptureState = Type.Union([
  Type.Object({ state: oneOf(["checking", "waiting"]), reason: Type.String() }),
  Type.Object({ state: Type.Literal("made"), image: Type.String(), imageVersion: Type.Number() }),
]);
export type CaptureState = Static<typeof CaptureState>;
