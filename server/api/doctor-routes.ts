import { Type } from "typebox";
import type { Doctor, DoctorReport } from "../doctor/doctor.ts";
import { areas } from "../doctor/finding.ts";
import type { HearingTests } from "../doctor/hearing.ts";
import type { Hosts } from "../hosts/hosts.ts";
import type { HttpServer } from "../http/http.ts";

function oneOf<const Word extends string>(words: readonly Word[]) {
  return Type.Unsafe<Word>({ type: "string", enum: words });
}

const Line = Type.Object({
  area: oneOf(areas),
  probe: Type.String(),
  /** "skip": it could not be looked at, and why. */
  status: oneOf(["ok", "warn", "fail", "skip"]),
  detail: Type.String(),
  /** What mends it. */
  fix: Type.Optional(Type.String()),
  code: Type.Optional(Type.String()),
});

export const DoctorBody = Type.Object({
  /** When all of it was looked at. */
  atMs: Type.Number(),
  tookMs: Type.Number(),
  /** How many lines say "warn" or "fail". */
  problems: Type.Number(),
  lines: Type.Array(Line),
});
export type DoctorBody = Type.Static<typeof DoctorBody>;

/** What a host hears. */
export const HearingBody = Type.Object({ lines: Type.Array(Line) });
export type HearingBody = Type.Static<typeof HearingBody>;

/** What is wrong with the server, its machine and its networks: `bootcast doctor` and the Repairs page. */
export function doctorRoutes(http: HttpServer, { doctor }: { readonly doctor: Doctor }): void {
  const response = { 200: DoctorBody };
  http.get(
    "/api/v1/doctor",
    {
      config: { role: "viewer" },
      schema: { summary: "What the last look found; the first one is made when it is asked for", response },
    },
    async () => bodyOf(doctor.last ?? (await doctor.examine())),
  );
  http.post(
    "/api/v1/doctor",
    { config: { role: "operator" }, schema: { summary: "Looks at everything now: at most five seconds", response } },
    async () => bodyOf(await doctor.examine()),
  );
}

/** What a waiting host hears of what the server sends to its group: a test that takes some seconds. */
export function hearingTestRoute(
  http: HttpServer,
  { hosts, hearing }: { readonly hosts: Pick<Hosts, "find">; readonly hearing: Pick<HearingTests, "ask"> },
): void {
  http.post(
    "/api/v1/doctor/hosts/:host",
    {
      config: { role: "operator" },
      schema: {
        summary: "Sends datagrams to the group of streams, and asks a waiting host which of them it hears",
        params: Type.Object({ host: Type.String() }),
        response: { 200: HearingBody },
      },
    },
    async ({ params }) => {
      const lines = await hearing.ask(await hosts.find(params.host));
      return { lines: lines.map((line) => ({ area: "network" as const, ...line })) };
    },
  );
}

function bodyOf({ lines, ...report }: DoctorReport): DoctorBody {
  return { ...report, lines: lines.map((line) => ({ ...line })) };
}
