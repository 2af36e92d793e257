import type { SessionBody, SessionHostBody } from "../../../server/api/schemas.ts";

/** A host in the middle of its restore. */
export const workingHost: SessionHostBody = {
  id: "h-1",
  name: "lab-07",
  order: "running",
  state: "receiving",
  detail: "",
  percent: 42,
  fault: null,
  startedAtMs: 1000,
  endedAtMs: null,
  kept: null,
  timings: {},
  totalMs: 60_000,
  wave: null,
  heldBy: "",
  lossShare: null,
  slow: "",
  leftMs: null,
};

/** A deploy to a group, under way, without hosts yet. */
export const workingSession: SessionBody = {
  id: 3,
  kind: "deploy",
  image: "lab-debian",
  imageVersion: 2,
  to: "named",
  target: "room-b",
  state: "active",
  createdAtMs: 0,
  endedAtMs: null,
  startAtMs: null,
  startedAtMs: 0,
  halted: null,
  mostFailed: null,
  limits: null,
  retryOf: null,
  leftMs: null,
  streams: [],
  hosts: [],
};
