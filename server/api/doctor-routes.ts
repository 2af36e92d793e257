import { Type } from "typebox";
import type { Doctor, DoctorReport } from "../doctor/doctor.ts";
import { areas } from "../doctor/finding.ts";
import type { HttpServer } from "../http/http.ts";

function oneOf<const Word extends string>(words: readonly Word[]) {
  return Type.Unsafe<Word>({ type: "string", enum: words });
}

export const DoctorBody = Type.Object({
  /** When all of it was looked at. */
  atMs: Type.Number(),
  tookMs: Type.Number(),
  /** How many lines say "warn" or "fail". */
  problems: Type.Number(),
  lines: Type.Array(
    Type.Object({
      area: oneOf(areas),
      probe: Type.String(),
      /** "skip": it could not be looked at, and why. */
      status: oneOf(["ok", "warn", "fail", "skip"]),
      detail: Type.String(),
      /** What mends it. */
      fix: Type.Optional(Type.String()),
      code: Type.Optional(Type.String()),
    }),
  ),
});
export type DoctorBody = Type.Static<typeof DoctorBody>;

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

function bodyOf({ lines, ...report }: DoctorReport): DoctorBody {
  return { ...report, lines: lines.map((line) => ({ ...line })) };
}
