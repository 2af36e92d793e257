/** How long hosts take for an order, told beforehand. */
export type Estimate = {
  readonly seconds: number;
  /** What it goes by: hosts that were restored with this image before, or only the bytes. */
  readonly basis: "past" | "rate";
  /** With "past": how many hosts. */
  readonly hosts: number;
};

/** Firmware, kernel and agent, and the way back into the restored system. */
const STARTS_SECONDS = 90;
/** An ordinary disk reads back so many bytes a second, or more. */
const READ_BACK_BYTES_PER_SECOND = 150e6;
/** Stored bytes become about so many times as many on the disk. */
const USUAL_RATIO = 2;

/**
 * How long an order takes: as hosts took that were restored with this image, by the middle one of them; otherwise by
 * its bytes.
 *
 * @param about.waves how many groups of hosts go one after the other
 * @param about.pastMs what hosts took lately for the same image
 */
export function estimateOf(about: {
  readonly storedBytes: number;
  readonly diskBytes: number;
  readonly rateBytesPerSecond: number;
  readonly isReadBack: boolean;
  readonly waves: number;
  readonly pastMs: readonly number[];
}): Estimate {
  const { storedBytes, diskBytes, rateBytesPerSecond, isReadBack, waves } = about;
  const past = about.pastMs.toSorted((one, other) => one - other);
  const middle = past[past.length >> 1];
  if (middle !== undefined) {
    return { seconds: Math.ceil(middle / 1000) * waves, basis: "past", hosts: past.length };
  }
  const send = storedBytes / Math.max(1, rateBytesPerSecond);
  const writtenBytes = Math.min(diskBytes, storedBytes * USUAL_RATIO);
  const readBack = isReadBack ? writtenBytes / READ_BACK_BYTES_PER_SECOND : 0;
  return { seconds: Math.ceil((STARTS_SECONDS + send + readBack) * waves), basis: "rate", hosts: 0 };
}
