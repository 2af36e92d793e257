/** Every wait of the agent ends; these say when. Milliseconds. */
export const limits = {
  registerMs: 120_000,
  /** The server may restart; after this it is looked for anew. */
  lostServerMs: 120_000,
  /** A host that nobody gives an order starts its own disk then. */
  orderMs: 12 * 3600_000,
  /** Nothing is chosen before the list of disks has been the same for so long … */
  disksSameMs: 2_000,
  /** … or so long has passed. */
  disksSettledMs: 10_000,
  permissionMs: 60_000,
  /** Somebody who ordered it at the machine itself may still think better of it. */
  cancelMs: 10_000,
  /** Somebody else may import a version of the same image; the server says so, and this is how long it is waited for. */
  captureFinishMs: 2 * 3600_000,
  lastReportMs: 120_000,
  /** How long a failure stays on the screen before the machine restarts. */
  failureShownMs: { untouched: 60_000, changed: 600_000 },
} as const;
