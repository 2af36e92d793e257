import assert from "node:assert/strict";
import { test } from "node:test";
import { cronOf, daysOf, weekOf } from "../../../../server/web/page/schedule-times.ts";

test("what people say becomes a cron line, and is read back", () => {
  assert.equal(cronOf("workdays", "22:05"), "5 22 * * 1-5");
  for (const days of ["daily", "workdays", "weekend"] as const) {
    assert.deepEqual(daysOf(cronOf(days, "07:30")), { days, time: "07:30" });
  }
  for (const other of ["*/5 * * * *", "0 22 1 * *", "0 22 * * 2", "nonsense", ""])
    assert.equal(daysOf(other), undefined);
});

test("a week has seven days that begin today, each with what is due by the clock", () => {
  const now = new Date(2026, 10, 22, 13, 30).getTime();
  const at = (day: number, hour: number) => new Date(2026, 10, day, hour).getTime();
  const due = [
    { name: "late", dueAtMs: at(22, 23), isRefused: false },
    { name: "early", dueAtMs: at(22, 1), isRefused: false },
    { name: "last", dueAtMs: at(28, 5), isRefused: true },
    { name: "after", dueAtMs: at(29, 0), isRefused: false },
  ];
  const week = weekOf(due, now);
  assert.deepEqual(
    week.map((day) => day.due.map(({ name }) => name)),
    [["early", "late"], [], [], [], [], [], ["last"]],
  );
  assert.equal(week[0]?.atMs, at(22, 0));
});
