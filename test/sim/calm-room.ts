import type { RoomPlan } from "./room-plan.ts";

/** A room of 16 without accidents but the loss of 5 %. */
export const calmRoom: RoomPlan = {
  seed: 1,
  receivers: 16,
  packs: 100,
  once: false,
  loss: 0.05,
  duplicates: 0,
  burst: 1,
  sharedLoss: 0,
  feedbackLoss: 0.05,
  jitterMs: 0,
  forged: 0,
  changeAtMs: undefined,
  rateBytesPerSecond: 200_000,
  memoryBytes: 100_000_000,
  writeMs: 0,
  hasUnicast: false,
  symbolsPerBlock: 192,
  packBytes: 8_000,
};
