import assert from "node:assert/strict";
import { test } from "node:test";
import { doctorCommand } from "../../../cli/doctor/doctor.ts";
import { restoreCommand } from "../../../cli/restore/restore.ts";
import { deployCommand } from "../../../cli/session/deploy.ts";
import { sessionCommand } from "../../../cli/session/session.ts";
import { duration } from "../../../cli/settings/option-values.ts";
import { streamCommand } from "../../../cli/stream/stream.ts";

test("a length of time has a unit, or is in seconds", () => {
  const read = duration({ mostMs: 86_400_000 });
  const cases = { "30s": 30_000, "10m": 600_000, "10 min": 600_000, "1.5h": 5_400_000, "1D": 86_400_000, "45": 45_000 };
  for (const [text, ms] of Object.entries({ ...cases, "0": 0, "0.2": 200 })) assert.equal(read(text), ms, text);
  for (const text of ["", "s", "-1", "1w", "10m5", "1e3", "Infinity", "NaN", "2d", "toString"]) {
    assert.throws(() => read(text), { code: "commander.invalidArgument" }, text);
  }
});

test("a length of time out of its bounds says what they are", () => {
  const read = duration({ leastMs: 1, mostMs: 600_000 });
  assert.equal(read("10m"), 600_000);
  for (const text of ["0", "0.0001s", "11m"])
    assert.throws(() => read(text), { message: /from 0\.001s to 600s/ }, text);
});

const timed = [
  [deployCommand(), "--max-wait"],
  [streamCommand(), "--max-wait"],
  [restoreCommand(), "--timeout"],
  [doctorCommand(), "--deadline"],
  [sessionCommand().commands.find((command) => command.name() === "watch")!, "--max-time"],
] as const;
for (const [command, flag] of timed) {
  test(`${command.name()} ${flag} is written as every length of time is, and help says so`, () => {
    const option = command.options.find(({ long }) => long === flag);
    assert.equal(option?.parseArg?.("2m", undefined), 120_000);
    assert.equal(option?.parseArg?.("30", undefined), 30_000);
    assert.match(option?.description ?? "", /\d+[sm], .*or seconds/);
  });
}
