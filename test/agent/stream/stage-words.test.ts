import assert from "node:assert/strict";
import { test } from "node:test";
import { type StageFacts, stageWords } from "../../../agent/stream/stage-words.ts";
import { Fault } from "../../../fault.ts";

const facts: StageFacts = {
  stage: "receiving",
  group: "239.192.66.1",
  port: 7801,
  interfaceAddress: "10.77.0.57",
  silentMs: 0,
  standsMs: 0,
  timeoutMs: 60_000,
  streamWaitsFor: "",
  isHeld: false,
  lastFault: undefined,
  asideWhy: "",
  isFetching: false,
  unicastPacks: 0,
  areZerosWritten: true,
};
const gone = new Fault("SERVER_UNREACHABLE", { what: "The server is gone.", why: "Cable.", fix: "Plug." });

const waits: [Partial<StageFacts>, string][] = [
  [{ stage: "arriving" }, "Waiting for packets of 239.192.66.1:7801 on 10.77.0.57."],
  [{ stage: "waiting", streamWaitsFor: "1 of 2 hosts ready" }, "The stream waits: 1 of 2 hosts ready."],
  [{ stage: "waiting" }, "The stream is about to start."],
  [
    { silentMs: 5000 },
    "Nothing comes from the stream. The server answers, but sends nothing. Giving up after 60 s of silence.",
  ],
  [{ silentMs: 5000, timeoutMs: 0, lastFault: gone }, "Nothing comes from the stream. The server is gone."],
  [{ standsMs: 45_000, silentMs: 45_000 }, "The disk stands still: it has been at the same write for 45 s."],
  [{ stage: "finishing", areZerosWritten: false }, "Writing the zeros of the image."],
];
for (const [some, detail] of waits) {
  test(`a restore that waits says for what: ${detail}`, () => {
    assert.deepEqual(stageWords({ ...facts, ...some }), { detail, waitingFor: detail });
  });
}

const goesOn: [Partial<StageFacts>, string][] = [
  [{ stage: "erasing", silentMs: 90_000 }, "The stream arrives; erasing the target."],
  [{ silentMs: 4999, standsMs: 4999 }, "Receiving the stream."],
  [{ isFetching: true, unicastPacks: 9 }, "Fetching what is missing from the server; 9 packs so far."],
  [
    { isFetching: true, unicastPacks: 9, asideWhy: "its link loses 30 %: the rest by unicast" },
    "Fetching what is missing from the server; 9 packs so far. The others do not wait for this host: its link loses 30 %: the rest by unicast.",
  ],
  [{ stage: "finishing" }, "Writing the partition table."],
];
for (const [some, detail] of goesOn) {
  test(`a restore that gets on waits for nothing: ${detail}`, () => {
    assert.deepEqual(stageWords({ ...facts, ...some }), { detail, waitingFor: "" });
  });
}

test("a stream that is held says why", () => {
  const held = { ...facts, isHeld: true, streamWaitsFor: "the gateway 10.77.0.1 answers in 80 ms instead of 1 ms" };
  const detail = "The stream waits: the gateway 10.77.0.1 answers in 80 ms instead of 1 ms.";
  assert.deepEqual(stageWords(held), { detail, waitingFor: detail });
});
