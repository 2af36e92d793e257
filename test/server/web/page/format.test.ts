import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatAgo,
  formatBytes,
  formatClock,
  formatPercent,
  formatRate,
  formatShare,
  formatSpan,
  formatTime,
} from "../../../../server/web/page/format.ts";

test("sizes and rates", () => {
  for (const [bytes, english, german] of [
    [0, "0 B", "0 B"],
    [999, "999 B", "999 B"],
    [1000, "1 kB", "1 kB"],
    [27_400_000_000, "27.4 GB", "27,4 GB"],
    [99_960_000, "100 MB", "100 MB"],
    [999_600_000, "1 GB", "1 GB"],
    [2e12, "2 TB", "2 TB"],
    [-5, "0 B", "0 B"],
  ] as const) {
    assert.deepEqual([formatBytes(bytes, "en"), formatBytes(bytes, "de")], [english, german], `${bytes}`);
  }
  assert.equal(formatRate(61_000_000, "en"), "61 MB/s");
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e18, noNaN: true }), (bytes) => formatBytes(bytes, "en").length <= 9),
  );
});

test("shares: what is not nothing is not shown as nothing", () => {
  assert.deepEqual(
    [0, 0.0002, 0.001, 0.004, 0.021, 1].map((share) => formatShare(share, "en")),
    ["0 %", "< 0.1 %", "0.1 %", "0.4 %", "2.1 %", "100 %"],
  );
  assert.equal(formatShare(0.021, "de"), "2,1 %");
  assert.equal(formatPercent(57.6, "en"), "58 %");
});

test("lengths of time", () => {
  assert.deepEqual([48_000, 250_000, 3_723_000, -1].map(formatClock), ["0:48", "4:10", "1:02:03", "0:00"]);
  assert.deepEqual(
    [900, 12_000, 60_000, 7_199_999, 86_400_000, 9 * 86_400_000].map((ms) => formatSpan(ms, "en")),
    ["0 s", "12 s", "1 min", "1 hour", "1 day", "9 days"],
  );
  assert.deepEqual([formatAgo(100, "en"), formatAgo(180_000, "en")], ["just now", "3 min ago"]);
  assert.deepEqual([formatAgo(100, "de"), formatAgo(9 * 86_400_000, "de")], ["gerade eben", "vor 9 Tagen"]);
});

test("a time today has no date, another one has", () => {
  const noon = new Date(2026, 10, 22, 12, 0, 5).getTime();
  assert.equal(formatTime(noon, noon + 60_000, "en"), "12:00:05");
  assert.equal(formatTime(noon, noon + 86_400_000, "de"), "22.11.2026 12:00:05");
});
