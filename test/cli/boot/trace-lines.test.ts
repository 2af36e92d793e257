import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters, styleText } from "node:util";
import { type LineStyle, storyHead, storyLine, traceLine } from "../../../cli/boot/trace-lines.ts";
import type { TraceEntryBody } from "../../../server/api/boot-schemas.ts";

const piped: LineStyle = { columns: undefined, paint: (_, text) => text };
const terminal = (columns: number): LineStyle => ({
  columns,
  paint: (color, text) => styleText(color, text, { validateStream: false }),
});
const startMs = new Date(2026, 2, 1, 21, 14, 7).getTime();
const offer: TraceEntryBody = {
  id: 1,
  atMs: startMs,
  mac: "52:54:00:00:00:01",
  host: "lab-01",
  service: "pxe",
  asked: "DISCOVER",
  answered: "OFFER x64/snponly.efi",
  detail: { is: "pxe", platform: "UEFI x64", relay: "10.9.0.1" },
};
const refused: TraceEntryBody = {
  id: 2,
  atMs: startMs + 3_600,
  mac: "52:54:00:00:00:02",
  service: "pxe",
  asked: "DISCOVER",
  reason: "there is no loader for architecture 12; name one in boot.loaders if you have it",
  isRefusal: true,
};
const file = { id: 3, atMs: startMs + 83_400, client: "10.0.0.5", service: "tftp", asked: "x64/snponly.efi" };

test("a line says when, who, what was asked and what came of it", () => {
  assert.equal(
    traceLine(offer, piped),
    "21:14:07 lab-01            pxe  DISCOVER UEFI x64 through 10.9.0.1 → OFFER x64/snponly.efi",
  );
  assert.match(
    traceLine(refused, piped),
    /^21:14:10 52:54:00:00:00:02 pxe {2}DISCOVER → no answer: there is no loader/,
  );
  const sent = { ...file, answered: "sent", detail: { bytes: 173_792, ms: 19, resends: 2 } };
  assert.equal(
    traceLine(sent, piped),
    "21:15:30 10.0.0.5          tftp └ x64/snponly.efi → sent 169.7 KiB in 19 ms, 2 packets sent again",
  );
  const missing = { ...file, reason: "file not found: x64/snponly.efi; is it in the boot directory?" };
  assert.match(traceLine(missing, piped), /└ x64\/snponly\.efi → file not found: x64\/snponly\.efi; is it in the boot/);
  assert.match(traceLine({ ...offer, times: 1 }, piped), /\(again, 1 time\)$/);
  assert.match(traceLine({ ...offer, times: 7 }, piped), /\(again, 7 times\)$/);
});

test("a story counts seconds from its first packet", () => {
  assert.equal(
    storyHead(offer, [offer, { ...offer, client: "10.0.0.5" }]),
    "lab-01 (52:54:00:00:00:01, UEFI x64, 10.0.0.5), boot of 2026-03-01 21:14:07:",
  );
  assert.equal(storyHead(refused, [refused]), "52:54:00:00:00:02, boot of 2026-03-01 21:14:10:");
  assert.match(storyLine({ ...file, answered: "sent" }, startMs, piped), /^ {3}83\.4 s {2}tftp {2}└ x64/);
});

test("on a terminal nothing is wider than it, what is cut goes on below, and nothing is lost", () => {
  for (const columns of [80, 100, 132]) {
    for (const entry of [offer, refused]) {
      const shown = stripVTControlCharacters(traceLine(entry, terminal(columns)));
      for (const line of shown.split("\n")) assert(line.length <= columns, `${columns}: ${line}`);
      assert.equal(shown.replaceAll(/\s+/g, " "), traceLine(entry, piped).replaceAll(/\s+/g, " "));
    }
  }
  const [, second] = stripVTControlCharacters(traceLine(refused, terminal(80))).split("\n");
  assert.match(second ?? "", /^ {34}\S/);
});

test("a refusal is red, an answer green, and what is no matter is pale", () => {
  const codes = (entry: TraceEntryBody) =>
    traceLine(entry, terminal(200))
      .match(/\[\d+m/g)
      ?.join("");
  assert(codes(offer)?.includes("[32m"));
  assert(codes(refused)?.includes("[31m"));
  assert(!codes({ ...refused, isRefusal: false })?.includes("[31m"));
});
