import { Type } from "typebox";

/** The shapes of `/api/v1/captures`. */

export const CaptureRequestBody = Type.Object(
  {
    /** Name, id or MAC address. */
    host: Type.String({ minLength: 1 }),
    image: Type.Optional(Type.String({ minLength: 1 })),
    notes: Type.Optional(Type.String()),
    keepFreeBlocks: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

export const CapturePlanBody = Type.Object({
  image: Type.String(),
  nextVersion: Type.Number(),
  host: Type.Object({
    id: Type.String(),
    name: Type.String(),
    mac: Type.String(),
    model: Type.String(),
    lastSeenMs: Type.Number(),
    disks: Type.Array(Type.Object({ path: Type.String(), sizeBytes: Type.Number(), model: Type.String() })),
  }),
  notes: Type.String(),
  keepFreeBlocks: Type.Boolean(),
  mostDiskBytes: Type.Number(),
  freeBytes: Type.Number(),
  warning: Type.String(),
});

export type CaptureRequestBody = Type.Static<typeof CaptureRequestBody>;
export type CapturePlanBody = Type.Static<typeof CapturePlanBody>;
